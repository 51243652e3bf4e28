//! One row per operator, infohash and day: who was interested in what, how often, in what rhythm.
//!
//! # What it measures
//! The day's lookups and visits of one pair, folded so that days can be added up without reading
//! the raw events again. The squared gaps between the starts of lookups are kept because they add
//! up exactly: with the number of starts and the first and last of them they give the coefficient
//! of variation over any number of days.
//!
//! # Limits
//! These records name addresses and what they asked for. They leave with the raw events when
//! those are pruned.

use crate::table::folder;
use crate::{Grain, Retention, Table};
use schema::columns;

/// See the module.
pub const TABLE: Table = Table {
    grain: Grain::Day { lookback: None },
    retention: Retention::Raw,
    columns: columns! {
        /// IPv4 address or IPv6 /64.
        operator: Address ["16 bytes"];
        /// Infohash.
        infohash: Id ["20 bytes"];
        /// get_peers and announce_peer queries received.
        raw_events: I64 ["events"];
        /// get_peers lookups that began on this day.
        lookups: I64 ["lookups"];
        /// announce_peer lookups that began on this day.
        announces: I64 ["lookups"];
        /// Visits that began on this day.
        visits: I64 ["visits"];
        /// Distinct node ids that the queriers said they had.
        querier_ids: I64 ["ids"];
        /// First query.
        first_seen: Timestamp ["µs, UTC"];
        /// Last query.
        last_seen: Timestamp ["µs, UTC"];
        /// Start of the first get_peers lookup that began on this day.
        first_lookup: Timestamp null ["µs, UTC"];
        /// Start of the last one.
        last_lookup: Timestamp null ["µs, UTC"];
        /// Sum over the squared gaps between the starts of get_peers lookups.
        gap_squares: F64 ["s²"];
        /// Autonomous system of the operator.
        asn: U32 null ["AS number"];
        /// Country of the operator.
        country: Text null ["ISO 3166-1 alpha-2"];
    },
    ..folder!()
};
