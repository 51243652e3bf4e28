//! One row per operator and day: how much it asked, of what kind, how widely and how suddenly.
//!
//! # What it measures
//! All queries of one operator on one day, whatever their method, and what they say about its manner:
//! in how many hours of the day it was active, how many presences it reached, at its most within one
//! clock hour, how many node ids it showed at once, and how many infohashes it was interested in.
//!
//! # Why it is evidence
//! A client knows few of our presences and asks about what it shares. Whoever reaches many presences
//! within an hour, or asks for hundreds of infohashes, is after the network as a whole.
//!
//! # Benign look-alikes
//! Address translators put many clients behind one address: they show several node ids within an
//! hour (`querier_ids`), and their numbers add up.
//!
//! # Limits
//! Raw counts include retransmissions. `unique_hashes`, `lookups` and `announces` leave out the
//! upkeep of routing tables, see `pair_days`. What a source sent
//! beyond its event limit is counted in `flood_events` and nowhere else. Datagrams whose method could
//! not be read take no part.
//!
//! The row names an address and no infohash; it stays when the raw events of the day are deleted.

use crate::parameter::parameters;
use crate::table::folder;
use crate::{Grain, Table};
use schema::columns;

/// See the module.
pub const TABLE: Table = Table {
    grain: Grain::Day { lookback: Some("burst_window") },
    parameters: parameters! {
        /// Length of the sliding window that looks for bursts, as in `hash_days`. Raising it finds
        /// slower rushes and dilutes quick ones.
        burst_window: Duration = 300 ["s"];
    },
    columns: columns! {
        /// IPv4 address or IPv6 /64.
        operator: Address ["16 bytes"];
        /// Queries recorded.
        raw_events: I64 ["events"];
        /// get_peers queries recorded.
        get_peers: I64 ["events"];
        /// announce_peer queries recorded.
        announce_peer: I64 ["events"];
        /// find_node queries recorded.
        find_node: I64 ["events"];
        /// ping queries recorded.
        ping: I64 ["events"];
        /// sample_infohashes queries recorded.
        sample_infohashes: I64 ["events"];
        /// Queries counted beyond the event limit and not recorded one by one.
        flood_events: I64 ["datagrams"];
        /// get_peers lookups that began on this day, upkeep left out.
        lookups: I64 ["lookups"];
        /// announce_peer lookups that began on this day.
        announces: I64 ["lookups"];
        /// Distinct infohashes asked for or announced, upkeep left out.
        unique_hashes: I64 ["infohashes"];
        /// Distinct infohashes that were asked for as upkeep of a routing table only.
        upkeep_hashes: I64 ["infohashes"];
        /// Clock hours of the day with a query.
        hours_active: I64 ["0–24 h"];
        /// Distinct presences that received a query.
        presences_hit: I64 ["presences"];
        /// Most presences that received a query within one clock hour.
        most_presences_in_hour: I64 ["presences"];
        /// The same as a share of the presences that were live in that hour, at its largest; null
        /// when `captured.presences` says nothing about those hours.
        most_presence_share: F64 null ["0–1"];
        /// Distinct presences that received a sample_infohashes query.
        sample_presences: I64 ["presences"];
        /// Most queries inside any `burst_window` that ends on this day.
        busiest_window: I64 ["events"];
        /// The same of events on this day alone, for where the day before is not counted; none where an older version
        /// computed the day.
        busiest_within_day: I64 null ["events"];
        /// Most distinct node ids shown within one clock hour. Three or more are a shared address.
        querier_ids: I64 ["ids"];
        /// Autonomous system of the operator.
        asn: U32 null ["AS number"];
        /// Name of the organisation behind that system.
        as_organization: Text null ["–"];
        /// Country of the operator.
        country: Text null ["ISO 3166-1 alpha-2"];
        /// First query.
        first_seen: Timestamp ["µs, UTC"];
        /// Last query.
        last_seen: Timestamp ["µs, UTC"];
    },
    ..folder!()
};
