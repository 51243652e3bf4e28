//! `bursts(start, end, asks, window, context, since, until) → STRUCT(asks, stretches, p_value, open_stretches,
//! open_p_value)`: how suddenly a group was asked for.
//!
//! A row is a lookup: from when to when, and how often it asked, 1 or more; several asks are taken to be evenly
//! spread. The others are constants. No ask comes at or after `until`.
//!
//! Interest rises and falls by the hour, and infohashes come into view and leave it when a presence changes its id:
//! a window is held against `context` before it, and against `context` after it. Under the null the asks within
//! each fall independently and evenly; the p-value of a window is the larger of those that
//! [`scan_test`](super::scan_test) gives to both, so that interest that sets in or breaks off is no burst. Time is
//! divided into stretches of length `context`, and once more with borders half a stretch later; the fullest window
//! of each stretch with two asks or more is tested. The least p-value of a group times the number of its stretches,
//! 1 at most, is the p-value of the group (Bonferroni).
//!
//! What is held against a stretch ends at most `context` after it. So a part of the data, `since` to `until`, that
//! also reads three times `context` before its beginning can settle the stretches whose surroundings end in it:
//! `stretches` is their number, `p_value` the least of their p-values, null when there is none. `open_stretches` and
//! `open_p_value` are those of stretches that reach beyond `until`, as far as is known; they are settled by the next
//! part, and only count where there is none. `asks` counts the asks from `since` on.

use super::scan_test;
use super::timestamps::{FoldAll, constant_micros, over_rows, timestamp_type};
use datafusion::arrow::array::{ArrayRef, Float64Array, Int64Array, StructArray};
use datafusion::arrow::datatypes::{DataType, Field, Fields, TimeUnit};
use datafusion::error::Result;
use datafusion::logical_expr::AggregateUDF;
use datafusion::logical_expr::function::AccumulatorArgs;
use std::ops::Range;
use std::sync::Arc;

/// Asks of one lookup that are looked at: more would add nothing to what these say.
const MOST_ASKS: i64 = 4096;

pub(super) fn function() -> AggregateUDF {
    let row = [timestamp_type(), timestamp_type(), DataType::Int64];
    let duration = DataType::Duration(TimeUnit::Microsecond);
    let constants = vec![duration.clone(), duration, timestamp_type(), timestamp_type()];
    over_rows("bursts", row, constants, DataType::Struct(fields()), Bursts::new)
}

fn fields() -> Fields {
    Fields::from(vec![
        Field::new("asks", DataType::Int64, false),
        Field::new("stretches", DataType::Int64, false),
        Field::new("p_value", DataType::Float64, true),
        Field::new("open_stretches", DataType::Int64, false),
        Field::new("open_p_value", DataType::Float64, true),
    ])
}

#[derive(Debug)]
struct Bursts {
    window: i64,
    context: i64,
    since: i64,
    until: i64,
}

/// Stretches that were tested.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Tested {
    stretches: i64,
    /// The least of their p-values.
    p_value: Option<f64>,
}

impl Tested {
    fn add(&mut self, p_value: f64) {
        self.stretches += 1;
        self.p_value = Some(self.p_value.map_or(p_value, |least| least.min(p_value)));
    }
}

/// What is known of one group.
#[derive(Debug)]
struct Found {
    asks: i64,
    settled: Tested,
    open: Tested,
}

impl Bursts {
    fn new(args: &AccumulatorArgs) -> Result<Self> {
        Ok(Self {
            window: constant_micros(args, 3)?,
            context: constant_micros(args, 4)?.max(2),
            since: constant_micros(args, 5)?,
            until: constant_micros(args, 6)?,
        })
    }

    /// First and last of the asks in the fullest window that begins among `range`, by index.
    fn fullest(&self, moments: &[i64], range: Range<usize>) -> (usize, usize) {
        let mut fullest = (range.start, range.start);
        let mut last = range.start;
        for first in range.clone() {
            last = last.max(first);
            while last + 1 < range.end && moments[last + 1] - moments[first] <= self.window {
                last += 1;
            }
            if last - first > fullest.1 - fullest.0 {
                fullest = (first, last);
            }
        }
        fullest
    }

    /// The p-value of the fullest window that begins among `range`.
    fn p_value(&self, moments: &[i64], range: Range<usize>) -> f64 {
        let share = self.window as f64 / self.context as f64;
        let (first, last) = self.fullest(moments, range);
        let (opens, most) = (moments[first], (last - first + 1) as u64);
        let closes = opens + self.window;
        let count = |from: i64, to: i64| {
            let from = moments.partition_point(|moment| *moment < from);
            (moments.partition_point(|moment| *moment <= to) - from) as u64
        };
        let before = scan_test::p_value(most, count(closes - self.context, closes).max(most), share);
        let after = scan_test::p_value(most, count(opens, opens + self.context).max(most), share);
        before.max(after)
    }

    /// What the moments of asks, in ascending order, say.
    fn find(&self, moments: &[i64]) -> Found {
        let (mut settled, mut open) = (Tested::default(), Tested::default());
        for shift in [0, self.context / 2] {
            let stretch = |moment: i64| (moment + shift).div_euclid(self.context);
            let mut start = 0;
            for part in moments.chunk_by(|a, b| stretch(*a) == stretch(*b)) {
                let range = start..start + part.len();
                start = range.end;
                let surroundings_end = (stretch(part[0]) + 2) * self.context - shift;
                if part.len() < 2 || surroundings_end <= self.since {
                    continue;
                }
                let tested = if surroundings_end <= self.until { &mut settled } else { &mut open };
                tested.add(self.p_value(moments, range));
            }
        }
        let before = moments.partition_point(|moment| *moment < self.since);
        Found { asks: (moments.len() - before) as i64, settled, open }
    }

