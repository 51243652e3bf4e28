//! `captured.floods`: queries of sources that sent too many to keep one by one.

use crate::{Table, columns};

/// One or more rows per source, minute and method.
pub const TABLE: Table = Table {
    name: "floods",
    doc: "One or more rows per source address, minute and method for what a source sends after it has used up \
          its events of the clock hour: `captured.events` has the first ones of the hour, in full, \
          and this table how many came after them. Rows of the same source, minute and method add up: \
          a sensor writes what it has counted at every sync, so that a kill loses no more than that.",
    time: "minute",
    columns: columns! {
        /// Start of the minute in which the datagrams were received.
        minute: Timestamp ["µs, UTC"];
        /// Source address of the datagrams; for IPv6 the /64 network, its last 8 bytes zero.
        peer_ip: Address ["16 bytes"];
        /// KRPC method, `other` for a name that is in no BEP; null when the datagrams have none.
        method: Text null ["–"];
        /// Number of datagrams.
        count: U32 ["datagrams"];
        /// Name of the host that captured them.
        sensor: Text ["–"];
    },
};
