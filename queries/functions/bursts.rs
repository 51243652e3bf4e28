//! `bursts(start, end, asks, window, context) → STRUCT(n, most, p_value)`: how suddenly a group was asked for.
//!
//! A row is a lookup: from when to when, and how often it asked, 1 or more; several asks are taken to be evenly
//! spread. `n` counts the asks of the group, `most` those of the fullest `window` (both ends included), and
//! `p_value` says how likely chance makes a window that full. `window` and `context` are constants.
//!
//! Interest rises and falls by the hour, and infohashes come into view and leave it when a presence changes its id:
//! a window is held against `context` before it, and against `context` after it. Under the null the asks within
//! each fall independently and evenly; the p-value of a window is the larger of those that
//! [`scan_test`](super::scan_test) gives to both, so that interest that sets in or breaks off is no burst. Time is
//! divided into stretches of length `context`, and once more with borders half a stretch later; the fullest window
//! of each is tested, and the least p-value times the number of stretches with two asks or more is that of the
//! group (Bonferroni). It lies in 0–1, and is null where there is no such stretch.

use super::scan_test;
use super::timestamps::{Fold, constant_micros, over_rows, timestamp_type};
use datafusion::arrow::array::{ArrayRef, Float64Array, Int64Array, StructArray};
use datafusion::arrow::datatypes::{DataType, Field, Fields, TimeUnit};
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::logical_expr::AggregateUDF;
use datafusion::logical_expr::function::AccumulatorArgs;
use std::ops::Range;
use std::sync::Arc;

/// Asks of one lookup that are looked at: more would add nothing to what these say.
const MOST_ASKS: i64 = 4096;

pub(super) fn function() -> AggregateUDF {
    let row = [timestamp_type(), timestamp_type(), DataType::Int64];
    let constants = vec![DataType::Duration(TimeUnit::Microsecond); 2];
    over_rows("bursts", row, constants, DataType::Struct(fields()), Bursts::new)
}

fn fields() -> Fields {
    Fields::from(vec![
        Field::new("n", DataType::Int64, false),
        Field::new("most", DataType::Int64, false),
        Field::new("p_value", DataType::Float64, true),
    ])
}

#[derive(Debug)]
struct Bursts {
    window: i64,
    context: i64,
}

impl Bursts {
    fn new(args: &AccumulatorArgs) -> Result<Self> {
        Ok(Self { window: constant_micros(args, 3)?, context: constant_micros(args, 4)?.max(2) })
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

    fn p_value(&self, moments: &[i64]) -> Option<f64> {
        let share = self.window as f64 / self.context as f64;
        let (mut least, mut stretches) = (1.0_f64, 0.0);
        for shift in [0, self.context / 2] {
            let stretch = |moment: i64| (moment + shift).div_euclid(self.context);
            let mut start = 0;
            for part in moments.chunk_by(|a, b| stretch(*a) == stretch(*b)) {
                let range = start..start + part.len();
                start = range.end;
                if part.len() < 2 {
                    continue;
                }
                stretches += 1.0;
                let (first, last) = self.fullest(moments, range);
                let (opens, most) = (moments[first], (last - first + 1) as u64);
                let closes = opens + self.window;
                let count = |from: i64, to: i64| {
                    let from = moments.partition_point(|moment| *moment < from);
                    (moments.partition_point(|moment| *moment <= to) - from) as u64
                };
                let before = scan_test::p_value(most, count(closes - self.context, closes).max(most), share);
                let after = scan_test::p_value(most, count(opens, opens + self.context).max(most), share);
                least = least.min(before.max(after));
            }
        }
        (stretches > 0.0).then(|| (least * stretches).min(1.0))
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

impl Fold for Bursts {
    fn fold(&self, numbers: &[i64]) -> ScalarValue {
        let moments = moments(numbers.as_chunks().0);
        let (first, last) = self.fullest(&moments, 0..moments.len());
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from(vec![moments.len() as i64])),
            Arc::new(Int64Array::from(vec![(last - first + moments.len().min(1)) as i64])),
            Arc::new(Float64Array::from(vec![self.p_value(&moments)])),
        ];
        ScalarValue::Struct(Arc::new(StructArray::new(fields(), columns, None)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000_000;

    fn p_value(moments: &[i64]) -> Option<f64> {
        Bursts { window: 5 * MINUTE, context: 60 * MINUTE }.p_value(moments)
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
    fn asks_are_spread_over_their_lookup() {
        assert_eq!(moments(&[[0, 90, 4], [5, 5, 1]]), [0, 5, 30, 60, 90]);
        assert_eq!(moments(&[[0, 90, i64::MAX]]).len(), MOST_ASKS as usize);
    }
}
