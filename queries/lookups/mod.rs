//! One row per lookup: the same query of one client, repeated until it fell silent.
//!
//! # What it measures
//! A client that looks something up sends one query many times: it retransmits, and it asks
//! several of our presences on its way to the target. Everything with the same source address and
//! port, querier id, method and target belongs to one lookup until nothing is heard for longer
//! than `gap`. A lookup that crosses midnight has a row on either day; the second says `continued`
//! and is not counted as a start.
//!
//! # Benign look-alikes
//! A client behind a translator that changes its port in the middle of a lookup shows as two.
//!
//! # Limits
//! Datagrams whose method could not be read take no part. Retransmissions farther apart than
//! `gap` count as separate lookups.

use crate::parameter::parameters;
use crate::table::folder;
use crate::{Grain, Retention, Table};
use schema::columns;

/// See the module.
pub const TABLE: Table = Table {
    grain: Grain::Day { lookback: Some("gap") },
    retention: Retention::Raw,
    parameters: parameters! {
        /// Silence that ends a lookup. Clients finish a lookup within seconds and repeat it after
        /// five minutes at the earliest; a minute lies between. Raising it merges quick repeats.
        gap: Duration = 60 ["s"];
    },
    columns: columns! {
        /// Source address.
        peer_ip: Address ["16 bytes"];
        /// The address, or its /64 when it is IPv6: who we take to be one party.
        operator: Address ["16 bytes"];
        /// Source port.
        peer_port: Port ["1–65535"];
        /// Node id that the querier says it has.
        querier_id: Id null ["20 bytes"];
        /// KRPC method.
        method: Text ["–"];
        /// Infohash or target asked for; null for a ping.
        target: Id null ["20 bytes"];
        /// First query of the lookup on this day.
        lookup_start: Timestamp ["µs, UTC"];
        /// Last query of the lookup on this day.
        lookup_end: Timestamp ["µs, UTC"];
        /// Queries received for it on this day.
        raw_events: I64 ["events"];
        /// Presences that received one of them.
        presences_hit: I64 ["presences"];
        /// The lookup began before this day.
        continued: Bool ["–"];
        /// Autonomous system of the source.
        asn: U32 null ["AS number"];
        /// Country of the source.
        country: Text null ["ISO 3166-1 alpha-2"];
    },
    ..folder!()
};
