//! `captured.system_metrics`: how the host and the daemon were doing.

use crate::{Table, columns};

/// One row per minute and sensor.
pub const TABLE: Table = Table {
    name: "system_metrics",
    doc: "One row a minute (setting `metrics-interval`). Percentages and disk space are about the \
          host, which other programs may share; everything else is about the daemon. Bytes and drops are \
          those since the row before, or since the start, so they add up over any stretch of rows: when \
          a row could not be written, the next one has its counts.",
    time: "ts",
    columns: columns! {
        /// End of the time that the row is about.
        ts: Timestamp ["µs, UTC"];
        /// Processor time in use on the host, by all programs on all cores.
        cpu_percent: F64 ["0–100 %"];
        /// Memory in use on the host, by all programs; caches that can be given up are not in use.
        memory_percent: F64 ["0–100 %"];
        /// Resident memory of the daemon; null when it cannot be read.
        memory_mb: F64 null ["10⁶ bytes"];
        /// Space in use on the file system that holds the dataset; null when it cannot be read.
        disk_usage_percent: F64 null ["0–100 %"];
        /// Space on that file system that the daemon may still use; null when it cannot be read.
        disk_free_gb: F64 null ["10⁹ bytes"];
        /// UDP payload that the daemon gave to the kernel to send.
        network_bytes_sent: I64 ["bytes"];
        /// UDP payload that the daemon received.
        network_bytes_recv: I64 ["bytes"];
        /// Files and sockets that the daemon has open; null when they cannot be counted.
        open_files: U32 null ["files"];
        /// Threads of the daemon; null when they cannot be counted.
        threads: U32 null ["threads"];
        /// Remote nodes in the routing tables of all presences: UDP knows no other connections.
        active_connections: U32 ["nodes"];
        /// Events received that were neither spooled nor lost yet.
        queue_size: U32 ["events"];
        /// Events received, on average over the time that the row is about.
        events_per_second: F64 ["1/s"];
        /// Datagrams that the kernel dropped because a receive buffer was full.
        kernel_drops: I64 ["datagrams"];
        /// Events lost because the writer could not keep up.
        queue_drops: I64 ["events"];
        /// Events lost because they could not be written to the disk.
        storage_drops: I64 ["events"];
        /// Name of the host.
        sensor: Text ["–"];
    },
};
