//! One row per pair of operators that share rare infohashes and come to them at the same moments.
//!
//! # What it measures
//! A bipartite graph of operators and infohashes, over all days held. Infohashes that more than
//! `max_operators` ask for say nothing about a pair and are left out, so are operators after more than
//! `max_hashes`, and upkeep of routing tables (see `pair_days`). Only visits with a get_peers lookup count.
//! A pair needs both:
//!
//! * **co-interest**: `shared_hashes` is at least `min_shared_hashes` and `interest_ratio` times as many as
//!   if both had chosen by popularity, as often as they chose;
//! * **synchrony**: visits to a shared infohash that began within `together` of each other, on at least
//!   `min_occasions` occasions `session` apart, and `synchrony_ratio` times as many as two parties make who
//!   come independently, as often as these did, at the hours of the day at which these come.
//!
//! Pairs are found through the infohashes that they share, never by trying all pairs.
//!
//! # Why it is evidence
//! Two machines that work through one list are told what to ask for, and when, by one program. People who
//! share a taste share infohashes; they do not share minutes, again and again.
//!
//! # Benign look-alikes
//! Co-interest alone is no evidence: people who download the same season pack share dozens of infohashes.
//! A client with IPv4 and IPv6 is two operators that do everything together (`explained_by =
//! 'dual_stack'`, same autonomous system). Clients that both announce what they share are members of its
//! swarm (`client_reannounce`). When one of our presences takes an id near an infohash, all its
//! visitors come into view within half an hour: among 10,000 clients, some tens of pairs meet on three such
//! occasions, a few on four.
//!
//! # Limits
//! One party that changes its address is not found, for its addresses are never active together. What
//! explains a pair is a rule about the pair; the program behind it is not seen.
//!
//! # References
//! * G. Siganos, J. M. Pujol, P. Rodriguez: Monitoring the Bittorrent Monitors: A Bird's Eye View. PAM 2009.
//! * P. Jaccard: The Distribution of the Flora in the Alpine Zone. New Phytologist 11(2), 1912.

use crate::parameter::parameters;
use crate::table::folder;
use crate::{Grain, Retention, Table, View};
use schema::columns;

/// See the module.
pub const TABLE: Table = Table {
    grain: Grain::Window,
    retention: Retention::Subjects(&["operator_a", "operator_b"]),
    parameters: parameters! {
        /// Operators that may ask for an infohash for it to say something about two of them. The number of
        /// pairs grows with its square. Raising it costs time and memory and adds popular content.
        max_operators: Count = 50 ["operators"];
        /// Infohashes that an operator may be after. Crawlers and indexers are after everything and
        /// would be coordinated with everybody. Raising it costs time.
        max_hashes: Count = 1000 ["infohashes"];
        /// Infohashes that a pair must share. One or two in common are what any two neighbours in taste
        /// have. Raising it misses short lists.
        min_shared_hashes: Count = 3 ["infohashes"];
        /// How many times more infohashes than expected a pair must share. Rare infohashes are expected
        /// to be shared hardly ever: this holds back operators with hundreds of them. Raising it
        /// misses pairs of broad interest.
        interest_ratio: Ratio = 5.0 ["–"];
        /// How far apart two visits may begin to be made together. A program that hands out work starts it
        /// within minutes. Raising it expects more by chance and finds less.
        together: Duration = 300 ["s"];
        /// Time that parts two occasions. All that two clients do in one evening is one coincidence.
        /// Raising it merges rounds that follow each other.
        session: Duration = 3600 ["s"];
        /// Occasions on which a pair must have come together. In a simulated background of 10,000 clients
        /// 23 to 134 pairs meet on three, 5 to 50 on four. Raising it asks for longer observation.
        min_occasions: Count = 4 ["occasions"];
        /// How many times more visits together than expected a pair must have made. Clients that are
        /// always online come together by chance hundreds of times, but not more than expected. Raising
        /// it misses parties that come once an hour or more often.
        synchrony_ratio: Ratio = 3.0 ["–"];
    },
    columns: columns! {
        /// The operator whose address comes first.
        operator_a: Text ["–"];
        /// The other operator.
        operator_b: Text ["–"];
        /// Autonomous system of the first.
        asn_a: U32 null ["AS number"];
        /// Autonomous system of the other.
        asn_b: U32 null ["AS number"];
        /// Country of the first.
        country_a: Text null ["ISO 3166-1 alpha-2"];
        /// Country of the other.
        country_b: Text null ["ISO 3166-1 alpha-2"];
        /// Rare infohashes that both looked up.
        shared_hashes: I64 ["infohashes"];
        /// How many they would share if both chose by popularity alone.
        expected_shared_hashes: F64 ["infohashes"];
        /// Shared infohashes as a share of those that either looked up, among the rare ones.
        jaccard: F64 ["0–1"];
        /// What a test is over: the occasions on which both came together.
        n: I64 ["occasions"];
        /// Pairs of visits to a shared infohash that began together.
        co_visits: I64 ["visits"];
        /// How many there would be if both came independently at their hours of the day.
        expected_co_visits: F64 ["visits"];
        /// Mean time between the starts of two visits made together.
        mean_apart_seconds: F64 ["s"];
        /// First visit made together.
        first_seen: Timestamp ["µs, UTC"];
        /// Last visit made together.
        last_seen: Timestamp ["µs, UTC"];
        /// What explains the pair without any coordination; null when no rule does.
        explained_by: Text null ["–"];
        /// When this row was computed.
        computed_at: Timestamp ["µs, UTC"];
    },
    views: &[View {
        flag: "coordination",
        help: "Operators of several autonomous systems that come to the same infohashes together",
        argument: None,
        sql: include_str!("report.sql"),
    }],
    ..folder!()
};
