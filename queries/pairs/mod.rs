//! One row per operator and infohash: who was interested in what, over all days held.
//!
//! # What it measures
//! The days of `pair_days` added up. A day of upkeep, with an infohash near the querier's own id that nobody else
//! asked for, is no sign of interest: what is left without such days stands apart in the columns `interest_…`. A pair
//! of which no day is left was never interested.
//!
//! # Limits
//! These records name addresses and what they asked for. They go by the days whose queries are held, and are
//! deleted with the first of them until they are computed again.

use crate::table::folder;
use crate::{Retention, Table};
use schema::columns;

/// See the module.
pub const TABLE: Table = Table {
    sliced: true,
    retention: Retention::Raw,
    columns: columns! {
        /// IPv4 address or IPv6 /64.
        operator: Address ["16 bytes"];
        /// Infohash.
        infohash: Id ["20 bytes"];
        /// Days with a query.
        days: I64 ["days"];
        /// get_peers and announce_peer queries received.
        raw_events: I64 ["events"];
        /// get_peers lookups.
        lookups: I64 ["lookups"];
        /// announce_peer lookups.
        announces: I64 ["lookups"];
        /// Visits.
        visits: I64 ["visits"];
        /// Those of them that were a single lookup.
        solo_visits: I64 ["visits"];
        /// Those of them with an announce.
        announcing_visits: I64 ["visits"];
        /// First query.
        first_seen: Timestamp ["µs, UTC"];
        /// Last query.
        last_seen: Timestamp ["µs, UTC"];
        /// Start of the first get_peers lookup.
        first_lookup: Timestamp null ["µs, UTC"];
        /// Start of the last one.
        last_lookup: Timestamp null ["µs, UTC"];
        /// Sum over the squared gaps between the starts of get_peers lookups.
        gap_squares: F64 ["s²"];
        /// Start of the first visit.
        first_visit: Timestamp null ["µs, UTC"];
        /// Start of the last one.
        last_visit: Timestamp null ["µs, UTC"];
        /// Sum over the squared gaps between the starts of visits.
        visit_gap_squares: F64 ["s²"];
        /// All queries were get_peers, near the querier's own id.
        near_own_id: Bool ["–"];
        /// Days without upkeep.
        interest_days: I64 ["days"];
        /// `raw_events` of these days.
        interest_events: I64 ["events"];
        /// `lookups` of these days.
        interest_lookups: I64 ["lookups"];
        /// Visits that began on those of these days that have a lookup.
        interest_visits: I64 ["visits"];
        /// First query of these days; null without any.
        interest_first_seen: Timestamp null ["µs, UTC"];
        /// Last query of these days.
        interest_last_seen: Timestamp null ["µs, UTC"];
        /// Autonomous system of the operator.
        asn: U32 null ["AS number"];
        /// Country of the operator.
        country: Text null ["ISO 3166-1 alpha-2"];
    },
    ..folder!()
};
