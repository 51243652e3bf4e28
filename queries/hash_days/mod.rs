//! One row per infohash and day: how much it was asked for and announced, by how many, how suddenly.
//!
//! # What it measures
//! The day's get_peers and announce_peer queries for one infohash. `busiest_window` is the largest
//! number of them inside any stretch of `burst_window` that ends on this day; because a day also
//! reads that much of the day before, the largest of several days, `busiest_within_day` of the first of them, is exact for
//! all of them.
//!
//! # Benign look-alikes
//! Retransmissions count: these are raw queries. De-duplicated interest is in `pair_days`.
//!
//! # Limits
//! What reaches the observatory depends on how near its presences are to the infohash.

use crate::parameter::parameters;
use crate::table::folder;
use crate::{Grain, Table};
use schema::columns;

/// See the module.
pub const TABLE: Table = Table {
    grain: Grain::Day { lookback: Some("burst_window") },
    parameters: parameters! {
        /// Length of the sliding window that looks for bursts. Five minutes hold one lookup with
        /// all its repeats. Raising it finds slower rushes and dilutes quick ones.
        burst_window: Duration = 300 ["s"];
    },
    columns: columns! {
        /// Infohash.
        infohash: Id ["20 bytes"];
        /// get_peers and announce_peer queries.
        total_events: I64 ["events"];
        /// get_peers queries.
        lookup_count: I64 ["events"];
        /// announce_peer queries.
        announce_count: I64 ["events"];
        /// Distinct operators: IPv4 addresses and IPv6 /64s.
        unique_ips: I64 ["operators"];
        /// Distinct autonomous systems, those unknown left out.
        unique_asns: I64 ["ASNs"];
        /// Most events inside any `burst_window` that ends on this day.
        busiest_window: I64 ["events"];
        /// The same of events on this day alone, for where the day before is not counted; none where an older version
        /// computed the day.
        busiest_within_day: I64 null ["events"];
        /// First query.
        first_seen: Timestamp ["µs, UTC"];
        /// Last query.
        last_seen: Timestamp ["µs, UTC"];
    },
    ..folder!()
};
