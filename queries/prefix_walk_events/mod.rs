//! One row per walk: infohashes of one operator whose prefixes go in one direction only, with their
//! sequence.
//!
//! # What it measures
//! The walks of `keyspace_passes` with at least `min_prefixes` different prefixes of twelve bits: runs of new
//! infohashes in which no step goes back and none is longer than 4 prefixes.
//!
//! A sweep is a whole stretch of two hours at most that may contain other interests; a walk is strict,
//! and stops at the first step that does not fit. So a sweep with noise in it may hold several walks or
//! none, and a walk may hide in a stretch that is no sweep because an address also asks for other
//! things.
//!
//! # Null
//! Every order of the infohashes of a stretch is as likely as every other. `p_value` is the chance that a
//! given walk of these infohashes goes in one direction, multiplied by the number of places and lengths at
//! which its stretch could have shown one. The q-value is over all walks of all days that nothing explains,
//! and all stretches without one; a walk is significant up to `false_discovery`.
//!
//! # Why it is evidence
//! As with sweeps. Because nothing but steps forward is let through, a walk of ten at random
//! comes up once in 10²⁶.
//!
//! # Benign look-alikes
//! Those of `keyspace_passes`, by the same `explained_by`.
//!
//! # Limits
//! One foreign infohash in between ends a walk, and the rest may be too short for another. A walk
//! across the end of the keyspace, from fff to 000, is two, and so is one that goes on for longer than a
//! stretch may last.
//!
//! # References
//! H. B. Mann, “Nonparametric tests against trend”, Econometrica 13 (1945).

use crate::parameter::parameters;
use crate::table::folder;
use crate::{Table, View};
use schema::columns;

/// See the module.
pub const TABLE: Table = Table {
    parameters: parameters! {
        /// Different prefixes of a walk. Raising it loses walks in a narrow region.
        min_prefixes: Count = 3 ["prefixes"];
        /// Share of false ones that is allowed among significant walks. Raising it lets more chance in.
        false_discovery: Ratio = 0.05 ["0–1"];
    },
    columns: columns! {
        /// IPv4 address or IPv6 /64.
        operator: Text ["IP address"];
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
        /// Infohashes of the walk that the operator announced, until shortly after its end.
        announced_hashes: I64 ["infohashes"];
        /// Infohashes of the walk that are near the node id that the querier says it has.
        near_own_id: I64 ["infohashes"];
        /// Mean of 1, the share of sequential steps, and |τ_b|.
        confidence: F64 ["0–1"];
        /// Infohashes over which the direction is tested.
        n: I64 ["infohashes"];
        /// Chance of such a walk in its stretch; null when it is explained.
        p_value: F64 null ["0–1"];
        /// The same with all tests in view (Benjamini–Hochberg).
        q_value: F64 null ["0–1"];
        /// Walks, and stretches without one, that were tested, on all days held.
        tests: I64 ["walks"];
        /// Whether the walk would survive chance.
        significant: Bool ["–"];
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
