//! `max_in_window(ts, window, since) → BIGINT`: the largest number of timestamps of a group inside
//! any stretch shorter than or equal to `window` that ends at or after `since`; 0 when there is none.
//!
//! `window` and `since` are constants. Because every stretch may be taken to end at one of the
//! timestamps, a part of the data that also reads `window` before its beginning finds exactly the
//! stretches that end in it, and the largest over all parts is the largest over the whole.

use super::timestamps::{Fold, constant_micros, over_time, timestamp_type};
use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::logical_expr::AggregateUDF;
use datafusion::logical_expr::function::AccumulatorArgs;

pub(super) fn function() -> AggregateUDF {
    let constants = vec![DataType::Duration(TimeUnit::Microsecond), timestamp_type()];
    over_time("max_in_window", constants, DataType::Int64, Busiest::new)
}

/// Slides a window over the timestamps.
#[derive(Debug)]
struct Busiest {
    window: i64,
    since: i64,
}

impl Busiest {
    fn new(args: &AccumulatorArgs) -> Result<Self> {
        Ok(Self { window: constant_micros(args, 1)?, since: constant_micros(args, 2)? })
    }
}

impl Fold for Busiest {
    fn fold(&self, timestamps: &[i64]) -> ScalarValue {
        let mut first = 0;
        let mut most = 0;
        for (last, &end) in timestamps.iter().enumerate() {
            while end - timestamps[first] > self.window {
                first += 1;
            }
            if end >= self.since {
                most = most.max(last - first + 1);
            }
        }
        ScalarValue::Int64(Some(most as i64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn busiest(window: i64, since: i64, timestamps: &[i64]) -> ScalarValue {
        Busiest { window, since }.fold(timestamps)
    }

    #[test]
    fn counts_both_ends_of_the_window() {
        assert_eq!(busiest(10, 0, &[0, 5, 10, 11, 30]), ScalarValue::Int64(Some(3)));
        assert_eq!(busiest(10, 0, &[0, 11]), ScalarValue::Int64(Some(1)));
        assert_eq!(busiest(10, 0, &[]), ScalarValue::Int64(Some(0)));
    }

    #[test]
    fn parts_that_look_back_find_what_the_whole_finds() {
        let whole = [1, 2, 8, 12, 13, 14, 25];
        let early: Vec<_> = whole.iter().copied().filter(|ts| *ts < 13).collect();
        let late: Vec<_> = whole.iter().copied().filter(|ts| *ts >= 13 - 10).collect();
        assert_eq!(busiest(10, 0, &whole), ScalarValue::Int64(Some(4)));
        assert_eq!(busiest(10, 0, &early), ScalarValue::Int64(Some(3)));
        assert_eq!(busiest(10, 13, &late), ScalarValue::Int64(Some(4)));
    }
}
