//! Autonomous systems and their addresses: 240.0.0.0/8, reserved for the future and never routed
//! (RFC 1112), cut into 32 networks of 2¹⁹ addresses; AS numbers reserved for documentation (RFC 5398).

use std::net::{IpAddr, Ipv4Addr};

/// An autonomous system.
#[derive(Clone, Copy, Debug)]
pub struct Network {
    /// Its number.
    pub asn: u32,
    /// ISO 3166-1 alpha-2.
    pub country: &'static str,
    /// Local time minus UTC, hours.
    pub utc_offset: i64,
    /// Share of the people in the world that live there; 0 for a hosting provider.
    pub people: f64,
}

impl Network {
    /// Name of whoever runs it.
    #[must_use]
    pub fn organization(&self) -> String {
        format!("Example {} {}", self.country, self.asn)
    }
}

/// Bits of a host number.
const HOST_BITS: u32 = 19;
/// Number of the first network that hosts servers instead of people.
pub const HOSTING: usize = 24;
/// Number of networks.
pub const COUNT: usize = 32;

/// All of them.
pub const NETWORKS: [Network; COUNT] = [
    network(0, "IN", 5, 0.10),
    network(1, "RU", 3, 0.09),
    network(2, "US", -6, 0.08),
    network(3, "CN", 8, 0.08),
    network(4, "BR", -3, 0.06),
    network(5, "UA", 2, 0.05),
    network(6, "GB", 0, 0.05),
    network(7, "FR", 1, 0.05),
    network(8, "IT", 1, 0.04),
    network(9, "ES", 1, 0.04),
    network(10, "PL", 1, 0.04),
    network(11, "DE", 1, 0.03),
    network(12, "US", -5, 0.03),
    network(13, "CA", -5, 0.03),
    network(14, "AU", 10, 0.03),
    network(15, "KR", 9, 0.03),
    network(16, "JP", 9, 0.03),
    network(17, "PH", 8, 0.03),
    network(18, "RO", 2, 0.02),
    network(19, "GR", 2, 0.02),
    network(20, "PT", 0, 0.02),
    network(21, "MX", -6, 0.02),
    network(22, "ZA", 2, 0.02),
    network(23, "SE", 1, 0.01),
    network(24, "NL", 1, 0.0),
    network(25, "DE", 1, 0.0),
    network(26, "FR", 1, 0.0),
    network(27, "US", -5, 0.0),
    network(28, "NL", 1, 0.0),
    network(29, "FI", 2, 0.0),
    network(30, "SG", 8, 0.0),
    network(31, "GB", 0, 0.0),
];

const fn network(number: u32, country: &'static str, utc_offset: i64, people: f64) -> Network {
    // RFC 5398 has two ranges of sixteen.
    let asn = if number < 16 { 64_496 + number } else { 65_536 + number - 16 };
    Network { asn, country, utc_offset, people }
}

/// The address of `host` (its low 19 bits) in network `network`.
#[must_use]
pub fn address(network: usize, host: u64) -> IpAddr {
    let bits =
        240 << 24 | (network as u32 % COUNT as u32) << HOST_BITS | (host as u32) & ((1 << HOST_BITS) - 1);
    IpAddr::V4(Ipv4Addr::from_bits(bits))
}

/// The number of the network of an address that [`address`] made.
#[must_use]
pub fn number_of(ip: IpAddr) -> usize {
    let bits = match ip {
        IpAddr::V4(ip) => ip.to_bits(),
        IpAddr::V6(_) => 0,
    };
    (bits >> HOST_BITS) as usize % COUNT
}

/// The network of an address that [`address`] made.
#[must_use]
pub fn network_of(ip: IpAddr) -> &'static Network {
    &NETWORKS[number_of(ip)]
}

/// The network that a person at `uniform` in [0, 1) lives in.
#[must_use]
pub fn of_people(uniform: f64) -> usize {
    let mut left = uniform;
    NETWORKS
        .iter()
        .position(|network| {
            left -= network.people;
            left < 0.0
        })
        .unwrap_or(0)
}
