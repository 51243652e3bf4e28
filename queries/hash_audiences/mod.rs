//! One row per infohash: who asks for it, and what can be seen of it from where our presences stand.
//!
//! # What it measures
//! Operators and autonomous systems over all days held, and the exposure: how many leading bits the
//! infohash shares with the nearest node id that any of our presences ever had. Announces go to the eight nodes
//! nearest to an infohash, and few reach us where none of ours is near: `announce_rate` is the share of
//! operators that announced what they asked for, among all other infohashes at the same exposure. What an
//! infohash shows is held against that, and not against nothing.
//!
//! # Benign look-alikes
//! A swarm far from us and a swarm that nobody shares show the same: no announce.
//!
//! # Limits
//! The exposure is that of the best moment; ids change every twelve hours. Upkeep of routing tables, an
//! infohash near the id of the one operator that asks for it, is left out.
//!
//! # References
//! * BEP 5, DHT Protocol: to whom a client announces.

use crate::table::folder;
use crate::{Retention, Table};
use schema::columns;

/// See the module.
pub const TABLE: Table = Table {
    retention: Retention::Subjects(&["infohash"]),
    columns: columns! {
        /// Infohash, hexadecimal.
        infohash: Text ["40 hex digits"];
        /// Operators that asked for it or announced it.
        operators: I64 ["operators"];
        /// Those of them that announced it.
        announcing: I64 ["operators"];
        /// Those of them whose autonomous system is known.
        located: I64 ["operators"];
        /// These systems.
        asns: I64 ["ASNs"];
        /// Leading bits shared with the nearest id that a presence ever had.
        exposure_bits: I64 ["0–160 bits"];
        /// Operators of all other infohashes with the same `exposure_bits`, each counted once an infohash.
        reference: I64 ["operators"];
        /// The share of these that announced; null where there are none.
        announce_rate: F64 null ["0–1"];
        /// First query.
        first_seen: Timestamp ["µs, UTC"];
        /// Last query.
        last_seen: Timestamp ["µs, UTC"];
        /// When this row was computed.
        computed_at: Timestamp ["µs, UTC"];
    },
    ..folder!()
};
