//! One row per campaign: observation that goes on for days, by one operator or by several together.
//!
//! # What it measures
//! What other tables find, put together over all days held.
//!
//! * `persistent_observer`: an operator active on at least `min_days` days and `min_day_share` of the
//!   captured days, that asked for the same infohash on at least `min_days` of them and never announced
//!   anything.
//! * `scheduled_monitoring`: unexplained `SCHEDULED` pairs of `rendezvous_events` of one operator whose
//!   periods are nearly the same, each seen over at least `min_periods` periods of data. It is `by_rule` when
//!   one of them is.
//! * `distributed`: a cluster of `operator_clusters` with at least `min_operators` operators in at least
//!   `min_asns` autonomous systems. Its name has eight digits of a hash of the first member and the
//!   number of members: the digits stay when others join or leave.
//!
//! `infrastructure_persistence` says how steadily the machines are there: the share of the captured
//! days between first and last sign on which each was active, on average. `geographic_spread` counts
//! countries.
//!
//! # Null
//! Campaigns have no test of their own. One of `scheduled_monitoring` is significant when one of its schedules is,
//! and has the least p-value and q-value of them (see `rendezvous_events`); one that is `distributed` has those of
//! the strongest pair that holds it together (see `coordination`), and clusters are made of significant
//! pairs alone. No null is stated for `persistent_observer`: who is always online comes back daily. It is
//! never significant.
//!
//! # Why it is evidence
//! Downloads end. Whoever asks for the same infohash day after day and shares nothing wants to know
//! who else does.
//!
//! # Benign look-alikes
//! Announces reach the few nodes nearest to an infohash: most clients that are always online look as if
//! they never announced, and are persistent observers by this rule. Many clients behind one address
//! persist together (`explained_by = 'shared_ip'`). For schedules and clusters see `rendezvous_events` and
//! `coordination`.
//!
//! # Limits
//! An operator that changes its address begins anew. One party may lead several campaigns, and an
//! operator be in several.
//!
//! # References
//! * T. Chothia, M. Cova, C. Novakovic, C. González Toro: The Unbearable Lightness of Monitoring: Direct
//!   Monitoring in BitTorrent. SecureComm 2012.
//! * M. Piatek, T. Kohno, A. Krishnamurthy: Challenges and Directions for Monitoring P2P File Sharing
//!   Networks. HotSec 2008.

use crate::parameter::parameters;
use crate::table::folder;
use crate::{Grain, Retention, Table, View};
use schema::columns;

/// See the module.
pub const TABLE: Table = Table {
    grain: Grain::Window,
    retention: Retention::Groups(&["campaign"]),
    parameters: parameters! {
        /// Days on which a persistent observer is active, and asks for the same infohash. A weekend has
        /// two. Raising it finds only the most patient, and needs as many days of data.
        min_days: Count = 3 ["days"];
        /// Share of the captured days on which it is active. Raising it misses observers that were
        /// captured for a part of the time.
        min_day_share: Ratio = 0.6 ["0–1"];
        /// Periods that the data must span before a schedule is called monitoring. Raising it finds
        /// slow schedules later.
        min_periods: Count = 4 ["periods"];
        /// By how much the next longer period of an operator may exceed the last one to belong to
        /// the same campaign. Raising it merges periods that differ.
        same_period: Ratio = 0.1 ["–"];
        /// Operators of a distributed campaign. Two may be one household in two networks. Raising it
        /// misses small fleets.
        min_operators: Count = 3 ["operators"];
        /// Autonomous systems of a distributed campaign. Raising it misses fleets at two providers.
        min_asns: Count = 2 ["ASNs"];
        /// Node ids within one clock hour from which on an address is shared, as in
        /// `rendezvous_events`. Raising it leaves small translators unexplained.
        shared_ids: Count = 3 ["ids"];
    },
    columns: columns! {
        /// Kind, eight digits of a hash of the first operator, and what tells several of its campaigns
        /// apart.
        campaign: Text ["–"];
        /// `persistent_observer`, `scheduled_monitoring` or `distributed`.
        kind: Text ["–"];
        /// The stated thresholds are met; false for monitoring whose schedules are significant only.
        by_rule: Bool ["–"];
        /// The operator, where it is one; otherwise null.
        operator: Text null ["–"];
        /// Its autonomous system.
        asn: U32 null ["AS number"];
        /// Its country.
        country: Text null ["ISO 3166-1 alpha-2"];
        /// Operators.
        operators: I64 ["operators"];
        /// Their addresses, in the order in which they came.
        members: Texts ["–"];
        /// Distinct autonomous systems, those unknown left out.
        asns: I64 ["ASNs"];
        /// These systems, as text; null when none is known.
        as_numbers: Texts null ["AS number"];
        /// Countries of the operators.
        geographic_spread: I64 ["countries"];
        /// These countries; null when none is known.
        countries: Texts null ["ISO 3166-1 alpha-2"];
        /// Mean Jaccard similarity over all pairs of operators; null where there is one operator.
        coordination: F64 null ["0–1"];
        /// Mean period of scheduled monitoring; null for other kinds.
        period_h: F64 null ["h"];
        /// Infohashes observed: on `min_days` days, by the clock, or by several operators.
        hashes: I64 ["infohashes"];
        /// Queries received about them.
        observations: I64 ["events"];
        /// First of these.
        first_seen: Timestamp ["µs, UTC"];
        /// Last of these.
        last_seen: Timestamp ["µs, UTC"];
        /// Time between them.
        duration_h: F64 ["h"];
        /// Share of the captured days in that time on which an operator was active, mean over operators.
        infrastructure_persistence: F64 ["0–1"];
        /// What it is made of: infohashes of an observer, schedules, significant pairs of operators.
        n: I64 ["infohashes, schedules, pairs"];
        /// Least p-value of its parts; null where none was tested.
        p_value: F64 null ["0–1"];
        /// Least q-value of its parts; null where none was tested.
        q_value: F64 null ["0–1"];
        /// Units tested with the parts; null where none was.
        tests: I64 null ["operators, pairs"];
        /// One of its parts is significant.
        significant: Bool ["–"];
        /// What explains the campaign without any observation; null when no rule does.
        explained_by: Text null ["–"];
        /// When this row was computed.
        computed_at: Timestamp ["µs, UTC"];
    },
    views: &[View {
        flag: "campaigns",
        help: "Campaigns: distributed, scheduled and persistent observation over days",
        argument: None,
        sql: include_str!("report.sql"),
    }],
    ..folder!()
};
