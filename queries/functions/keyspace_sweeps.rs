//! `keyspace_sweeps(ts, target, announces, near_own_id, idle, window, min_hashes, since, until) → LIST<STRUCT>`:
//! how a group moves through the keyspace as long as it goes on without a pause, see [`super::sights`].
//!
//! What goes on for longer than `window` is cut where the clock reaches a multiple of it, so that days
//! that are computed apart agree on the cuts.

use super::sights::{Limits, Piece, Sight, over_movement};
use datafusion::logical_expr::AggregateUDF;

pub(super) fn function() -> AggregateUDF {
    over_movement("keyspace_sweeps", by_window)
}

fn by_window(limits: &Limits, sights: &[Sight]) -> Vec<Piece> {
    let Some((first, last)) = sights.first().zip(sights.last()) else { return vec![] };
    let falls_silent = last.ts + limits.idle;
    // Until then it might still have ended within the window.
    let Some(known_long) = sights.iter().find(|sight| sight.ts - first.ts > limits.window) else {
        return vec![Piece { range: 0..sights.len(), closes: falls_silent }];
    };
    let mut start = 0;
    let window_of = |sight: &Sight| sight.ts.div_euclid(limits.window);
    sights
        .chunk_by(|a, b| window_of(a) == window_of(b))
        .map(|piece| {
            let range = start..start + piece.len();
            start = range.end;
            let window_ends = (window_of(&piece[0]) + 1) * limits.window;
            let ends = if range.end == sights.len() { window_ends.min(falls_silent) } else { window_ends };
            Piece { range, closes: ends.max(known_long.ts) }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::sights::stretches;
    use super::super::sights::tests::{limits, sight};
    use super::*;

    const HOUR: i64 = 3600;
    const DAY: i64 = 24 * HOUR;

    /// Start, in seconds, and infohashes of what the day `[since, until)` finds, if it sees `memory`
    /// seconds of the time before.
    fn found(sights: &[Sight], since: i64, until: i64) -> Vec<(i64, i64)> {
        let memory = 6 * HOUR;
        let seen = sights.iter().filter(|sight| (since - memory..until).contains(&(sight.ts / 1_000_000)));
        let mut seen: Vec<_> = seen.copied().collect();
        let stretches = stretches(&limits(1, since, until), by_window, &mut seen);
        stretches.iter().map(|stretch| (stretch.first_seen / 1_000_000, stretch.hashes)).collect()
    }

    #[test]
    fn two_hours_are_one_sweep_and_more_is_cut_by_the_clock() {
        let hours: Vec<_> = (0..=12).map(|n| sight(HOUR + n * 600, 1)).collect();
        assert_eq!(found(&hours, 0, DAY), [(HOUR, 13)]);
        let mut more = hours;
        more.push(sight(HOUR + 13 * 600 - 1, 1));
        assert_eq!(found(&more, 0, DAY), [(HOUR, 6), (2 * HOUR, 8)]);
    }

    #[test]
    fn a_pause_longer_than_idle_ends_a_sweep() {
        let sights = [sight(0, 1), sight(600, 1), sight(1201, 1)];
        assert_eq!(found(&sights, 0, DAY), [(0, 2), (1201, 1)]);
    }

    #[test]
    fn what_goes_on_at_midnight_belongs_to_the_next_day_as_a_whole() {
        let sights: Vec<_> = (0..5).map(|n| sight(DAY - 900 + n * 450, 1)).collect();
        assert_eq!(found(&sights, 0, DAY), []);
        assert_eq!(found(&sights, DAY, 2 * DAY), [(DAY - 900, 5)]);
        assert_eq!(found(&sights[..2], DAY, 2 * DAY), [(DAY - 900, 2)]);
    }

    #[test]
    fn every_infohash_is_in_one_sweep_of_one_day_however_long_it_goes_on() {
        // Steps of 397 s for three days; then with pauses in different places.
        for pause in [0, 37, 100, 217, 218, 300] {
            let at = |n: i64| n * 397 + if pause > 0 { n / pause * 601 } else { 0 };
            let sights: Vec<_> = (0..3 * DAY / 397).map(|n| sight(at(n) + 11, 1)).collect();
            let mut days: Vec<_> =
                (0..5).flat_map(|day| found(&sights, day * DAY, (day + 1) * DAY)).collect();
            let counted: i64 = days.iter().map(|(_, hashes)| hashes).sum();
            assert_eq!(counted, sights.len() as i64, "a pause every {pause}");
            let mut at_once = stretches(&limits(1, 0, 5 * DAY), by_window, &mut sights.clone());
            at_once.sort_by_key(|stretch| stretch.first_seen);
            days.sort_unstable();
            let at_once: Vec<_> =
                at_once.iter().map(|stretch| (stretch.first_seen / 1_000_000, stretch.hashes)).collect();
            assert_eq!(days, at_once, "a pause every {pause}");
        }
    }
}
