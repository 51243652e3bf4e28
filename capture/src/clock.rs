//! The unit of time everywhere in this crate, and the only place that asks the system for it.
//!
//! Everything below the daemon takes the time as an argument, so that a simulation can compress it.

use std::time::{SystemTime, UNIX_EPOCH};

/// Microseconds since 1970-01-01 UTC: the unit of every timestamp and, as a difference, of every
/// duration.
pub type Micros = i64;

/// One second.
pub const SECOND: Micros = 1_000_000;
/// One minute.
pub const MINUTE: Micros = 60 * SECOND;
/// One hour.
pub const HOUR: Micros = 60 * MINUTE;

/// The system's wall clock.
#[must_use]
pub fn now() -> Micros {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |elapsed| Micros::try_from(elapsed.as_micros()).unwrap_or(Micros::MAX))
}