    fn structs<'a>(&self, groups: impl Iterator<Item = &'a [i64]>) -> StructArray {
        let found: Vec<Found> = groups.map(|numbers| self.find(&moments(numbers.as_chunks().0))).collect();
        let counts = |count: fn(&Found) -> i64| -> ArrayRef {
            Arc::new(Int64Array::from_iter_values(found.iter().map(count)))
        };
        let p_values = |p_value: fn(&Found) -> Option<f64>| -> ArrayRef {
            Arc::new(Float64Array::from_iter(found.iter().map(p_value)))
        };
        let columns = vec![
            counts(|found| found.asks),
            counts(|found| found.settled.stretches),
            p_values(|found| found.settled.p_value),
            counts(|found| found.open.stretches),
            p_values(|found| found.open.p_value),
        ];
        StructArray::new(fields(), columns, None)
    }
}

/// The moments of asks.
fn moments(rows: &[[i64; 3]]) -> Vec<i64> {
    let mut moments = Vec::with_capacity(rows.len());
    for &[start, end, asks] in rows {
        let asks = asks.clamp(1, MOST_ASKS);
        let step = (end - start) / (asks - 1).max(1);
        moments.extend((0..asks).map(|ask| start + ask * step));
    }
    moments.sort_unstable();
    moments
}

impl FoldAll for Bursts {
    fn fold_all<'a>(&self, groups: impl Iterator<Item = &'a [i64]>) -> Result<ArrayRef> {
        Ok(Arc::new(self.structs(groups)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000_000;

    fn part(since: i64, until: i64, moments: &[i64]) -> Found {
        Bursts { window: 5 * MINUTE, context: 60 * MINUTE, since, until }.find(moments)
    }

    /// Of all moments, in one part.
    fn p_value(moments: &[i64]) -> Option<f64> {
        let found = part(i64::MIN, i64::MAX, moments);
        assert_eq!((found.asks, found.open), (moments.len() as i64, Tested::default()));
        found.settled.p_value.map(|least| (least * found.settled.stretches as f64).min(1.0))
    }

    /// As many asks, so many seconds apart.
    fn asks(from: i64, count: i64, seconds: i64) -> Vec<i64> {
        (0..count).map(|n| from + n * seconds * 1_000_000).collect()
    }

    #[test]
    fn many_asks_at_once_are_no_chance_and_as_many_over_an_evening_are() {
        assert!(p_value(&asks(58 * MINUTE, 20, 10)).expect("a p-value") < 1e-18);
        assert!(p_value(&asks(0, 20, 720)).expect("a p-value") > 0.9);
        assert_eq!(p_value(&[0, 200 * MINUTE]), None);
        assert_eq!(p_value(&[]), None);
    }

    #[test]
    fn what_sets_in_or_breaks_off_is_no_burst() {
        // An infohash comes into view in the last minutes of a stretch, and leaves it as suddenly.
        assert!(p_value(&asks(50 * MINUTE, 400, 15)).expect("a p-value") > 0.5);
        let mut within = asks(0, 200, 60);
        within.extend(asks(90 * MINUTE, 30, 10));
        within.sort_unstable();
        assert!(p_value(&within).expect("a p-value") < 1e-6);
    }

    #[test]
    fn parts_that_look_back_settle_what_the_whole_does() {
        const DAY: i64 = 1440 * MINUTE;
        let scattered = |n: i64, width: i64| n.wrapping_mul(0x5851_F42D_4C95_7F2D).rem_euclid(width);
        for count in [3, 20, 200, 2000] {
            // Over two days, and more often around midnight.
            let anywhere = (0..count).map(|n| scattered(n, 2 * DAY));
            let late = (0..count).map(|n| DAY - 200 * MINUTE + scattered(n, 400 * MINUTE));
            let mut whole: Vec<i64> = anywhere.chain(late).collect();
            whole.sort_unstable();
            let wanted = part(0, 2 * DAY, &whole);
            let (early, late): (Vec<i64>, Vec<i64>) = whole.iter().partition(|moment| **moment < DAY);
            let memory = early.iter().filter(|moment| **moment >= DAY - 180 * MINUTE);
            let (early, late) =
                (part(0, DAY, &early), part(DAY, 2 * DAY, &memory.chain(&late).copied().collect::<Vec<_>>()));
            assert_eq!(early.asks + late.asks, wanted.asks);
            assert_eq!(early.settled.stretches + late.settled.stretches, wanted.settled.stretches);
            let least = [early.settled.p_value, late.settled.p_value].into_iter().flatten().reduce(f64::min);
            assert_eq!(least, wanted.settled.p_value);
            assert_eq!(late.open, wanted.open);
            assert!(count < 100 || early.open.stretches > 0, "nothing is open at midnight");
        }
    }

    #[test]
    fn asks_are_spread_over_their_lookup() {
        assert_eq!(moments(&[[0, 90, 4], [5, 5, 1]]), [0, 5, 30, 60, 90]);
        assert_eq!(moments(&[[0, 90, i64::MAX]]).len(), MOST_ASKS as usize);
    }
}
