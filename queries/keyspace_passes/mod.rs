//! One row per stretch of new infohashes of one operator, and per walk within it: how it moves through the
//! keyspace, and how likely chance moves like that.
//!
//! # What it measures
//! The infohashes that an operator asks for or announces, each at its first sight, in the order of
//! time. A stretch of them ends when no new infohash comes for longer than `idle`. One that goes on
//! for longer than `window` is cut where the clock reaches a multiple of it. An infohash is new when
//! the operator has not asked for it within `window`, or was silent for longer than `idle` since.
//! Of each infohash counts its prefix, the first twelve bits: three hexadecimal digits. A walk is a run
//! within a stretch in which no step goes back and none is longer than 4 prefixes; no two walks share an
//! infohash. Every stretch and every walk of at least `min_hashes` infohashes has a row.
//!
//! A step is sequential when the prefix goes in the prevailing direction by 4 at most; equal prefixes
//! go in both. `tau_b` is Kendall's rank correlation between prefix and order, corrected for equal
//! prefixes: 1 when every later prefix is higher, −1 when it is lower.
//!
//! A stretch and its walks belong to the day on which it closes: when `idle` has passed after its last
//! infohash, or its window is over. What goes on at midnight is found on the next day, as a whole.
//!
//! # Null
//! The infohashes of a stretch come in random order: every order of them is as likely as every other.
//! `p_value` is the chance of a trend as strong, up or down (Mann–Kendall with ties). A walk was picked
//! from its stretch, so its chance is multiplied by the number of runs of at least `min_hashes`
//! neighbours there (`windows`). What `explained_by` names is not tested.
//!
//! # Why it is evidence
//! Infohashes are hashes: whatever somebody is interested in is spread evenly over the keyspace, and comes
//! in an order that has nothing to do with it. Who asks in order has a sorted list or counts through the
//! keyspace. The longest run alone would not tell: six in one direction come by chance in 2 % of 23
//! infohashes, but in 69 % of 1,000.
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
//! address ask in between breaks the order. What is closed by nothing yet on the last day held is not
//! shown until data of the next day is there. We see only the part that passes our presences.
//!
//! The rows name no infohash and stay when the raw events of the day are deleted.
//!
//! # References
//! M. G. Kendall, “The treatment of ties in ranking problems”, Biometrika 33 (1945): τ_b.
//! H. B. Mann, “Nonparametric tests against trend”, Econometrica 13 (1945).
//! P. Maymounkov, D. Mazières, “Kademlia”, IPTPS 2002: bucket refresh.

use crate::parameter::parameters;
use crate::table::folder;
use crate::{Grain, Table};
use schema::columns;

/// See the module.
pub const TABLE: Table = Table {
    grain: Grain::Day { lookback: Some("memory") },
    parameters: parameters! {
        /// Time without a new infohash that ends a stretch. Raising it joins what was done apart, and
        /// lets unrelated interests break the order.
        idle: Duration = 624 ["s"];
        /// Longest stretch; what goes on is cut. It is also how long an infohash is remembered. Raising
        /// it finds slower sweeps among people whose interest never pauses, and counts less often what
        /// is asked for again and again.
        window: Duration = 7200 ["s"];
        /// How far a day looks back for the beginning of what goes on at midnight. Two windows and
        /// twice `idle` are enough, and no result changes beyond; raising it costs time.
        memory: Duration = 21600 ["s"];
        /// Infohashes of a stretch or walk. Raising it loses short ones; few are in order by chance, all the
        /// more among prefixes that are close together anyway.
        min_hashes: Count = 10 ["infohashes"];
        /// Leading bits that a target shares with the querier's id to count as near it. By chance one
        /// in 256 shares 8. Raising it leaves bucket refreshes unexplained.
        own_prefix: Count = 8 ["bits"];
        /// Share of the infohashes that an explanation must fit. Raising it leaves more unexplained.
        explained_share: Ratio = 0.5 ["0–1"];
    },
    columns: columns! {
        /// IPv4 address or IPv6 /64.
        operator: Address ["16 bytes"];
        /// Autonomous system of the operator.
        asn: U32 null ["AS number"];
        /// Country of the operator.
        country: Text null ["ISO 3166-1 alpha-2"];
        /// Whether this is a walk within a stretch.
        walk: Bool ["–"];
        /// When the first infohash was asked for.
        first_seen: Timestamp ["µs, UTC"];
        /// When the last new infohash was.
        last_seen: Timestamp ["µs, UTC"];
        /// Distinct infohashes.
        hash_count: I64 ["infohashes"];
        /// First twelve bits of the first infohash.
        first_prefix: Text ["3 hex digits"];
        /// First twelve bits of the last infohash.
        last_prefix: Text ["3 hex digits"];
        /// Distinct prefixes.
        distinct_prefixes: I64 ["prefixes"];
        /// The distinct prefixes of a walk, in order; null for a stretch.
        sequence: Texts null ["3 hex digits"];
        /// Share of steps in the prevailing direction by 4 prefixes at most; 1 in a walk.
        sequential_ratio: F64 ["0–1"];
        /// Kendall's τ_b of prefix and order.
        tau_b: F64 ["−1–1"];
        /// Prevailing direction.
        direction: Text ["ascending, descending"];
        /// get_peers lookups of the operator in that time, repeated ones included.
        lookups: I64 ["lookups"];
        /// announce_peer lookups of the operator in that time.
        announces: I64 ["lookups"];
        /// Infohashes that the operator announced before `idle` had passed after the end.
        announced_hashes: I64 ["infohashes"];
        /// Infohashes that are near the node id that the querier says it has.
        near_own_id: I64 ["infohashes"];
        /// Walks of a stretch; 0 for a walk.
        walks: I64 ["walks"];
        /// Runs of a stretch among which a walk is one; 1 for a stretch.
        windows: I64 ["runs"];
        /// Chance of such a trend; null where it is explained.
        p_value: F64 null ["0–1"];
        /// The harmless reason that fits; null when none does.
        explained_by: Text null ["bucket_refresh, announces_in_hash_order"];
    },
    ..folder!()
};
