//! One row per cluster: operators that are linked, directly or through others, by coming to the same
//! rare infohashes together.
//!
//! # What it measures
//! The connected components of the significant pairs of `coordination`, and what their members have in
//! common: autonomous systems, networks, infohashes, manner and timing. `coordination` is the mean Jaccard
//! similarity over all pairs of members, linked or not: shared infohashes as a share of those that
//! either looked up, among the infohashes that at most `max_operators` ask for. Nine operators that each
//! cover 80 % of one list, at random, have 0.64 / 0.96 = 0.67.
//!
//! A cluster is named after the member that was first to look up what is shared, so that it keeps
//! its name when others join or leave.
//!
//! # Why it is evidence
//! A fleet divides one list among its machines, or sends all of them: its members agree in what they ask
//! for and when, whatever network they sit in.
//!
//! # Benign look-alikes
//! Those of `coordination`. One chance pair can join two clusters, or a bystander to one: a low
//! `coordination`, or few `edges` for that many operators, shows it.
//!
//! # Limits
//! Addresses that belong to one machine are members of their own. The name changes when the first
//! member's visits leave with the raw events.
//!
//! # References
//! * G. Siganos, J. M. Pujol, P. Rodriguez: Monitoring the Bittorrent Monitors: A Bird's Eye View. PAM 2009.
//! * R. E. Tarjan: Efficiency of a Good But Not Linear Set Union Algorithm. Journal of the ACM 22(2), 1975.

use crate::parameter::parameters;
use crate::table::folder;
use crate::{Grain, Retention, Table, View};
use schema::columns;

/// See the module.
pub const TABLE: Table = Table {
    grain: Grain::Window,
    retention: Retention::Groups(&["cluster"]),
    parameters: parameters! {
        /// Operators that may ask for an infohash for it to count in `coordination`, as in that table. Raising
        /// it lets popular content blur the similarity.
        max_operators: Count = 50 ["operators"];
    },
    columns: columns! {
        /// `cluster_` and eight digits of a hash of its first member.
        cluster: Text ["–"];
        /// Members.
        operators: I64 ["operators"];
        /// Their addresses, in the order in which they first looked up what is shared.
        members: Texts ["–"];
        /// Distinct autonomous systems, those unknown left out.
        asns: I64 ["ASNs"];
        /// These systems, as text; null when none is known.
        as_numbers: Texts null ["AS number"];
        /// Countries of the members; null when none is known.
        countries: Texts null ["ISO 3166-1 alpha-2"];
        /// The /24 (IPv4) and /48 (IPv6) networks of the members.
        networks: Texts ["CIDR"];
        /// Rare infohashes that at least two members looked up.
        hashes: I64 ["infohashes"];
        /// Mean Jaccard similarity over all pairs of members.
        coordination: F64 ["0–1"];
        /// Significant pairs of `coordination` that hold the cluster together.
        edges: I64 ["pairs"];
        /// Pairs of visits that those made together.
        co_visits: I64 ["visits"];
        /// How many they would have made if all came independently at their hours of the day.
        expected_co_visits: F64 ["visits"];
        /// Mean time between the starts of two visits made together.
        mean_apart_seconds: F64 ["s"];
        /// Rare infohashes that a member looked up, on average.
        hashes_per_operator: F64 ["infohashes"];
        /// Visits of the members to rare infohashes.
        visits: I64 ["visits"];
        /// get_peers lookups in them.
        lookups: I64 ["lookups"];
        /// announce_peer lookups in them.
        announces: I64 ["lookups"];
        /// Queries received from members about shared infohashes.
        observations: I64 ["events"];
        /// First of these.
        first_seen: Timestamp ["µs, UTC"];
        /// Last of these.
        last_seen: Timestamp ["µs, UTC"];
        /// When this row was computed.
        computed_at: Timestamp ["µs, UTC"];
    },
    views: &[View {
        flag: "clustering",
        help: "Clusters of operators by autonomous system, network, behaviour, infohashes and timing",
        argument: None,
        sql: include_str!("report.sql"),
    }],
    ..folder!()
};
