//! `captured.day_summaries`: what remains of a day when its events are gone.

use crate::{Table, columns};

/// One row per sensor and day.
pub const TABLE: Table = Table {
    name: "day_summaries",
    doc: "One row per sensor and day, written once 24 sealed hours lie behind the day, and always before \
          any of its events is deleted. It stays for ever. Its numbers are counted while the events are \
          sealed; they are null when the counts were lost with the spool folder. What is sealed later \
          still, because the clock was set back by more than a day, is not in them. The two numbers of \
          distinct values are exact below 16,384; from there on they are estimates with a standard error \
          of 0.8 %.",
    time: "day",
    columns: columns! {
        /// Start of the day.
        day: Timestamp ["µs, UTC"];
        /// Rows of `captured.events`.
        events: I64 null ["events"];
        /// Events with the method ping.
        ping: I64 null ["events"];
        /// Events with the method find_node.
        find_node: I64 null ["events"];
        /// Events with the method get_peers.
        get_peers: I64 null ["events"];
        /// Events with the method announce_peer.
        announce_peer: I64 null ["events"];
        /// Events with the method get.
        get: I64 null ["events"];
        /// Events with the method put.
        put: I64 null ["events"];
        /// Events with the method sample_infohashes.
        sample_infohashes: I64 null ["events"];
        /// Events with any other method.
        other: I64 null ["events"];
        /// Events without a method: datagrams that are no query.
        garbage: I64 null ["events"];
        /// Datagrams that are counted in `captured.floods`.
        floods: I64 null ["datagrams"];
        /// Distinct infohashes of events.
        infohashes: I64 null ["infohashes"];
        /// Distinct source addresses of events.
        addresses: I64 null ["addresses"];
        /// Time of the first event; null when there is none.
        first_ts: Timestamp null ["µs, UTC"];
        /// Time of the last event; null when there is none.
        last_ts: Timestamp null ["µs, UTC"];
        /// Country of most events, of several the first in the alphabet; null without a geo file.
        top_country: Text null ["ISO 3166-1 alpha-2"];
        /// Datagrams dropped by the kernel, as `captured.system_metrics` has them; null without it.
        kernel_drops: I64 null ["datagrams"];
        /// Events lost because the writer could not keep up; from the same source.
        queue_drops: I64 null ["events"];
        /// Events lost because they could not be written; from the same source.
        storage_drops: I64 null ["events"];
        /// Name of the host.
        sensor: Text ["–"];
    },
};
