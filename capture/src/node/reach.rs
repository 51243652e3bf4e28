//! Which addresses a presence may talk to of its own accord, and name to others.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The part of the address space that a socket stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Bound to a loopback address: this host, as in tests and simulations. Nothing else is asked.
    Loopback,
    /// Everything else: public addresses only. A private address behind which the world is reached
    /// through translation belongs here too.
    Public,
}

impl Reach {
    /// The reach of a socket bound to `local`.
    #[must_use]
    pub fn of(local: IpAddr) -> Self {
        if local.is_loopback() { Self::Loopback } else { Self::Public }
    }

    /// Whether `addr` can be a node of the DHT that this socket sees. What cannot is a bogon:
    /// asking it is pointless, and naming it to others is an attack on whoever it belongs to.
    #[must_use]
    pub fn admits(self, addr: SocketAddr) -> bool {
        addr.port() != 0
            && match self {
                Self::Loopback => addr.ip().is_loopback(),
                Self::Public => match addr.ip() {
                    IpAddr::V4(ip) => is_public4(ip),
                    IpAddr::V6(ip) => is_public6(ip),
                },
            }
    }
}

/// Whether the IANA special-purpose registry lets `ip` be a host on the Internet.
fn is_public4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    !(a == 0
        || a >= 224
        || ip.is_private()
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_documentation()
        || (a == 100 && b & 0xc0 == 64)
        || (a == 192 && b == 0 && c == 0)
        || (a == 198 && b & 0xfe == 18))
}

/// Global unicast (2000::/3) without documentation, without 2001::/23, where protocols have their
/// addresses (Teredo and ORCHID among them), and without 6to4, which is IPv4 in disguise.
fn is_public6(ip: Ipv6Addr) -> bool {
    let [a, b, ..] = ip.segments();
    a & 0xe000 == 0x2000
        && !(a == 0x2001 && (b == 0xdb8 || b < 0x200))
        && a != 0x2002
        && !(a == 0x3fff && b < 0x1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bogons_are_not_admitted() {
        for bogon in [
            "0.1.2.3:1",
            "10.0.0.1:1",
            "100.64.0.1:1",
            "127.0.0.1:1",
            "169.254.0.1:1",
            "172.16.0.1:1",
            "192.0.2.1:1",
            "192.168.0.1:1",
            "198.18.0.1:1",
            "224.0.0.1:1",
            "255.255.255.255:1",
            "8.8.8.8:0",
            "[::1]:1",
            "[::ffff:8.8.8.8]:1",
            "[fe80::1]:1",
            "[fc00::1]:1",
            "[ff02::1]:1",
            "[2001:db8::1]:1",
            "[2001::1]:1",
            "[2001:2::1]:1",
            "[2001:20::1]:1",
            "[3fff:fff::1]:1",
            "[2002:808:808::1]:1",
        ] {
            assert!(!Reach::Public.admits(bogon.parse().expect("an address")), "{bogon}");
        }
        for host in [
            "8.8.8.8:1",
            "100.128.0.1:1",
            "198.20.0.1:65535",
            "[2a00::1]:6881",
            "[2001:200::1]:1",
            "[3fff:1000::1]:1",
        ] {
            assert!(Reach::Public.admits(host.parse().expect("an address")), "{host}");
            assert!(!Reach::Loopback.admits(host.parse().expect("an address")), "{host}");
        }
        assert!(Reach::Loopback.admits("127.3.2.1:6881".parse().expect("an address")));
    }
}
