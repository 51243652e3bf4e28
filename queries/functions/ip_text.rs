//! `ip_text(address) → TEXT`: an address as people write it; v4-mapped ones as IPv4.

use super::columnwise;
use datafusion::arrow::array::{ArrayRef, StringArray};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::cast::as_fixed_size_binary_array;
use datafusion::error::Result;
use datafusion::logical_expr::{ScalarUDF, Signature, Volatility};
use std::net::Ipv6Addr;
use std::sync::Arc;

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
    let addresses = as_fixed_size_binary_array(&columns[0])?.iter();
    let texts = addresses.map(|address| address.and_then(|bytes| bytes.try_into().ok()).map(ip_text));
    Ok(Arc::new(texts.collect::<StringArray>()))
}
