//! One row per sweep: one operator's infohashes, one after the other in the order of the keyspace.
//!
//! # What it measures
//! The stretches of `keyspace_passes`: new infohashes of one operator, without a long pause and within two
//! hours. A stretch is a sweep when it has at least `min_prefixes` different prefixes of twelve bits and the
//! share of sequential steps is at least `sequential_ratio`. A step is sequential when the prefix goes in the
//! prevailing direction by 4 at most; equal prefixes go in both. `tau_b` is Kendall's rank correlation
//! between prefix and order. `confidence` is the mean of the sequential ratio and |τ_b|.
//!
//! # Null
//! Every order of the infohashes of a stretch is as likely as every other; `p_value` is the chance of a
//! trend as strong as this one. The q-value is over all stretches of all days, sweeps or not, that nothing
//! explains; a sweep is significant up to `false_discovery`.
//!
//! # Why it is evidence
//! Infohashes are hashes: whatever somebody is interested in is spread evenly over the keyspace. Ten
//! at random, each within 4 of 4,096 prefixes after the one before, come up once in 10²⁶. Who asks in
//! order has a sorted list or counts through the keyspace. A trend alone is no sweep: it may lead over the
//! whole keyspace in leaps, as that of a seedbox does.
//!
//! # Benign look-alikes
//! Those of `keyspace_passes`, by the same `explained_by`: refreshes of routing tables near the own id, and
//! seedboxes that announce in the order of their infohashes.
//!
//! # Limits
//! Those of `keyspace_passes`. What others behind the same address ask in between breaks the order of a sweep;
//! `prefix_walk_events` finds what is left of it.
//!
//! # References
//! M. G. Kendall, “The treatment of ties in ranking problems”, Biometrika 33 (1945): τ_b.
//! H. B. Mann, “Nonparametric tests against trend”, Econometrica 13 (1945).

use crate::parameter::parameters;
use crate::table::folder;
use crate::{Live, Table, View};
use schema::columns;

/// See the module.
pub const TABLE: Table = Table {
    parameters: parameters! {
        /// Share of sequential steps. Raising it loses sweeps that are mixed with other interests or
        /// whose lookups overtake each other.
        sequential_ratio: Ratio = 0.7 ["0–1"];
        /// Different prefixes of a sweep. Raising it loses sweeps of a narrow region.
        min_prefixes: Count = 3 ["prefixes"];
        /// Share of false ones that is allowed among significant sweeps. Raising it lets more chance in.
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
        sweep_start: Timestamp ["µs, UTC"];
        /// When the last new infohash was.
        sweep_end: Timestamp ["µs, UTC"];
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
        /// Share of steps in the prevailing direction by 4 prefixes at most.
        sequential_ratio: F64 ["0–1"];
        /// Kendall's τ_b of prefix and order.
        tau_b: F64 ["−1–1"];
        /// Prevailing direction.
        direction: Text ["ascending, descending"];
        /// Infohashes by duration; null when all came at one moment.
        hashes_per_second: F64 null ["1/s"];
        /// get_peers lookups of the operator during the sweep, repeated ones included.
        lookups: I64 ["lookups"];
        /// announce_peer lookups of the operator during the sweep.
        announces: I64 ["lookups"];
        /// Infohashes of the sweep that the operator announced, until shortly after its end.
        announced_hashes: I64 ["infohashes"];
        /// Infohashes of the sweep that are near the node id that the querier says it has.
        near_own_id: I64 ["infohashes"];
        /// Mean of the sequential ratio and |τ_b|.
        confidence: F64 ["0–1"];
        /// Infohashes over which the trend is tested.
        n: I64 ["infohashes"];
        /// Chance of a trend as strong; null when the sweep is explained.
        p_value: F64 null ["0–1"];
        /// The same with all tests in view (Benjamini–Hochberg).
        q_value: F64 null ["0–1"];
        /// Stretches tested, on all days held.
        tests: I64 ["stretches"];
        /// Whether the sweep would survive chance.
        significant: Bool ["–"];
        /// The harmless reason that fits; null when none does.
        explained_by: Text null ["bucket_refresh, announces_in_hash_order"];
        /// The sweep in one line.
        line: Text ["–"];
    },
    summary: Some(include_str!("summary.sql")),
    views: &[View {
        flag: "sweeps",
        help: "Sweeps: infohashes asked for in the order of the keyspace",
        argument: None,
        sql: include_str!("report.sql"),
    }],
    live: Some(Live { every: 1, by_operator: true, sql: include_str!("live.sql") }),
    ..folder!()
};
