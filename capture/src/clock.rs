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

/// Time as it passes: the wall clock, but where that is set back, this one goes on.
///
/// Whatever waits, expires or is paid off is measured with it; a wall clock that is set back by a day
/// would hold all of it up for a day. One that is set ahead ends waits early, which costs a query each.
#[derive(Clone, Copy, Debug)]
pub struct Steady {
    wall: Micros,
    set_back: Micros,
}

impl Steady {
    /// Agrees with the wall clock, which says `wall`.
    #[must_use]
    pub fn new(wall: Micros) -> Self {
        Self { wall, set_back: 0 }
    }

    /// The time when the wall clock says `wall`: never less than it was before.
    pub fn advance(&mut self, wall: Micros) -> Micros {
        self.set_back += (self.wall - wall).max(0);
        self.wall = wall;
        self.now()
    }

    /// The time of the last call of [`Steady::advance`].
    #[must_use]
    pub fn now(&self) -> Micros {
        self.wall + self.set_back
    }
}

/// The system's wall clock.
#[must_use]
pub fn now() -> Micros {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |elapsed| Micros::try_from(elapsed.as_micros()).unwrap_or(Micros::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steady_time_goes_on_where_the_wall_clock_is_set_back() {
        let mut steady = Steady::new(HOUR);
        let walls = [HOUR + SECOND, MINUTE, 2 * MINUTE, 0, HOUR];
        let times = walls.map(|wall| steady.advance(wall) - HOUR);
        assert_eq!(times, [SECOND, SECOND, MINUTE + SECOND, MINUTE + SECOND, HOUR + MINUTE + SECOND]);
    }
}
