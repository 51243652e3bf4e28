//! `ip_text(address) → TEXT`: an address as people write it; v4-mapped ones as IPv4.

use super::stateless;
use datafusion::arrow::array::{Array, ArrayRef, FixedSizeBinaryArray, StringBuilder};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::cast::as_fixed_size_binary_array;
use datafusion::error::Result;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use std::net::Ipv6Addr;
use std::sync::Arc;

pub(super) fn function() -> ScalarUDF {
    let signature = Signature::exact(vec![DataType::FixedSizeBinary(16)], Volatility::Immutable);
    ScalarUDF::from(IpText { signature })
}

/// The text of one stored address.
#[must_use]
pub fn ip_text(bytes: [u8; 16]) -> String {
    Ipv6Addr::from(bytes).to_canonical().to_string()
}

#[derive(Debug)]
struct IpText {
    signature: Signature,
}
stateless!(IpText);

impl ScalarUDFImpl for IpText {
    fn name(&self) -> &'static str {
        "ip_text"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let column = args.args[0].to_array(args.number_rows)?;
        Ok(ColumnarValue::Array(texts(as_fixed_size_binary_array(&column)?)))
    }
}

fn texts(addresses: &FixedSizeBinaryArray) -> ArrayRef {
    let mut texts = StringBuilder::with_capacity(addresses.len(), addresses.len() * 15);
    for address in addresses {
        texts.append_option(address.and_then(|bytes| bytes.try_into().ok()).map(ip_text));
    }
    Arc::new(texts.finish())
}
