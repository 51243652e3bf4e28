//! One row per infohash and label: the evidence behind the labels of `hash_behavior_profiles`.
//!
//! # What it measures
//! Every label that an infohash earns by the rule of its profile (`by_rule`), and every one that the label's test
//! finds significant, with the chance that the null has of showing as much. Tested are all infohashes that
//! have a profile; q-values are over all tested infohashes of a label, also those without a row here.
//!
//! # Null
//! * `burst_activity`: the lookups of an infohash come independently, at a rate that holds within an hour of the
//!   fullest five minutes on either side: the least p-value of `hash_bursts`, times the number of its stretches.
//! * `observer_target`, `dead_swarm`: of the operators that ask for an infohash as many announce it as of those of
//!   all other infohashes at the same exposure (see `hash_audiences`), two standard deviations less of them, or as
//!   the rule's ratio where that is less: binomial tail. Where fewer than `least_announces` operators are expected to announce, or the rate is
//!   that of fewer than `least_reference`, we are `blind` and nothing is tested.
//! * `high_asn_interest`: the operators that ask for an infohash are drawn at random from all interests,
//!   of which no operator has more than `most_interests` (`rarefaction_test`). Tested from `min_asns` operators with a known system on.
//! * `periodic_lookup_target`: visits come independently, as for `SCHEDULED` in `rendezvous_events`: the least
//!   p-value of the infohash's operators, times their number, daily habits included. Not tested where no operator is; the reason is
//!   in `explained_by` where a rule explains a schedule.
//!
//! # Why it is evidence
//! The rules alone label nearly every infohash seen from afar. What the null explains is nothing to look
//! at; what it does not is rare.
//!
//! # Benign look-alikes
//! A crowd that comes together within minutes is a burst, whoever called it. Who asks for the season as a whole
//! asks for its parts in a regular way. People of one country bring few systems, those of a worldwide audience
//! more than chance gives.
//!
//! # Limits
//! With few addresses nearly every infohash is `blind`. An infohash with fewer events than a profile needs has no
//! row. Bursts are over lookups of all operators.

use crate::parameter::parameters;
use crate::table::folder;
use crate::{Retention, Table};
use schema::columns;

/// See the module.
pub const TABLE: Table = Table {
    retention: Retention::Subjects(&["infohash", "label"]),
    families: Some("label"),
    parameters: parameters! {
        /// Share of announcing operators that `observer_target` is held against, as in the profiles. Raising it
        /// asks for fewer announces than swarms show.
        observer_ratio: Ratio = 0.05 ["0–1"];
        /// The same for `dead_swarm`. Raising it approaches `observer_target`.
        dead_ratio: Ratio = 0.02 ["0–1"];
        /// Operators of other infohashes at the same exposure without which their rate is not known. Raising it
        /// leaves the nearest infohashes untested.
        least_reference: Count = 100 ["operators"];
        /// Announcing operators that must be expected before their absence says anything: of three, none is
        /// seen by chance in 5 of 100 cases. Raising it tests fewer infohashes.
        least_announces: Ratio = 3.0 ["operators"];
        /// Operators with a known autonomous system from which on their number of systems is tested, as in
        /// the profiles. Raising it tests popular infohashes only.
        min_asns: Count = 5 ["operators"];
        /// Interests of one operator that count in the population from which autonomous systems are drawn. A
        /// crawler would be most of it otherwise. Raising it finds the audience of crawlers less varied, and so
        /// all others more.
        most_interests: Count = 50 ["infohashes"];
        /// `significant` up to this q-value: the share of chance among what is called so. Raising it finds more,
        /// and more of it wrongly.
        false_discovery: Ratio = 0.05 ["0–1"];
    },
    columns: columns! {
        /// Infohash, hexadecimal.
        infohash: Text ["40 hex digits"];
        /// One of the labels of `hash_behavior_profiles`, without `swarm_like`.
        label: Text ["–"];
        /// The rule of the profile gives the label.
        by_rule: Bool ["–"];
        /// Leading bits shared with the nearest id that a presence ever had, 0 where nothing is known.
        exposure_bits: I64 ["0–160 bits"];
        /// Whether announces would reach us, for the labels that rest on their absence; null for others.
        vis_announce: Text null ["blind, expectable"];
        /// First query.
        first_seen: Timestamp ["µs, UTC"];
        /// Last query.
        last_seen: Timestamp ["µs, UTC"];
        /// What the test is over: asks of a burst, operators of a ratio or of systems, pairs of a period.
        n: I64 ["asks, operators, pairs"];
        /// How likely the null shows as much; null where it was not tested.
        p_value: F64 null ["0–1"];
        /// Least false discovery rate at which it is significant; null where it was not tested.
        q_value: F64 null ["0–1"];
        /// Infohashes tested for this label; null where this one was not.
        tests: I64 null ["infohashes"];
        /// Tested, and the q-value is at most `false_discovery`.
        significant: Bool ["–"];
        /// What explains the label without any observation; null when no rule does.
        explained_by: Text null ["client_reannounce, shared_ip, daily_habit"];
        /// When this row was computed.
        computed_at: Timestamp ["µs, UTC"];
    },
    ..folder!()
};
