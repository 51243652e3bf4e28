//! `operator(address) → address`: whom we take to be one party: an IPv4 address as it is, an IPv6
//! address cut to its /64, since a host there changes the lower half at will (RFC 8981).

use super::columnwise;
use datafusion::arrow::array::{Array, ArrayRef, FixedSizeBinaryBuilder};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::cast::as_fixed_size_binary_array;
use datafusion::error::Result;
use datafusion::logical_expr::{ScalarUDF, Signature, Volatility};
use std::net::Ipv6Addr;
use std::sync::Arc;

const ADDRESS: DataType = DataType::FixedSizeBinary(16);

pub(super) fn function() -> ScalarUDF {
    columnwise("operator", Signature::exact(vec![ADDRESS], Volatility::Immutable), ADDRESS, operators)
}

fn operators(columns: &[ArrayRef]) -> Result<ArrayRef> {
    let addresses = as_fixed_size_binary_array(&columns[0])?;
    let mut operators = FixedSizeBinaryBuilder::with_capacity(addresses.len(), 16);
    for address in addresses {
        match address.and_then(|bytes| <[u8; 16]>::try_from(bytes).ok()) {
            Some(bytes) => operators.append_value(operator(bytes))?,
            None => operators.append_null(),
        }
    }
    Ok(Arc::new(operators.finish()))
}

/// The operator that `address` belongs to.
#[must_use]
pub fn operator(mut address: [u8; 16]) -> [u8; 16] {
    if Ipv6Addr::from(address).to_ipv4_mapped().is_none() {
        address[8..].fill(0);
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ipv4_stays_and_ipv6_keeps_its_first_half() {
        let v4 = "::ffff:192.0.2.7".parse::<Ipv6Addr>().expect("an address").octets();
        let v6 = "2001:db8:1:2:3:4:5:6".parse::<Ipv6Addr>().expect("an address").octets();
        let net = "2001:db8:1:2::".parse::<Ipv6Addr>().expect("an address").octets();
        assert_eq!(operator(v4), v4);
        assert_eq!(operator(v6), net);
    }
}
