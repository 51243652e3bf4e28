//! BitTorrent clients as the DHT sees them: what they put into a query, how often they come back to a
//! torrent, and how they keep their routing table alive.
//!
//! What libtorrent, µTorrent and aria2 send is what they send in the packet captures of `tests/corpus`;
//! the other versions are examples. Cadences are those of the programs' defaults.

use super::{MINUTE, Micros};

/// How a family keeps its routing table fresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upkeep {
    /// libtorrent: `ping` to nodes of full buckets, to others `get_peers` for targets near its own id.
    GetPeers,
    /// Most others: `find_node` for targets near their own id, and `ping`.
    FindNode,
}

/// A family of clients.
#[derive(Debug)]
pub struct Family {
    /// Key `v` of its messages; none if it sends none.
    pub version: Option<[u8; 4]>,
    /// Bytes in a transaction id.
    pub transaction: usize,
    /// Shortest and longest time between two announces of a torrent.
    pub cadence: (Micros, Micros),
    /// How it keeps its table.
    pub upkeep: Upkeep,
    /// Whether announces carry `implied_port` and `seed`, and lookups of seeds `noseed`.
    pub announces_more: bool,
    /// What it says in `ro` if it says anything (BEP 43).
    pub read_only: Option<bool>,
    /// Whether a restart or a new address gives it a new node id.
    pub id: Identity,
    /// Whether it keeps at most one node per address in its table.
    pub one_node_per_address: bool,
    /// Share of all clients.
    pub share: f64,
}

/// How long a node id lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity {
    /// As long as the installation.
    Kept,
    /// As long as the address (BEP 42).
    OfAddress,
    /// As long as the program runs.
    OfSession,
}

/// libtorrent, which most clients are built on.
pub const LIBTORRENT: Family = Family {
    version: Some(*b"LT\x02\x0b"),
    transaction: 2,
    cadence: (15 * MINUTE, 15 * MINUTE + 1),
    upkeep: Upkeep::GetPeers,
    announces_more: true,
    read_only: None,
    id: Identity::OfAddress,
    one_node_per_address: true,
    share: 0.45,
};

/// A program without a version, as crawlers are.
pub const NAMELESS: Family = Family {
    version: None,
    transaction: 4,
    cadence: (30 * MINUTE, 30 * MINUTE + 1),
    upkeep: Upkeep::FindNode,
    announces_more: false,
    read_only: None,
    id: Identity::Kept,
    one_node_per_address: false,
    share: 0.0,
};

/// The families of ordinary clients: libtorrent, µTorrent, Transmission, aria2, the JavaScript
/// client, and the Rust library, which says `ro: 0` in every query.
pub const FAMILIES: [Family; 6] = [
    LIBTORRENT,
    Family {
        version: Some(*b"UT\xb5\x4e"),
        cadence: (30 * MINUTE, 30 * MINUTE + 1),
        announces_more: true,
        share: 0.30,
        ..NAMELESS
    },
    Family { version: Some(*b"TR\x04\x06"), cadence: (25 * MINUTE, 28 * MINUTE), share: 0.15, ..NAMELESS },
    Family { version: Some(*b"A2\x00\x03"), cadence: (15 * MINUTE, 18 * MINUTE), share: 0.04, ..NAMELESS },
    Family {
        version: Some(*b"WW\x00\x01"),
        transaction: 2,
        cadence: (5 * MINUTE, 5 * MINUTE + 1),
        id: Identity::OfSession,
        share: 0.04,
        ..NAMELESS
    },
    Family {
        version: Some(*b"RS\x00\x05"),
        cadence: (5 * MINUTE, 5 * MINUTE + 1),
        read_only: Some(false),
        id: Identity::OfSession,
        share: 0.02,
        ..NAMELESS
    },
];

/// The family at `uniform` in [0, 1).
#[must_use]
pub fn family(uniform: f64) -> &'static Family {
    let mut left = uniform;
    let found = FAMILIES.iter().find(|family| {
        left -= family.share;
        left < 0.0
    });
    found.unwrap_or(&FAMILIES[0])
}
