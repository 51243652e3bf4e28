//! One row per operator: what kind of program it behaves like, and which numbers say so.
//!
//! # What it measures
//! Over all days held, the manner of an operator's queries: how many, of what kind, how evenly spread
//! over hours, presences and the keyspace. The first rule that fits gives the class, and `reason` says
//! with which numbers and thresholds.
//!
//! * `measurement_node`: the user's list of actors calls it so, or nothing but ping and find_node in at
//!   least `present_hours` hours a day, and on some day to `measured_presences` presences.
//! * `indexer`: at least `samples` sample_infohashes queries, on some day to `sample_presences`
//!   presences.
//! * `crawler`: at least `crawler_share` of all live presences reached within one clock hour, with no more than
//!   `indexed_lookups` lookups per infohash; or a significant sweep (`sweep_events`).
//! * `indexer`, too: at least `indexed_hashes` infohashes at no more than `indexed_lookups` lookups
//!   each, none announced.
//! * `tracker_node`: at least `tracked_share` announces, over at least `tracked_hashes` infohashes.
//! * `normal_client`: never more than `normal_hashes` infohashes a day, and lookups of the same infohash
//!   typically at least `cadence_least` apart, on the best day at most `cadence_most`; or repeated on one
//!   day fewer than `cadence_repeats` times.
//! * `unknown`: everything else.
//!
//! # Why it is evidence
//! Clients ask for what they share, at the cadence of their defaults, of the few nodes that they know.
//! BEP 51 serves indexers. A program that wants the network as a whole has to reach many nodes.
//!
//! The query for breadth comes behind `crawler`, because a crawler that walks the keyspace with
//! get_peers asks for every random target once, as an indexer does.
//!
//! # Benign look-alikes
//! A client that is always on, and that shares nothing within our sight, only pings and refreshes its
//! table. It does so by the clock, too, so that a period tells nothing; but it keeps few of our presences in it.
//! A seedbox with a long list reaches many presences within an hour, but asks for the same infohashes again. An address
//! translator adds up its clients: `querier_ids` of three or more says so. A seedbox with a long list
//! resembles a `tracker_node`.
//!
//! # Limits
//! `normal_client` says that nothing stood out, not that anybody was looked at: an operator of which a
//! single ping was seen is one. What is seen of an operator depends on how many presences it knows: a
//! client whose lookups reach us only now and then seems to come back more slowly than it does, which is why
//! the shortest of its gaps counts. Nothing here is a test: a rule fits or does not, and `reason` says why.
//! Without `captured.presences` nobody is a `crawler`. Infohashes, their spread and their cadence come
//! from `pair_days` and shrink when those are deleted with the raw events.
//!
//! # References
//! BEP 51, DHT Infohash Indexing: sample_infohashes.

use crate::parameter::parameters;
use crate::table::folder;
use crate::{Live, Table, View};
use schema::columns;

