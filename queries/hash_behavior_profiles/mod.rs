//! One row per infohash with enough events: who asks for it, how, and which labels that earns.
//!
//! # What it measures
//! Over all days held: the balance of lookups and announces, the audience in addresses and
//! autonomous systems, the largest burst, and the regularity of the most regular visitor. Each
//! label is a stated rule on one of these numbers.
//!
//! * `burst_activity`: more than `burst_score` of all events fell inside one five-minute window.
//! * `observer_target`: fewer than `observer_ratio` of the events are announces.
//! * `high_asn_interest`: operators from at least `min_asns` autonomous systems.
//! * `periodic_lookup_target`: some operator's lookups are evenly spaced, score above `periodicity`.
//! * `dead_swarm`: fewer than `dead_ratio` of the events are announces.
//! * `swarm_like`: at least `swarm_ratio` announces and `swarm_ips` addresses. Descriptive, not a signal.
//!
//! # Why it is evidence
//! People who share a file announce it. Interest without announces, from many networks, in bursts
//! or by the clock, is what monitoring looks like.
//!
//! # Benign look-alikes
//! Announces reach only the handful of nodes closest to an infohash, so most hashes seen from
//! afar have none: on a background without any actor these rules label nearly every profile
//! `observer_target` and `dead_swarm`. A new release makes bursts. Clients that re-announce by the
//! clock are periodic. A label is a pattern, not a finding about anybody.
//!
//! # Limits
//! Periodicity needs three gaps of one operator and judges the spread alone.

use crate::parameter::parameters;
use crate::table::folder;
use crate::{Argument, Live, Retention, Table, View};
use schema::columns;

/// See the module.
pub const TABLE: Table = Table {
    retention: Retention::Subjects(&["infohash"]),
    parameters: parameters! {
        /// Events an infohash needs before it gets a profile. Ratios of fewer say nothing.
        /// Raising it drops rare hashes, which is where monitoring hides.
        min_events: Count = 10 ["events"];
        /// `burst_activity` above this share of events in one window. Raising it keeps only hashes
        /// seen once.
        burst_score: Ratio = 0.6 ["0–1"];
        /// `observer_target` below this share of announces. Raising it labels weak swarms too.
        observer_ratio: Ratio = 0.05 ["0–1"];
        /// `high_asn_interest` from this many autonomous systems. Raising it keeps only the popular.
        min_asns: Count = 5 ["ASNs"];
        /// `periodic_lookup_target` above this score. Raising it demands a stricter clock.
        periodicity: Ratio = 0.7 ["0–1"];
        /// Gaps of one operator that a periodicity score needs. Two gaps are equal by chance
        /// often; raising it asks for longer observation.
        min_gaps: Count = 3 ["gaps"];
        /// `dead_swarm` below this share of announces. Raising it approaches `observer_target`.
        dead_ratio: Ratio = 0.02 ["0–1"];
        /// `swarm_like` from this share of announces. Raising it keeps only busy swarms.
        swarm_ratio: Ratio = 0.1 ["0–1"];
        /// Signals from which on `analyze watch` tells of an infohash. Raising it tells of fewer.
        told_signals: Count = 3 ["labels"];
        /// `swarm_like` from this many addresses. Raising it keeps only large swarms.
        swarm_ips: Count = 20 ["operators"];
    },
    columns: columns! {
        /// Infohash, hexadecimal.
        infohash: Text ["40 hex digits"];
        /// get_peers and announce_peer queries.
        total_events: I64 ["events"];
        /// get_peers queries.
        lookup_count: I64 ["events"];
        /// announce_peer queries.
        announce_count: I64 ["events"];
        /// Announces as a share of all events.
        announce_ratio: F64 ["0–1"];
        /// Distinct operators: IPv4 addresses and IPv6 /64s.
        unique_ips: I64 ["operators"];
        /// Distinct autonomous systems, those unknown left out.
        unique_asns: I64 ["ASNs"];
        /// First query.
        first_seen: Timestamp ["µs, UTC"];
        /// Last query.
        last_seen: Timestamp ["µs, UTC"];
        /// Time from the first to the last query.
        duration_minutes: F64 ["min"];
        /// The same in seconds.
        lifespan_seconds: F64 ["s"];
        /// Largest number of events inside any five minutes, as a share of all.
        burst_score: F64 ["0–1"];
        /// 1 − coefficient of variation of the most regular operator's lookup gaps, at least 0.
        periodicity_score: F64 ["0–1"];
        /// Lookups as a share of lookups and announces.
        observer_score: F64 ["0–1"];
        /// Labels earned, in the order of the documentation.
        classifications: Texts ["–"];
        /// Number of labels, `swarm_like` not counted.
        signal_score: I64 ["0–5"];
        /// When this row was computed.
        computed_at: Timestamp ["µs, UTC"];
    },
    summary: Some(include_str!("summary.sql")),
    views: &[
        View {
            flag: "behavior",
            help: "Labels of infohashes: breakdown, stacked signals, lookups, ASNs, bursts, rhythm",
            argument: None,
            sql: include_str!("report.sql"),
        },
        View {
            flag: "hash",
            help: "Everything known about one infohash",
            argument: Some(Argument::Infohash),
            sql: include_str!("hash.sql"),
        },
    ],
    live: Some(Live { every: 300, by_operator: false, sql: include_str!("live.sql") }),
    ..folder!()
};
