//! `ip_text(address) → TEXT`: an address as people write it; v4-mapped ones as IPv4.

use super::columnwise;
use datafusion::arrow::array::{Array, ArrayRef, StringBuilder};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::cast::as_fixed_size_binary_array;
use datafusion::error::Result;
use datafusion::logical_expr::{ScalarUDF, Signature, Volatility};
use std::fmt::Write;
use std::net::Ipv6Addr;
use std::sync::Arc;

/// Bytes of an IPv4 address's text, which most are.
const TYPICAL: usize = 15;

pub(super) fn function() -> ScalarUDF {
    let signature = Signature::exact(vec![DataType::FixedSizeBinary(16)], Volatility::Immutable);
    columnwise("ip_text", signature, DataType::Utf8, texts)
}

/// The text of one stored address.
#[must_use]
pub fn ip_text(bytes: [u8; 16]) -> String {
    Ipv6Addr::from(bytes).to_canonical().to_string()
}

fn texts(columns: &[ArrayRef]) -> Result<ArrayRef> {
    let addresses = as_fixed_size_binary_array(&columns[0])?;
    let mut texts = StringBuilder::with_capacity(addresses.len(), addresses.len() * TYPICAL);
    for address in addresses {
        match address.and_then(|bytes| <[u8; 16]>::try_from(bytes).ok()) {
            Some(bytes) => {
                write!(texts, "{}", Ipv6Addr::from(bytes).to_canonical())?;
                texts.append_value("");
            }
            None => texts.append_null(),
        }
    }
    Ok(Arc::new(texts.finish()))
}
