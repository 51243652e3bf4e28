//! One row per walk: infohashes of one operator whose prefixes go in one direction only, with their
//! sequence.
//!
//! # What it measures
//! The sequence of new infohashes of `sweep_events`, with the same `idle`, `window` and prefixes of
//! twelve bits. A walk is a run of them in which no step goes back and none is longer than 4 prefixes,
//! with at least `min_hashes` infohashes and `min_prefixes` different prefixes. No two walks share an
//! infohash.
//!
//! A sweep is a whole stretch of two hours at most that may contain other interests; a walk is strict,
//! and stops at the first step that does not fit. So a sweep with noise in it may hold several walks or
//! none, and a walk may hide in a stretch that is no sweep because an address also asks for other
//! things. A walk may also be longer than `window`, as long as it never pauses for `idle`.
//!
//! A walk belongs to the day on which it closes, as a sweep does. One that began more than `window`
//! before midnight and goes on is cut at midnight: what was found of it by then does not wait for its end.
//!
//! # Why it is evidence
//! As with sweeps. Because nothing but steps forward is let through, a walk of ten at random
//! comes up once in 10²⁶.
//!
//! # Benign look-alikes
//! Those of `sweep_events`, with the same `explained_by`.
//!
//! # Limits
//! One foreign infohash in between ends a walk, and the rest may be too short for another. A walk
//! across the end of the keyspace, from fff to 000, is two.
//!
//! # References
//! P. Maymounkov, D. Mazières, “Kademlia”, IPTPS 2002: bucket refresh.

use crate::parameter::parameters;
use crate::table::folder;
use crate::{Grain, Table, View};
use schema::columns;

/// See the module.
pub const TABLE: Table = Table {
    grain: Grain::Day { lookback: Some("memory") },
    parameters: parameters! {
        /// Time without a new infohash that ends a walk. Raising it joins what was done apart.
        idle: Duration = 624 ["s"];
        /// How long an infohash is remembered, and from which age on a walk is cut at midnight.
        /// Raising it counts less often what is asked for again and again.
        window: Duration = 7200 ["s"];
        /// How far a day looks back for the beginning of what goes on at midnight. Two windows and
        /// twice `idle` are enough, and no result changes beyond; raising it costs time.
        memory: Duration = 21600 ["s"];
        /// Infohashes of a walk. Raising it loses short walks; few go in one direction by chance.
        min_hashes: Count = 10 ["infohashes"];
        /// Different prefixes of a walk. Raising it loses walks in a narrow region.
        min_prefixes: Count = 3 ["prefixes"];
        /// Leading bits that a target shares with the querier's id to count as near it. By chance one
        /// in 256 shares 8. Raising it leaves bucket refreshes unexplained.
        own_prefix: Count = 8 ["bits"];
        /// Share of a walk's infohashes that an explanation must fit. Raising it leaves more
        /// unexplained.
        explained_share: Ratio = 0.5 ["0–1"];
    },
    columns: columns! {
        /// IPv4 address or IPv6 /64.
        operator: Address ["16 bytes"];
        /// Autonomous system of the operator.
        asn: U32 null ["AS number"];
        /// Country of the operator.
        country: Text null ["ISO 3166-1 alpha-2"];
        /// When the first infohash was asked for.
        walk_start: Timestamp ["µs, UTC"];
        /// When the last one was.
        walk_end: Timestamp ["µs, UTC"];
        /// Time between the two.
        duration_seconds: F64 ["s"];
        /// Distinct infohashes.
        hash_count: I64 ["infohashes"];
        /// First twelve bits of the first infohash.
        first_prefix: Text ["3 hex digits"];
        /// First twelve bits of the last infohash.
        last_prefix: Text ["3 hex digits"];
        /// Distinct prefixes.
        distinct_prefixes: I64 ["prefixes"];
        /// The distinct prefixes in order.
        sequence: Texts ["3 hex digits"];
        /// Kendall's τ_b of prefix and order; below 1 in so far as prefixes are equal.
        tau_b: F64 ["−1–1"];
        /// Direction.
        direction: Text ["ascending, descending"];
        /// Infohashes by duration; null when all came at one moment.
        hashes_per_second: F64 null ["1/s"];
        /// get_peers lookups of the operator during the walk, repeated ones included.
        lookups: I64 ["lookups"];
        /// announce_peer lookups of the operator during the walk.
        announces: I64 ["lookups"];
        /// Infohashes of the walk that the operator announced before `idle` had passed after its end.
        announced_hashes: I64 ["infohashes"];
        /// Infohashes of the walk that are near the node id that the querier says it has.
        near_own_id: I64 ["infohashes"];
        /// Mean of 1, the share of sequential steps, and |τ_b|.
        confidence: F64 ["0–1"];
        /// Infohashes over which a test for a trend would be.
        n: I64 ["infohashes"];
        /// The harmless reason that fits; null when none does.
        explained_by: Text null ["bucket_refresh, announces_in_hash_order"];
    },
    views: &[View {
        flag: "prefix-walkers",
        help: "Operators that walk through the keyspace in one direction, and how they went",
        argument: None,
        sql: include_str!("report.sql"),
    }],
    ..folder!()
};
