//! `captured.gaps`: when the observatory was not looking.

use crate::{Table, columns};

/// One row per stretch of time in which a sensor recorded nothing.
pub const TABLE: Table = Table {
    name: "gaps",
    doc: "One row per stretch of time in which a sensor did not record: stopped, killed, or unable \
          to write. Silence inside a gap is no evidence.",
    time: "gap_start",
    columns: columns! {
        /// Name of the host.
        sensor: Text ["–"];
        /// Last moment that is known to be recorded.
        gap_start: Timestamp ["µs, UTC"];
        /// First moment that is recorded again.
        gap_end: Timestamp ["µs, UTC"];
        /// `stopped` (asked to), `killed` (found no goodbye at the next start), `storage` (could not write),
        /// `clock` (the clock was set ahead and not back within the hour, or the machine slept).
        reason: Text ["stopped, killed, storage, clock"];
    },
};
