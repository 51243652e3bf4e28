//! One row per family: infohashes that share a longer prefix than chance gives to infohashes.
//!
//! # What it measures
//! All infohashes of the days held, in the order of the keyspace, where those that share a prefix stand
//! side by side. A family is
//!
//! * a group of at least `min_hashes` with the first b bits in common, b being the smallest number at
//!   which fewer than `by_chance` such groups are expected among n infohashes. Of the C(n, k) groups of
//!   k, a share of 2^(−b(k−1)) have b bits in common by chance. Among 84,000 infohashes, groups of five
//!   need 21 bits;
//! * two or more that share `pair_bits`. Among 84,000 infohashes 0.003 such pairs are expected.
//!
//! `shared_bits` is what all members share, and `expected_by_chance` the number of groups of at least that
//! size with that many bits in common among n random infohashes. A family may lie within a larger one.
//!
//! # Null
//! Infohashes fall anywhere independently, no denser anywhere than where our presences see best by
//! `keyspace_heatmap`. `p_value` bounds the chance that the whole table then has any group of some size k with
//! as many bits in common: the expected number of them in the densest place, times k(k − 1) because k could
//! have been any. It is the chance of the whole table, so nothing is left to correct: `tests` is 1, the q-value
//! the same, and a family is significant up to `false_discovery`. What `explained_by` names is not tested.
//!
//! # Why it is evidence
//! SHA-1 and SHA-256 scatter torrents. Targets that begin alike were not hashed but made: to place
//! nodes near an infohash, to search a neighbourhood, to use the DHT as a mailbox.
//!
//! # Benign look-alikes
//! Who lives near a presence of ours asks it for what lies there, and the presence sees nearly all
//! of it: `explained_by = 'near_presence'` when the node id of a presence has the family's prefix as well.
//! Clients look up targets near their own id to refresh their table; what only one operator
//! asked for on a day, near its own id, is left out.
//!
//! # Limits
//! `expected_by_chance` is reckoned over the whole keyspace, as if every part of it were seen equally well;
//! `p_value` is not. At most `listed` members are
//! named.
//!
//! # References
//! BEP 5 and BEP 42: node ids and targets. P. Maymounkov, D. Mazières, “Kademlia”, IPTPS 2002.

use crate::parameter::parameters;
use crate::table::folder;
use crate::{Retention, Table, View};
use schema::columns;

/// See the module.
pub const TABLE: Table = Table {
    retention: Retention::Groups(&["prefix", "shared_bits"]),
    parameters: parameters! {
        /// Infohashes of a group. Raising it asks for larger groups, which need fewer bits in
        /// common. At least 2.
        min_hashes: Count = 5 ["infohashes"];
        /// Groups that chance may be expected to make in the whole table. Raising it finds groups
        /// with fewer bits in common, and chance.
        by_chance: Ratio = 0.01 ["groups"];
        /// Bits that make a family of any two. Raising it loses pairs; lowering it finds chance once
        /// the square of the number of infohashes comes near two to this power.
        pair_bits: Count = 40 ["bits"];
        /// Chance up to which a family is significant. Raising it lets more chance in.
        false_discovery: Ratio = 0.05 ["0–1"];
        /// Members that a row names. Raising it makes rows longer.
        listed: Count = 20 ["infohashes"];
    },
    columns: columns! {
        /// What all members begin with, whole hexadecimal digits of it.
        prefix: Text ["hex digits"];
        /// Leading bits that all members share.
        shared_bits: I64 ["0–160 bits"];
        /// Members.
        hashes: I64 ["infohashes"];
        /// Groups of that size with that many shared bits that are expected by chance.
        expected_by_chance: F64 ["groups"];
        /// Distinct operators that asked for a member or announced it.
        operators: I64 ["operators"];
        /// Distinct autonomous systems of these, those unknown left out.
        asns: I64 ["ASNs"];
        /// First sight of a member.
        first_seen: Timestamp ["µs, UTC"];
        /// Last sight of one.
        last_seen: Timestamp ["µs, UTC"];
        /// Members in the order of the keyspace, hexadecimal, the first `listed` of them.
        members: Texts ["40 hex digits"];
        /// Infohashes among which the family was found.
        n: I64 ["infohashes"];
        /// Chance of any such family in the whole table, at most; null when it is explained.
        p_value: F64 null ["0–1"];
        /// The same.
        q_value: F64 null ["0–1"];
        /// Always 1: the table as a whole.
        tests: I64 ["tables"];
        /// Whether the family would survive chance.
        significant: Bool ["–"];
        /// The harmless reason that fits; null when none does.
        explained_by: Text null ["near_presence"];
        /// When this row was computed.
        computed_at: Timestamp ["µs, UTC"];
    },
    views: &[View {
        flag: "prefixes",
        help: "Families of infohashes that share a prefix beyond chance",
        argument: None,
        sql: include_str!("report.sql"),
    }],
    ..folder!()
};
