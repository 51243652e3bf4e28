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
//! A cell is `hot` with at least `hot_hashes` infohashes and `hot_ratio` times as many as expected, and
//! `cold` with at most `cold_ratio` times as many, where at least `cold_expected` are. `level` is the
//! ratio in five steps: up to `cold_ratio`, below 1, from 1, from √`hot_ratio`, from `hot_ratio`.
//!
//! # Why it is evidence
//! Infohashes fall evenly over the keyspace. Where many more are asked for, somebody searches there.
//!
//! # Benign look-alikes
//! Chance: with few infohashes a cell, twice the expectation is common, which is why `hot_hashes` is asked
//! for. Where we stood on one day only, the mean of a class is that of few cells.
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
        /// Infohashes of a hot cell. Where one is expected, ten come by chance to one cell in
        /// ten million. Raising it finds only the hottest.
        hot_hashes: Count = 10 ["infohashes"];
        /// Hot from this many times the expectation on. Raising it finds only the hottest.
        hot_ratio: Ratio = 2.0 ["0…"];
        /// Infohashes that must be expected of a cold cell. With fewer, few or none are no surprise.
        /// Raising it finds only what must be seen.
        cold_expected: Ratio = 10.0 ["infohashes"];
        /// Cold up to this share of the expectation. Raising it calls chance cold.
        cold_ratio: Ratio = 0.5 ["0–1"];
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
        /// Infohashes over which a test would be.
        n: I64 ["infohashes"];
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
