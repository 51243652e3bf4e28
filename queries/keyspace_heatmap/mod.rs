//! One row per cell of the keyspace: the infohashes that share their first four hexadecimal digits, beside
//! as many as the exposure of that cell lets expect.
//!
//! # What it measures
//! The 65,536 cells that four hexadecimal digits tell apart, and the distinct infohashes seen in each over
//! all days held. A cell without any has no row, unless it is cold.
//!
//! A presence sees the more of an infohash the nearer it is, so a cell beside a presence would look hot
//! for no other reason. `expected` makes up for it: for each day, the cells are sorted into 17 classes by the
//! number of bits that they share with the node id of the nearest presence of that day, and every
//! cell of a class is expected to show the mean of its class of the infohashes that were new on that
//! day. The sum over all cells is the number of infohashes seen.
//!
//! A cell is `hot` when it is significant and shows at least `hot_ratio` times as many as expected, and
//! `cold` when it is significant and shows at most `cold_ratio` times as many. `level` is the ratio in five
//! steps: up to `cold_ratio`, below 1, from 1, from √`hot_ratio`, from `hot_ratio`.
//!
//! # Null
//! Infohashes fall into the cells independently, each cell with the mean that its exposure lets expect:
//! `p_value` is the two-sided Poisson chance of so many, or so few. The q-value is over all 65,536 cells, those
//! without a row included; a zone is significant up to `false_discovery`. Nothing explains a cell:
//! `explained_by` is null.
//!
//! # Why it is evidence
//! Infohashes fall evenly over the keyspace. Where many more are asked for, somebody searches there.
//!
//! # Benign look-alikes
//! A client that refreshes the far buckets of its routing table asks for hundreds of targets that share a few
//! bits with its own id and with each other: a patch of neighbouring cells with one operator, which
//! `prefix_entropy` names. Where we stood on one day only, the mean of a class is that of few cells.
//!
//! # Limits
//! A search of many cells raises the mean of their class, and with it what is expected of them.
//! Presences of several sensors count alike. Lookups near the own id that nobody else asks for are left
//! out as upkeep. Pairs leave with the raw events, and with them the days before.
//!
//! # References
//! P. Maymounkov, D. Mazières, “Kademlia”, IPTPS 2002: the XOR metric.

use crate::parameter::parameters;
use crate::table::folder;
use crate::{Table, View};
use schema::columns;

/// See the module.
pub const TABLE: Table = Table {
    parameters: parameters! {
        /// Hot from this many times the expectation on. Raising it finds only the hottest.
        hot_ratio: Ratio = 2.0 ["0…"];
        /// Cold up to this share of the expectation. Raising it calls chance cold.
        cold_ratio: Ratio = 0.5 ["0–1"];
        /// Share of false ones that is allowed among hot and cold cells. Raising it lets more chance in.
        false_discovery: Ratio = 0.05 ["0–1"];
    },
    columns: columns! {
        /// The first four digits of its infohashes.
        cell: Text ["4 hex digits"];
        /// The same as a number.
        number: I64 ["0–65,535"];
        /// Distinct infohashes.
        hashes: I64 ["infohashes"];
        /// Distinct operators that asked for one or announced it.
        operators: I64 ["operators"];
        /// get_peers and announce_peer queries.
        events: I64 ["events"];
        /// Infohashes that the exposure of the cell lets expect.
        expected: F64 ["infohashes"];
        /// As many expected in the block of 32 cells to which it belongs, those without a row included.
        block_expected: F64 ["infohashes"];
        /// Infohashes as a multiple of those expected in the cell; null where nothing is expected.
        ratio: F64 null ["0…"];
        /// What the rules say; null for most cells.
        zone: Text null ["hot, cold"];
        /// The ratio in steps.
        level: I64 ["0–4"];
        /// Infohashes over which the test is.
        n: I64 ["infohashes"];
        /// Chance of so many, or so few.
        p_value: F64 null ["0–1"];
        /// The same with all cells in view (Benjamini–Hochberg).
        q_value: F64 null ["0–1"];
        /// Cells tested.
        tests: I64 ["cells"];
        /// Whether the cell is a zone.
        significant: Bool ["–"];
        /// Always null: nothing explains a cell.
        explained_by: Text null ["–"];
        /// When this row was computed.
        computed_at: Timestamp ["µs, UTC"];
    },
    views: &[View {
        flag: "heatmap",
        help: "Map of the keyspace: where more, or fewer, infohashes are asked for than expected",
        argument: None,
        sql: include_str!("report.sql"),
    }],
    ..folder!()
};
