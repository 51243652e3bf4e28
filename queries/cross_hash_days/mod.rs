//! One row per infohash that an operator visited together with others: what it went through at one
//! stretch of a day.
//!
//! # What it measures
//! Visits (see `visits`) with a lookup, upkeep of routing tables left out (see `pair_days`). A visit is part of a
//! stretch when it lies in any `window` with visits to at least `min_hashes` different infohashes of the same
//! operator; windows that share a visit make one stretch.
//!
//! A visit belongs to the day on which the first such window is complete. A stretch that goes on from
//! the day before `continues`: with the stretch before it, it makes one.
//!
//! # Why it is evidence
//! Whoever checks on a list goes through it at one stretch, time and again: see `rendezvous_events`.
//!
//! # Benign look-alikes
//! A client that starts asks for everything it has.
//!
//! # Limits
//! These records name addresses and what they asked for. They leave with the raw events when those are
//! pruned.

use crate::parameter::parameters;
use crate::table::folder;
use crate::{Grain, Retention, Table};
use schema::columns;

/// See the module.
pub const TABLE: Table = Table {
    grain: Grain::Day { lookback: Some("memory") },
    retention: Retention::Raw,
    parameters: parameters! {
        /// Time in which the infohashes of a stretch follow each other. Raising it joins separate
        /// errands of one evening.
        window: Duration = 7200 ["s"];
        /// How far a day looks back for what goes on at midnight. Two windows are enough, and no result
        /// changes beyond; raising it costs time.
        memory: Duration = 14400 ["s"];
        /// Different infohashes that a stretch needs within that time. Raising it misses short
        /// lists; lowering it finds everybody with a handful of torrents.
        min_hashes: Count = 5 ["infohashes"];
    },
    columns: columns! {
        /// IPv4 address or IPv6 /64.
        operator: Address ["16 bytes"];
        /// When the first visit of the stretch began that belongs to this day.
        stretch_start: Timestamp ["µs, UTC"];
        /// The stretch goes on from the day before.
        continues: Bool ["–"];
        /// Infohash.
        infohash: Id ["20 bytes"];
        /// Visits that began.
        visits: I64 ["visits"];
        /// Visits that were a single lookup.
        solo_visits: I64 ["visits"];
        /// Visits with an announce.
        announcing_visits: I64 ["visits"];
        /// announce_peer lookups in them.
        announces: I64 ["lookups"];
        /// Queries received in them.
        raw_events: I64 ["events"];
        /// Other operators asked for it on this day, or announced it.
        company: Bool ["–"];
        /// Start of the first visit.
        first_start: Timestamp ["µs, UTC"];
        /// Start of the last visit.
        last_start: Timestamp ["µs, UTC"];
        /// End of the last visit.
        last_seen: Timestamp ["µs, UTC"];
        /// Autonomous system of the operator.
        asn: U32 null ["AS number"];
        /// Country of the operator.
        country: Text null ["ISO 3166-1 alpha-2"];
    },
    ..folder!()
};
