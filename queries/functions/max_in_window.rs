//! `max_in_window(ts, window, since) → BIGINT`: the largest number of timestamps of a group inside
//! any stretch shorter than or equal to `window` that ends at or after `since`; 0 when there is none.
//!
//! `window` and `since` are constants. Because every stretch may be taken to end at one of the
//! timestamps, a part of the data that also reads `window` before its beginning finds exactly the
//! stretches that end in it, and the largest over all parts is the largest over the whole.

use super::timestamps::{Fold, constant_micros, over_time, timestamp_type};
use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::AggregateUDF;

pub(super) fn function() -> AggregateUDF {
    let constants = vec![DataType::Duration(TimeUnit::Microsecond), timestamp_type()];
    over_time("max_in_window", constants, DataType::Int64, |args| {
        Ok(Busiest { window: constant_micros(args, 1)?, since: constant_micros(args, 2)? })
    })
}

/// Slides a window over the timestamps.
#[derive(Debug)]
pub(super) struct Busiest {
    pub(super) window: i64,
    pub(super) since: i64,
}

impl Busiest {
    /// The most of `timestamps` (ascending) within any window.
    pub(super) fn most(&self, timestamps: &[i64]) -> usize {
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
        most
    }
}

impl Fold for Busiest {
    fn fold(&self, timestamps: &[i64]) -> ScalarValue {
        ScalarValue::Int64(Some(self.most(timestamps) as i64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn busiest(window: i64, since: i64, timestamps: &[i64]) -> usize {
        Busiest { window, since }.most(timestamps)
    }

    #[test]
    fn counts_both_ends_of_the_window() {
        assert_eq!(busiest(10, 0, &[0, 5, 10, 11, 30]), 3);
        assert_eq!(busiest(10, 0, &[0, 11]), 1);
        assert_eq!(busiest(10, 0, &[]), 0);
    }

    #[test]
    fn parts_that_look_back_find_what_the_whole_finds() {
        let whole = [1, 2, 8, 12, 13, 14, 25];
        let early: Vec<_> = whole.iter().copied().filter(|ts| *ts < 13).collect();
        let late: Vec<_> = whole.iter().copied().filter(|ts| *ts >= 13 - 10).collect();
        assert_eq!(busiest(10, 0, &whole), 4);
        assert_eq!(busiest(10, 0, &early), 3);
        assert_eq!(busiest(10, 13, &late), 4);
    }
}