/// See the module.
pub const TABLE: Table = Table {
    parameters: parameters! {
        /// `measurement_node` from this many hours with a query on an average day with any. People
        /// sleep, and so do most of their computers. Raising it demands an uninterrupted watch.
        present_hours: Ratio = 20.0 ["h/day"];
        /// Presences that a `measurement_node` reaches on some day. A client that only keeps its table alive
        /// knows one or two. Raising it overlooks nodes that measure a part of the network.
        measured_presences: Count = 10 ["presences"];
        /// `indexer` from this many sample_infohashes queries. Hardly any client sends one. Raising it
        /// overlooks patient indexers.
        samples: Count = 10 ["events"];
        /// Presences that must have received them on one day: an indexer samples many nodes. Raising it
        /// overlooks indexers that know few of ours.
        sample_presences: Count = 10 ["presences"];
        /// `crawler` from this share of the live presences within one clock hour. A client keeps few of
        /// them in its table. Raising it keeps only the fastest.
        crawler_share: Ratio = 0.1 ["0–1"];
        /// `indexer` by breadth from this many infohashes. Raising it keeps only the broadest.
        indexed_hashes: Count = 500 ["infohashes"];
        /// Most lookups per infohash of a crawler, and of an indexer by breadth, who ask once and go on. In
        /// a simulated background seedboxes have 2.7 and more. Raising it takes in clients that come back.
        indexed_lookups: Ratio = 1.2 ["lookups per infohash"];
        /// `tracker_node` from this share of announces among get_peers and announce_peer queries. We are
        /// seldom among the few nodes that are announced to. Raising it keeps only those who
        /// announce to everybody.
        tracked_share: Ratio = 0.3 ["0–1"];
        /// `tracker_node` from this many infohashes. Raising it overlooks small gateways.
        tracked_hashes: Count = 50 ["infohashes"];
        /// `normal_client` up to this many infohashes a day. Raising it takes in seedboxes.
        normal_hashes: Count = 20 ["infohashes/day"];
        /// Repeated lookups from which on they show a cadence. Raising it calls more clients normal of which
        /// little was seen.
        cadence_repeats: Count = 3 ["lookups"];
        /// Shortest typical gap of a `normal_client`: no common client asks more often than every five
        /// minutes. Raising it leaves out the eager ones.
        cadence_least: Duration = 300 ["s"];
        /// Longest gap of a `normal_client` on its best day: the slowest defaults, 60 minutes, and a quarter
        /// of that for the spread. Raising it takes in visitors that return by a slower clock.
        cadence_most: Duration = 4500 ["s"];
        /// A shared address from this many node ids within one clock hour, in the views: one client
        /// shows one, or two around a restart. Raising it overlooks small translators.
        shared_ids: Count = 3 ["ids"];
    },
    columns: columns! {
        /// IPv4 address or IPv6 /64.
        operator: Text ["IP address"];
        /// Autonomous system, as last seen.
        asn: U32 null ["AS number"];
        /// Country, as last seen.
        country: Text null ["ISO 3166-1 alpha-2"];
        /// The class, see above.
        classification: Text ["–"];
        /// The numbers and thresholds that decided, as a sentence.
        reason: Text ["–"];
        /// Queries received, those beyond the event limit included.
        total_queries: I64 ["events"];
        /// Distinct infohashes asked for or announced, upkeep left out.
        unique_hashes: I64 ["infohashes"];
        /// Queries per clock hour with any.
        query_rate_per_hour: F64 ["1/h"];
        /// Most queries inside any five minutes, as a share of all recorded.
        burst_score: F64 ["0–1"];
        /// Shannon entropy of the first 8 bits of its infohashes, as a share of the largest that so many
        /// infohashes can have; null for fewer than two infohashes.
        entropy_score: F64 null ["0–1"];
        /// Clock hours with a query on an average day with any.
        hours_per_day: F64 ["0–24 h"];
        /// Most presences reached within one clock hour, as a share of those live; null where unknown.
        most_presence_share: F64 null ["0–1"];
        /// Most presences reached on one day.
        most_presences_a_day: I64 ["presences"];
        /// sample_infohashes queries.
        sample_infohashes: I64 ["events"];
        /// Most presences that received one of them on one day.
        sample_presences: I64 ["presences"];
        /// Announces as a share of get_peers and announce_peer queries; null without any.
        announce_share: F64 null ["0–1"];
        /// get_peers lookups per infohash, upkeep left out; null without infohashes.
        lookups_per_hash: F64 null ["lookups"];
        /// Most infohashes on one day, upkeep left out.
        most_hashes_a_day: I64 ["infohashes"];
        /// get_peers lookups for an infohash that was asked for earlier on the same day.
        repeats: I64 ["lookups"];
        /// Median, over infohashes and days, of the median gap between lookups of the same infohash;
        /// null when none was repeated on one day.
        typical_gap_seconds: F64 null ["s"];
        /// The shortest of these medians.
        shortest_gap_seconds: F64 null ["s"];
        /// Most distinct node ids shown within one clock hour.
        querier_ids: I64 ["ids"];
        /// First query.
        first_seen: Timestamp ["µs, UTC"];
        /// Last query.
        last_seen: Timestamp ["µs, UTC"];
        /// When this row was computed.
        computed_at: Timestamp ["µs, UTC"];
    },
    views: &[View {
        flag: "operator-profiles",
        help: "What kind of program each operator behaves like, and why",
        argument: None,
        sql: include_str!("report.sql"),
    }],
    live: Some(Live { every: 300, by_operator: false, sql: include_str!("live.sql") }),
    ..folder!()
};
