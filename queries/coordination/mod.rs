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
//! # Null
//! Both operators choose rare infohashes by popularity, as often as they chose, and visit them at the hours of
//! the day at which they come, independently of each other. `p_value` is the larger of two Poisson chances:
//! of as many shared infohashes, and of as many occasions; a pair must be beyond both. Since one occasion takes at
//! least one pair of visits to the same infohash, and at least one pair of bursts (visits begun without a pause of
//! `together`), the smaller of these two expectations is that of the occasions. `tests` is the largest number of
//! pairs that can share `min_shared_hashes` infohashes; those who met on fewer than `min_occasions` count as p = 1.
//! A pair is significant up to `false_discovery`. The null is wrong in one way that strikes everybody: when one of
//! our presences takes an id near an infohash, all its visitors come into view at once. How often that happens
//! is measured on operators after fewer than `min_shared_hashes` infohashes, who cannot be tested. A pair that met
//! no more often than that explains is `as_strangers` and not tested; without enough of these, nobody is.
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
//! visitors come into view within half an hour (`as_strangers`): among 10,000 clients, some tens of pairs meet on
//! three such occasions, a few on four.
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
        /// Infohashes at which those are looked at who cannot be tested. Raising it measures better how often
        /// strangers meet, and costs time.
        reference_hashes: Count = 20000 ["infohashes"];
        /// Visits that they could have made together. The fewer there are, the more often they may have met for
        /// all we know, and the less is found; raising it tests nobody in small datasets.
        min_reference: Count = 50 ["visits"];
        /// Share of false ones that is allowed among significant pairs. Raising it lets more chance in.
        false_discovery: Ratio = 0.05 ["0–1"];
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
        /// Pairs of visits to a shared infohash that began together.
        co_visits: I64 ["visits"];
        /// How many there would be if both came independently at their hours of the day.
        expected_co_visits: F64 ["visits"];
        /// Occasions that there would be then, at most.
        expected_occasions: F64 ["occasions"];
        /// Mean time between the starts of two visits made together.
        mean_apart_seconds: F64 ["s"];
        /// First visit made together.
        first_seen: Timestamp ["µs, UTC"];
        /// Last visit made together.
        last_seen: Timestamp ["µs, UTC"];
        /// What the test is over: the occasions on which both came together.
        n: I64 ["occasions"];
        /// Chance of as many, or of as many shared infohashes; null when it is explained or cannot be tested.
        p_value: F64 null ["0–1"];
        /// The same with all tests in view (Benjamini–Hochberg).
        q_value: F64 null ["0–1"];
        /// Pairs tested, at most.
        tests: I64 ["pairs"];
        /// Whether the pair would survive chance.
        significant: Bool ["–"];
        /// What explains the pair without any coordination; null when no rule does.
        explained_by: Text null ["dual_stack, client_reannounce, as_strangers"];
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
