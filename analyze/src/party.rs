//! How people name a party: a network, an address or an autonomous system.
//!
//! A party acts as an operator, an IPv4 address or an IPv6 /64. Whatever is written of an IPv6
//! address behind its first 64 bits is therefore dropped here.

use ipnet::{IpNet, Ipv4Net};
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

/// Bits of an IPv6 address that name an operator.
const OPERATOR_BITS: u8 = 64;
/// Bits in front of an IPv4 address that is written as an IPv6 address (RFC 4291, 2.5.5.2).
const MAPPED_BITS: u8 = 96;

/// A network or an autonomous system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Party {
    /// `192.0.2.0/24`, `2001:db8::/32`, or a single address.
    Network(IpNet),
    /// `AS64496`.
    Asn(u32),
}

impl Party {
    /// The party as the single operator that it names, the way datasets have it; none for a wider network and for
    /// an autonomous system.
    #[must_use]
    pub fn operator(self) -> Option<Ipv6Addr> {
        match self {
            Self::Network(IpNet::V4(network)) if network.prefix_len() == network.max_prefix_len() => {
                Some(network.addr().to_ipv6_mapped())
            }
            Self::Network(IpNet::V6(network)) if network.prefix_len() == OPERATOR_BITS => {
                Some(network.addr())
            }
            Self::Network(_) | Self::Asn(_) => None,
        }
    }
}

/// A network of whole operators, its host bits zero. IPv4 addresses written as IPv6 (`::ffff:192.0.2.0/120`) are
/// IPv4 addresses.
fn of_operators(network: IpNet) -> IpNet {
    if let IpNet::V6(network) = network
        && let (Some(address), Some(prefix)) =
            (network.addr().to_ipv4_mapped(), network.prefix_len().checked_sub(MAPPED_BITS))
    {
        return Ipv4Net::new(address, prefix).map_or(network.into(), IpNet::from).trunc();
    }
    let prefix = match network {
        IpNet::V4(network) => network.prefix_len(),
        IpNet::V6(network) => network.prefix_len().min(OPERATOR_BITS),
    };
    IpNet::new(network.addr(), prefix).unwrap_or(network).trunc()
}

impl FromStr for Party {
    type Err = NotAParty;

    fn from_str(text: &str) -> Result<Self, NotAParty> {
        let network = text.parse::<IpNet>();
        let network = network.or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        if let Ok(network) = network {
            return Ok(Self::Network(of_operators(network)));
        }
        let number = text.get(..2).filter(|prefix| prefix.eq_ignore_ascii_case("AS"));
        let number = number.map_or(text, |prefix| &text[prefix.len()..]);
        let digits = number.bytes().all(|byte| byte.is_ascii_digit());
        let number = digits.then(|| number.parse().ok()).flatten();
        number.map(Self::Asn).ok_or_else(|| NotAParty(text.to_owned()))
    }
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(network) => network.fmt(f),
            Self::Asn(number) => write!(f, "AS{number}"),
        }
    }
}

/// The text names no party.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAParty(String);

impl fmt::Display for NotAParty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is no address, network (192.0.2.0/24) or AS number (AS64496)", self.0)
    }
}

impl std::error::Error for NotAParty {}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> String {
        text.parse::<Party>().map_or_else(|error| error.to_string(), |party| party.to_string())
    }

    #[test]
    fn networks_and_numbers_are_told_apart() {
        assert_eq!(written("192.0.2.7/24"), "192.0.2.0/24");
        assert_eq!(written("192.0.2.7"), "192.0.2.7/32");
        assert_eq!([written("::ffff:192.0.2.7"), written("::ffff:192.0.2.7/128")], ["192.0.2.7/32"; 2]);
        assert_eq!(written("::ffff:192.0.2.7/120"), "192.0.2.0/24");
        assert_eq!([written("64496"), written("AS64496"), written("as64496")], ["AS64496"; 3]);
        for text in ["", "AS", "+5", "AS-1", "4294967296", "192.0.2.0/33", "ä15"] {
            assert!(written(text).contains(&format!("`{text}` is no address")), "{text}");
        }
    }

    #[test]
    fn an_ipv6_operator_is_a_64() {
        let operator = |text: &str| text.parse::<Party>().ok().and_then(Party::operator);
        assert_eq!(operator("2001:db8:1:2:3::4"), "2001:db8:1:2::".parse().ok());
        assert_eq!(operator("192.0.2.7"), "::ffff:192.0.2.7".parse().ok());
        assert_eq!([operator("2001:db8::/48"), operator("192.0.2.0/31"), operator("AS1")], [None; 3]);
    }
}
