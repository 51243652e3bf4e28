//! One row per operator, infohash and day: who was interested in what, how often, in what rhythm.
//!
//! # What it measures
//! The day's lookups and visits of one pair, folded so that days can be added up without reading
//! the raw events again. The squared gaps between the starts of lookups are kept because they add
//! up exactly: with the number of starts and the first and last of them they give the coefficient
//! of variation over any number of days.
//!
//! libtorrent keeps its routing table fresh with get_peers for targets near its own id. Such a lookup
//! is no interest in anything. A pair says `near_own_id` when all its queries look like that; with nobody else
//! asking for the infohash on that day it is taken for `upkeep`, and left out of statistics of interest.
//!
//! # Benign look-alikes
//! One infohash in 256 is near a querier's id by chance. If nobody else asks for it and the querier
//! never announces it, it is taken for upkeep wrongly.
//!
//! # Limits
//! These records name addresses and what they asked for. They leave with the raw events when
//! those are pruned.

use crate::parameter::parameters;
use crate::table::folder;
use crate::{Grain, Retention, Table};
use schema::columns;

/// See the module.
pub const TABLE: Table = Table {
    grain: Grain::Day { lookback: None },
    retention: Retention::Raw,
    parameters: parameters! {
        /// Leading bits that an infohash shares with the querier's id to be near it. By chance one
        /// infohash in 256 shares 8; of libtorrent's own get_peers more than half do. Raising it
        /// leaves upkeep among the interests; lowering it takes interests for upkeep.
        own_prefix: Count = 8 ["bits"];
    },
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
        /// Those of them that were a single lookup.
        solo_visits: I64 ["visits"];
        /// Those of them with an announce.
        announcing_visits: I64 ["visits"];
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
        /// Median gap between the starts of get_peers lookups; null for fewer than two.
        median_gap_seconds: F64 null ["s"];
        /// Start of the first visit that began on this day.
        first_visit: Timestamp null ["µs, UTC"];
        /// Start of the last one.
        last_visit: Timestamp null ["µs, UTC"];
        /// Sum over the squared gaps between the starts of visits.
        visit_gap_squares: F64 ["s²"];
        /// All queries were get_peers for an infohash that shares `own_prefix` bits with the
        /// querier's own id.
        near_own_id: Bool ["–"];
        /// The same, and nobody else asked for it or announced it on this day: upkeep of a routing table.
        upkeep: Bool ["–"];
        /// Autonomous system of the operator.
        asn: U32 null ["AS number"];
        /// Country of the operator.
        country: Text null ["ISO 3166-1 alpha-2"];
    },
    ..folder!()
};
