//! One row per operator with enough infohashes: how evenly they are spread over the keyspace, beside what
//! chance and exposure let expect.
//!
//! # What it measures
//! The distinct infohashes of an operator over all days held, by their first 8 bits, from `fine_hashes` on
//! by their first 12. `entropy` is Shannon's, in bits, with the correction of Miller and Madow.
//! `expected_entropy` is what as many infohashes show on average that are drawn at random from everything
//! that anybody asked for: small samples show less, and our presences do not see every prefix
//! equally well. `coincidences` is the number of pairs with the same prefix; among few infohashes it tells
//! more than the entropy. The expected number is n(n−1)/2 times the chance that two of the background agree.
//!
//! `shape` is `concentrated` when the entropy is at most `concentrated_ratio` times what is expected, and
//! `too_even` when the coincidences are at most `even_ratio` times as many as expected, where at least
//! `min_expected` are. Otherwise it is `as_expected`.
//!
//! # Null
//! The infohashes of an operator are a random choice of what anybody asks for. To be free of how well our
//! presences see which part of the keyspace, it is divided into cells in each of which operators with fewer
//! than `min_hashes` infohashes, who are not tested themselves, have as many, `cell_hashes` or more. `p_value` is
//! the two-sided chance that so many infohashes occupy so few of as many cells, or so many. An operator with
//! more infohashes than there are cells is tested on as many of them as there are cells. Nobody is tested when
//! the reference has fewer than `min_reference` infohashes.
//! The q-value is over all operators that nothing explains; a shape other than `as_expected` is significant
//! up to `false_discovery`. (Coincidences alone are no Poisson variable: three of a kind are three pairs, and
//! where one in a thousand is left, their tail is 2.4 times as heavy.)
//!
//! # Why it is evidence
//! Interests are spread like hashes: at random. Who works through a region of the keyspace concentrates
//! on it; who takes one infohash from every region, or counts through the keyspace, is more even than
//! chance ever is.
//!
//! # Benign look-alikes
//! * libtorrent keeps its routing table fresh with get_peers for targets near its own id. What only one
//!   operator asked for on a day, sharing 8 bits with its id, is left out as upkeep, and counted in
//!   `upkeep_hashes`. Refreshes of far buckets share fewer bits and stay in: `explained_by =
//!   'bucket_refresh'` when an operator is `concentrated` and the upkeep is `upkeep_ratio` times what chance
//!   gives, one infohash in 256. Below 256/`upkeep_ratio` infohashes one is enough, and explains a
//!   scanner of 36 infohashes by chance in 13 of 100 cases.
//! * A client asks those of our presences that are in its routing table, each for the infohashes of one
//!   part of the keyspace: an operator that knows few presences looks `concentrated`, whatever it is after.
//!
//! # Limits
//! Which presences an operator knows is not known, so the background is that of all operators
//! together. An order in time is not looked at: see `sweep_events`. Pairs leave with the raw events.
//!
//! # References
//! N. L. Johnson, S. Kotz, “Urn Models and Their Application”, 1977: occupancy.
//! G. A. Miller, “Note on the bias of information estimates”, in: Information Theory in Psychology, 1955.

use crate::parameter::parameters;
use crate::table::folder;
use crate::{Retention, Table, View};
use schema::columns;

/// See the module.
pub const TABLE: Table = Table {
    retention: Retention::Subjects(&["operator"]),
    parameters: parameters! {
        /// Infohashes that an operator needs. Fewer show nothing about a distribution over 256
        /// prefixes. Raising it leaves only crawlers and large clients.
        min_hashes: Count = 32 ["infohashes"];
        /// Infohashes from which on prefixes have 12 bits: one for each of them. Raising it keeps the
        /// view of large scans coarse.
        fine_hashes: Count = 4096 ["infohashes"];
        /// `concentrated` up to this share of the expected entropy. Raising it labels operators whose
        /// lookups reach few of our presences.
        concentrated_ratio: Ratio = 0.9 ["0–1"];
        /// `too_even` up to this share of the expected coincidences. Raising it labels chance.
        even_ratio: Ratio = 0.5 ["0–1"];
        /// Expected coincidences that `too_even` needs. Half of 16 or fewer come by chance to one
        /// operator in 46; raising it asks for more infohashes and makes chance rarer.
        min_expected: Ratio = 16.0 ["pairs"];
        /// Infohashes that the reference needs. Fewer leave cells too wide to tell anything. Raising it tests
        /// nobody in small datasets.
        min_reference: Count = 1024 ["infohashes"];
        /// Infohashes of the reference in a cell. Fewer make cells whose true sizes differ too much; raising it
        /// makes fewer cells, and tests operators on fewer of their infohashes.
        cell_hashes: Ratio = 32.0 ["infohashes"];
        /// Share of false ones that is allowed among significant shapes. Raising it lets more chance in.
        false_discovery: Ratio = 0.05 ["0–1"];
        /// Upkeep, as a multiple of what chance gives, that explains a concentration. Raising it leaves
        /// clients unexplained that refresh far buckets.
        upkeep_ratio: Ratio = 4.0 ["0…"];
    },
    columns: columns! {
        /// IPv4 address or IPv6 /64.
        operator: Text ["address"];
        /// Autonomous system of the operator.
        asn: U32 null ["AS number"];
        /// Country of the operator.
        country: Text null ["ISO 3166-1 alpha-2"];
        /// Distinct infohashes asked for or announced.
        unique_hashes: I64 ["infohashes"];
        /// Infohashes left out on some day: near the own id, and asked for by nobody else.
        upkeep_hashes: I64 ["infohashes"];
        /// Length of the prefixes that are counted.
        prefix_bits: I64 ["8, 12"];
        /// Distinct prefixes among them.
        distinct_prefixes: I64 ["prefixes"];
        /// Shannon entropy of the prefixes, corrected.
        entropy: F64 ["bits"];
        /// What as many infohashes of the background show on average.
        expected_entropy: F64 ["bits"];
        /// The one as a share of the other.
        entropy_ratio: F64 ["0…"];
        /// Pairs of infohashes with the same prefix.
        coincidences: I64 ["pairs"];
        /// As many as the background lets expect.
        expected_coincidences: F64 ["pairs"];
        /// What the rules say.
        shape: Text ["concentrated, too_even, as_expected"];
        /// First sight of an infohash.
        first_seen: Timestamp ["µs, UTC"];
        /// Last sight of one.
        last_seen: Timestamp ["µs, UTC"];
        /// Infohashes over which the test is; 0 without a reference.
        n: I64 ["infohashes"];
        /// Two-sided chance of such a spread; null when it is explained or cannot be tested.
        p_value: F64 null ["0–1"];
        /// The same with all tests in view (Benjamini–Hochberg).
        q_value: F64 null ["0–1"];
        /// Operators tested.
        tests: I64 ["operators"];
        /// Whether the shape is one that would survive chance.
        significant: Bool ["–"];
        /// The harmless reason that fits; null when none does.
        explained_by: Text null ["bucket_refresh"];
        /// When this row was computed.
        computed_at: Timestamp ["µs, UTC"];
    },
    views: &[View {
        flag: "prefix-entropy",
        help: "Operators whose infohashes are spread over the keyspace otherwise than by chance",
        argument: None,
        sql: include_str!("report.sql"),
    }],
    ..folder!()
};
