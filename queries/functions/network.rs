//! `network(address) → TEXT`: the block that an address as `ip_text` writes it belongs to, the smallest
//! that is routed on its own: the /24 of an IPv4 address, the /48 of an IPv6 address. Null for what is
//! no address.

use super::columnwise;
use datafusion::arrow::array::{ArrayRef, StringArray};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::cast::as_string_array;
use datafusion::error::Result;
use datafusion::logical_expr::{ScalarUDF, Signature, Volatility};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

pub(super) fn function() -> ScalarUDF {
    let signature = Signature::exact(vec![DataType::Utf8], Volatility::Immutable);
    columnwise("network", signature, DataType::Utf8, networks)
}

fn networks(columns: &[ArrayRef]) -> Result<ArrayRef> {
    let addresses = as_string_array(&columns[0])?.iter();
    Ok(Arc::new(addresses.map(|address| network(address?)).collect::<StringArray>()))
}

fn network(address: &str) -> Option<String> {
    Some(match address.parse().ok()? {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            format!("{}/24", Ipv4Addr::new(a, b, c, 0))
        }
        IpAddr::V6(address) => {
            let [a, b, c, ..] = address.segments();
            format!("{}/48", Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ipv4_keeps_24_bits_and_ipv6_48() {
        assert_eq!(network("192.0.2.7").as_deref(), Some("192.0.2.0/24"));
        assert_eq!(network("2001:db8:1:2::").as_deref(), Some("2001:db8:1::/48"));
        assert_eq!(network("AS64496"), None);
    }
}
