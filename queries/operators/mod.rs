//! One row per operator: who it is, how broad its interest was, since when and how much.
//!
//! # What it measures
//! Over all days held: the number of infohashes that an operator asked for or announced, and how
//! often each. The first rule that fits gives the class.
//!
//! * `BROAD_SWEEP`: at least `broad_hashes` infohashes.
//! * `TARGETED`: at least `targeted_ratio` queries per infohash.
//! * `MIXED`: neither.
//!
//! # Why it is evidence
//! People are after a few torrents. Hundreds of infohashes from one address are a collection; few
//! infohashes asked for again and again are being watched, or shared.
//!
//! # Benign look-alikes
//! A seedbox holds hundreds of torrents. A client that shares one file announces it every quarter of
//! an hour: on a background without any actor most faithful sharers are `TARGETED`. An address translator
//! adds up the interests of all behind it.
//!
//! # Limits
//! Raw queries are counted, retransmissions included, as far as they reached the observatory. What
//! looks like the upkeep of a routing table (`pair_days`) is left out of `unique_hashes` and `events_per_hash`, not of
//! `total_events`. Distinct infohashes of several days come from `pair_days`. Where these have been
//! deleted with the raw events, `unique_hashes` is that of the best day and `events_per_hash` is per
//! infohash and day: both can only be too small.

use crate::parameter::parameters;
use crate::table::folder;
use crate::{Argument, Table, View};
use schema::columns;

/// See the module.
pub const TABLE: Table = Table {
    parameters: parameters! {
        /// `BROAD_SWEEP` from this many infohashes. A person seldom shares a hundred torrents at once.
        /// Raising it keeps only the busiest collectors.
        broad_hashes: Count = 500 ["infohashes"];
        /// `TARGETED` from this many queries per infohash. Raising it keeps only those who ask most
        /// persistently.
        targeted_ratio: Ratio = 10.0 ["events per infohash"];
    },
    columns: columns! {
        /// IPv4 address or IPv6 /64.
        operator: Text ["IP address"];
        /// Autonomous system, as last seen.
        asn: U32 null ["AS number"];
        /// Name of the organisation behind that system.
        as_organization: Text null ["–"];
        /// Country, as last seen.
        country: Text null ["ISO 3166-1 alpha-2"];
        /// What the user calls the party: by its most specific network, else by its system.
        actor_label: Text null ["–"];
        /// What else the user knows about it.
        notes: Text null ["–"];
        /// The class, see above.
        classification: Text ["BROAD_SWEEP, TARGETED, MIXED"];
        /// Distinct infohashes asked for or announced, upkeep left out.
        unique_hashes: I64 ["infohashes"];
        /// Queries recorded, of all methods.
        total_events: I64 ["events"];
        /// get_peers and announce_peer queries per infohash, upkeep left out; null without infohashes.
        events_per_hash: F64 null ["events"];
        /// Days with a query.
        days_active: I64 ["days"];
        /// First query.
        first_seen: Timestamp ["µs, UTC"];
        /// Last query.
        last_seen: Timestamp ["µs, UTC"];
        /// When this row was computed.
        computed_at: Timestamp ["µs, UTC"];
    },
    summary: Some(include_str!("summary.sql")),
    views: &[
        View {
            flag: "operators",
            help: "Who asks: classes, the busiest, by autonomous system and by country",
            argument: None,
            sql: include_str!("report.sql"),
        },
        View {
            flag: "operator",
            help: "Everything known about one operator or one autonomous system",
            argument: Some(Argument::Operator),
            sql: include_str!("operator.sql"),
        },
    ],
    ..folder!()
};
