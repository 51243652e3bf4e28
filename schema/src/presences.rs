//! `captured.presences`: which node id stood where, and when.

use crate::{Table, columns};

/// One row per presence, node id and sealed stretch of an hour.
pub const TABLE: Table = Table {
    name: "presences",
    doc: "One row per presence and sealed hour (two or more where its id changed or the daemon \
          restarted): the node id it answered with, clipped to that hour. How visible a hash is to \
          the observatory follows from the presences that were near it.",
    time: "valid_from",
    columns: columns! {
        /// Name of the host.
        sensor: Text ["–"];
        /// Number of the presence.
        source_node: U16 ["0…"];
        /// Node id that it answered with.
        node_id: Id ["20 bytes"];
        /// Local address that it was bound to.
        local_ip: Address ["16 bytes"];
        /// Local port that it was bound to.
        local_port: Port ["1–65535"];
        /// Start of the stretch, inclusive.
        valid_from: Timestamp ["µs, UTC"];
        /// End of the stretch, exclusive.
        valid_to: Timestamp ["µs, UTC"];
    },
};
