//! One row per sweep: one operator's infohashes, one after the other in the order of the keyspace.
//!
//! # What it measures
//! The infohashes that an operator asks for or announces, each at its first sight, in the order of
//! time. A stretch of them ends when no new infohash comes for longer than `idle`. One that goes on
//! for longer than `window` is cut where the clock reaches a multiple of it. An infohash is new when
//! the operator has not asked for it within `window`, or was silent for longer than `idle` since.
//! Of each infohash counts its prefix, the first twelve bits: three hexadecimal digits.
//!
//! A step is sequential when the prefix goes in the prevailing direction by 4 at most; equal prefixes
//! go in both. A stretch is a sweep from `min_hashes` infohashes with `min_prefixes` different
//! prefixes on, when the share of sequential steps is at least `sequential_ratio`. `tau_b` is Kendall's
//! rank correlation between prefix and order, corrected for equal prefixes: 1 when every later prefix
//! is higher, −1 when it is lower. `confidence` is the mean of the sequential ratio and |τ_b|.
//!
//! A sweep belongs to the day on which it closes: when `idle` has passed after its last infohash, or
//! its window is over. What goes on at midnight is found on the next day, as a whole.
//!
//! # Why it is evidence
//! Infohashes are hashes: whatever somebody is interested in is spread evenly over the keyspace. Ten
//! at random, each within 4 of 4,096 prefixes after the one before, come up once in 10²⁶. Who asks in
//! order has a sorted list or counts through the keyspace.
//!
//! # Benign look-alikes
//! * A client refreshes its routing table with targets near its own id, so that all of them have
//!   neighbouring prefixes: `explained_by = 'bucket_refresh'` when a share of `explained_share` is that near.
//! * A seedbox announces its torrents in the order of their infohashes, every quarter or half hour:
//!   `explained_by = 'announces_in_hash_order'` when a share of `explained_share` was announced. Announces reach
//!   only the few nodes nearest to an infohash, so that most of them are not seen, and a seedbox may
//!   stay unexplained: hundreds of torrents sorted over the whole keyspace are its sign.
//! * Somebody who looks for the neighbours of one infohash.
//!
//! # Limits
//! A walk across the end of the keyspace, from fff to 000, is a leap. What others behind the same
//! address ask in between breaks the order; `prefix_walk_events` finds what is left of it. A sweep that
//! is closed by nothing yet on the last day held is not shown until data of the next day is there.
//! We see only the part of a sweep that passes our presences.
//!
//! # References
//! M. G. Kendall, “The treatment of ties in ranking problems”, Biometrika 33 (1945): τ_b.
//! P. Maymounkov, D. Mazières, “Kademlia”, IPTPS 2002: bucket refresh.

use crate::parameter::parameters;
use crate::table::folder;
use crate::{Grain, Table, View};
use schema::columns;

/// See the module.
pub const TABLE: Table = Table {
    grain: Grain::Day { lookback: Some("memory") },
    parameters: parameters! {
        /// Time without a new infohash that ends a sweep. Raising it joins what was done apart, and
        /// lets unrelated interests break the order of a sweep.
        idle: Duration = 624 ["s"];
        /// Longest sweep; what goes on is cut. It is also how long an infohash is remembered. Raising
        /// it finds slower sweeps among people whose interest never pauses, and counts less often what
        /// is asked for again and again.
        window: Duration = 7200 ["s"];
        /// How far a day looks back for the beginning of what goes on at midnight. Two windows and
        /// twice `idle` are enough, and no result changes beyond; raising it costs time.
        memory: Duration = 21600 ["s"];
        /// Infohashes of a sweep. Raising it loses short sweeps; few are in order by chance, all the
        /// more among prefixes that are close together anyway.
        min_hashes: Count = 10 ["infohashes"];
        /// Share of sequential steps. Raising it loses sweeps that are mixed with other interests or
        /// whose lookups overtake each other.
        sequential_ratio: Ratio = 0.7 ["0–1"];
        /// Different prefixes of a sweep. Raising it loses sweeps of a narrow region.
        min_prefixes: Count = 3 ["prefixes"];
        /// Leading bits that a target shares with the querier's id to count as near it. By chance one
        /// in 256 shares 8. Raising it leaves bucket refreshes unexplained.
        own_prefix: Count = 8 ["bits"];
        /// Share of a sweep's infohashes that an explanation must fit. Raising it leaves more
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
        /// Infohashes of the sweep that the operator announced before `idle` had passed after its end.
        announced_hashes: I64 ["infohashes"];
        /// Infohashes of the sweep that are near the node id that the querier says it has.
        near_own_id: I64 ["infohashes"];
        /// Mean of the sequential ratio and |τ_b|.
        confidence: F64 ["0–1"];
        /// Infohashes over which a test for a trend would be.
        n: I64 ["infohashes"];
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
    ..folder!()
};
