//! Compact node info: 26 bytes a node for IPv4 (BEP 5), 38 for IPv6 (BEP 32).

use crate::id::Id;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Bytes of an IPv4 node: id, address, port.
pub const NODE4: usize = 26;
/// Bytes of an IPv6 node.
pub const NODE6: usize = 38;

/// A node as others tell of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contact {
    /// The id it is said to have.
    pub id: Id,
    /// Where it is said to be.
    pub addr: SocketAddr,
}

/// Appends `contact` in the form of its address family.
pub fn push(contact: &Contact, out: &mut Vec<u8>) {
    out.extend_from_slice(&contact.id.0);
    match contact.addr.ip() {
        IpAddr::V4(ip) => out.extend_from_slice(&ip.octets()),
        IpAddr::V6(ip) => out.extend_from_slice(&ip.octets()),
    }
    out.extend_from_slice(&contact.addr.port().to_be_bytes());
}

/// The nodes of an IPv4 list; bytes that do not fill a node are ignored.
pub fn nodes4(bytes: &[u8]) -> impl Iterator<Item = Contact> {
    bytes.chunks_exact(NODE4).map(|node| {
        let ip = Ipv4Addr::new(node[20], node[21], node[22], node[23]);
        contact(node, ip.into())
    })
}

/// The nodes of an IPv6 list; bytes that do not fill a node are ignored.
pub fn nodes6(bytes: &[u8]) -> impl Iterator<Item = Contact> {
    bytes.chunks_exact(NODE6).map(|node| {
        let ip: [u8; 16] = std::array::from_fn(|i| node[20 + i]);
        contact(node, Ipv6Addr::from(ip).into())
    })
}

/// `node` is a whole entry: the id in front, the port at the end.
fn contact(node: &[u8], ip: IpAddr) -> Contact {
    let id = Id(std::array::from_fn(|i| node[i]));
    let port = u16::from_be_bytes([node[node.len() - 2], node[node.len() - 1]]);
    Contact { id, addr: SocketAddr::new(ip, port) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_families_survive_the_round_trip() {
        for addr in ["192.0.2.7:6881", "[2001:db8::1]:51413"] {
            let contact = Contact { id: Id([7; 20]), addr: addr.parse().expect("an address") };
            let mut bytes = Vec::new();
            push(&contact, &mut bytes);
            let length = bytes.len();
            bytes.push(0);
            let back: Vec<_> =
                if length == NODE4 { nodes4(&bytes).collect() } else { nodes6(&bytes).collect() };
            assert_eq!(back, [contact]);
        }
    }
}
