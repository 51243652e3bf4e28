//! `keyspace_walks(ts, target, announces, near_own_id, idle, window, min_hashes, since, until) → LIST<STRUCT>`:
//! the stretches in which a group moves through the keyspace in one direction, never by more than four
//! prefixes at once, see [`super::sights`].
//!
//! A walk may be longer than `window`. So that days that are computed apart agree, one that began more
//! than `window` before midnight and goes on is cut there.

use super::sights::{Limits, Piece, STEP, Sight, over_movement};
use datafusion::logical_expr::AggregateUDF;
use schema::partition::DAY;

pub(super) fn function() -> AggregateUDF {
    over_movement("keyspace_walks", by_direction)
}

fn by_direction(limits: &Limits, sights: &[Sight]) -> Vec<Piece> {
    let mut walks = Vec::new();
    let mut start = 0;
    let mut direction = 0;
    for (n, sight) in sights.iter().enumerate() {
        let next = sights.get(n + 1);
        let goes_on_until = next.map_or(sight.ts + limits.idle, |next| next.ts);
        let midnight = (sight.ts.div_euclid(DAY) + 1) * DAY;
        let is_cut = goes_on_until >= midnight && midnight - sights[start].ts > limits.window;
        let step = next.map(|next| next.prefix() - sight.prefix());
        let is_walk = step.is_some_and(|step| step.abs() <= STEP && step.signum() * direction >= 0);
        if is_walk && !is_cut {
            direction = if direction == 0 { step.unwrap_or(0).signum() } else { direction };
            continue;
        }
        let closes = if is_cut { midnight - 1 } else { goes_on_until };
        walks.push(Piece { range: start..n + 1, closes });
        (start, direction) = (n + 1, 0);
    }
    walks
}

#[cfg(test)]
mod tests {
    use super::super::sights::stretches;
    use super::super::sights::tests::{limits, sight};
    use super::*;

    const HOUR: i64 = 3600;
    const DAY: i64 = 24 * HOUR;

    /// First prefix and infohashes of what the day `[since, until)` finds, if it sees `memory` seconds
    /// of the time before.
    fn found(sights: &[Sight], since: i64, until: i64) -> Vec<(i32, i64)> {
        let memory = 6 * HOUR;
        let seen = sights.iter().filter(|sight| (since - memory..until).contains(&(sight.ts / 1_000_000)));
        let mut seen: Vec<_> = seen.copied().collect();
        let stretches = stretches(&limits(1, since, until), by_direction, &mut seen);
        stretches.iter().map(|stretch| (stretch.first_prefix, stretch.hashes)).collect()
    }

    fn walks(prefixes: &[u16]) -> Vec<(i32, i64)> {
        let sights: Vec<_> =
            prefixes.iter().enumerate().map(|(n, &prefix)| sight(n as i64 * 60, prefix)).collect();
        found(&sights, 0, DAY)
    }

    #[test]
    fn a_turn_and_a_leap_end_a_walk() {
        assert_eq!(walks(&[1, 1, 5, 6, 6, 4, 3]), [(1, 5), (4, 2)]);
        assert_eq!(walks(&[1, 2, 7, 8]), [(1, 2), (7, 2)]);
        assert_eq!(walks(&[9, 9, 5, 1, 1]), [(9, 5)]);
    }

    #[test]
    fn a_short_walk_across_midnight_is_whole_and_belongs_to_the_second_day() {
        let sights: Vec<_> = (0..8).map(|n| sight(DAY - 1800 + n * 450, 1)).collect();
        assert_eq!(found(&sights, 0, DAY), []);
        assert_eq!(found(&sights, DAY, 2 * DAY), [(1, 8)]);
    }

    #[test]
    fn a_long_walk_is_cut_at_midnight_and_nothing_is_lost() {
        for first in [7, HOUR, 20 * HOUR, 22 * HOUR - 1, 22 * HOUR, 22 * HOUR + 1] {
            let sights: Vec<_> = (0..300).map(|n| sight(first + n * 599, n as u16)).collect();
            let days: Vec<_> = (0..5).flat_map(|day| found(&sights, day * DAY, (day + 1) * DAY)).collect();
            assert_eq!(days.iter().map(|(_, hashes)| hashes).sum::<i64>(), 300, "from {first}");
            let mut at_once = stretches(&limits(1, 0, 5 * DAY), by_direction, &mut sights.clone());
            at_once.sort_by_key(|stretch| stretch.first_seen);
            let at_once: Vec<_> =
                at_once.iter().map(|stretch| (stretch.first_prefix, stretch.hashes)).collect();
            assert_eq!(days, at_once, "from {first}");
        }
    }
}
