//! One row per day: how much was seen, of what, and how well the observatory was looking.
//!
//! # What it measures
//! The activity of a day beside what it depends on: hours in which presences were live, gaps, and
//! datagrams that were lost. The rules of `hash_behavior_profiles` are applied to the day alone, with
//! thresholds of their own: an infohash counts when this day's events are enough for a profile.
//!
//! # Why it is evidence
//! A day that stands out in activity and not in hours, presences and drops stands out because of
//! what happened in the network.
//!
//! # Benign look-alikes
//! More presences, or ids that have been in place for longer, attract more traffic. As in the
//! profiles, most infohashes look like `observer_target` for want of announces that reach us.
//!
//! # Limits
//! Of a burst that crosses midnight each day counts its own part. Rows of several sensors add up,
//! and so do their gaps. `unique_hashes` includes the upkeep of routing tables.

use crate::parameter::parameters;
use crate::table::folder;
use crate::Table;
use schema::columns;

/// See the module.
pub const TABLE: Table = Table {
    parameters: parameters! {
        /// Events that an infohash needs on the day before a rule is applied to it. Raising it counts
        /// only what many asked for.
        min_events: Count = 10 ["events"];
        /// `observer_targets` below this share of announces. Raising it counts weak swarms too.
        observer_ratio: Ratio = 0.05 ["0–1"];
        /// `burst_activity` above this share of events in one window. Raising it counts only sudden
        /// interest.
        burst_score: Ratio = 0.6 ["0–1"];
        /// `multi_asn_hashes` from this many autonomous systems. Raising it counts only the popular.
        min_asns: Count = 5 ["ASNs"];
        /// The summary names a detector when its least q-value is at most this, divided by the number of
        /// detectors, labels and kinds: so often, all of them together find something where there is nothing. Raising it
        /// names more, and more of them wrongly.
        alarm: Ratio = 0.05 ["0–1"];
    },
    columns: columns! {
        /// The day.
        date_utc: Date ["UTC"];
        /// A presence was live until the end of the day, or a later day is held: no more is expected.
        sealed: Bool ["–"];
        /// Queries recorded, of all methods.
        total_events: I64 ["events"];
        /// Distinct infohashes of get_peers and announce_peer.
        unique_hashes: I64 ["infohashes"];
        /// Distinct operators.
        unique_operators: I64 ["operators"];
        /// Infohashes that hardly anybody announced, by the rule `observer_target`.
        observer_targets: I64 ["infohashes"];
        /// Infohashes asked for in a rush, by the rule `burst_activity`.
        burst_activity: I64 ["infohashes"];
        /// Infohashes asked for from many systems, by the rule `high_asn_interest`.
        multi_asn_hashes: I64 ["infohashes"];
        /// Country of most queries, of several the first in the alphabet; null without a geo file.
        top_country: Text null ["ISO 3166-1 alpha-2"];
        /// Clock hours in which a presence was live.
        capture_hours: I64 ["0–24 h"];
        /// Distinct presences that were live.
        live_presences: I64 ["presences"];
        /// Time that lies in `captured.gaps`, added up over sensors.
        gap_seconds: F64 ["s"];
        /// Datagrams and events lost, whoever lost them; null where no metrics were kept.
        drops: I64 null ["events"];
        /// When this row was computed.
        computed_at: Timestamp ["µs, UTC"];
    },
    summary: Some(include_str!("summary.sql")),
    ..folder!()
};
