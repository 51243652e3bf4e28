//! One row per visit: one operator's interest in one infohash, until it stayed away for an hour.
//!
//! # What it measures
//! Lookups and announces of one infohash by one operator belong to one visit until nothing is
//! heard for longer than `gap`. Coming back after that is a return. A visit that crosses midnight
//! has a row on either day; the second says `continued` and is not counted as a start.
//!
//! # Benign look-alikes
//! Clients that re-announce every 15 to 75 minutes make one visit as long as they run, or a chain
//! of visits when their cadence is longer than the gap.
//!
//! # Limits
//! Several people behind one address are one operator.

use crate::parameter::parameters;
use crate::table::folder;
use crate::{Grain, Retention, Table};
use schema::columns;

/// See the module.
pub const TABLE: Table = Table {
    grain: Grain::Day { lookback: Some("gap") },
    retention: Retention::Raw,
    parameters: parameters! {
        /// Absence that ends a visit. An hour is longer than most clients wait before they
        /// announce again. Raising it merges returns into one long visit and blurs their rhythm.
        gap: Duration = 3600 ["s"];
    },
    columns: columns! {
        /// IPv4 address or IPv6 /64 of the visitor.
        operator: Address ["16 bytes"];
        /// Infohash visited.
        infohash: Id ["20 bytes"];
        /// First sign of the visit on this day.
        visit_start: Timestamp ["µs, UTC"];
        /// Last sign of the visit on this day.
        visit_end: Timestamp ["µs, UTC"];
        /// get_peers lookups that began in it.
        lookups: I64 ["lookups"];
        /// announce_peer lookups that began in it.
        announces: I64 ["lookups"];
        /// Queries received.
        raw_events: I64 ["events"];
        /// The visit was a single lookup.
        solo: Bool ["–"];
        /// The visit began before this day.
        continued: Bool ["–"];
        /// Autonomous system of the operator.
        asn: U32 null ["AS number"];
        /// Country of the operator.
        country: Text null ["ISO 3166-1 alpha-2"];
    },
    ..folder!()
};
