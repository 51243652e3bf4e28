//! The largest number of timestamps inside any stretch shorter than or equal to a window that ends at or after a time:
//! what [`activity`](super::activity) and [`hourly_activity`](super::hourly_activity) call busiest.
//!
//! Because every stretch may be taken to end at one of the timestamps, a part of the data that also reads a window
//! before its beginning finds exactly the stretches that end in it, and the largest over all parts is the largest over
//! the whole.

use super::timestamps::constant_micros;
use datafusion::error::Result;
use datafusion::logical_expr::function::AccumulatorArgs;

/// Slides a window over the timestamps.
#[derive(Debug)]
pub(super) struct Busiest {
    pub(super) window: i64,
    pub(super) since: i64,
}

impl Busiest {
    /// With the window that is the argument `index` of a function, and the time that is the next.
    pub(super) fn new(args: &AccumulatorArgs, index: usize) -> Result<Self> {
        Ok(Self { window: constant_micros(args, index)?, since: constant_micros(args, index + 1)? })
    }

    /// Of `timestamps` (ascending): the place of the first at or after the time, the most within any window, and
    /// the most of those alone that stand from that place on.
    pub(super) fn since(&self, timestamps: &[i64]) -> (usize, usize, usize) {
        let first = timestamps.partition_point(|ts| *ts < self.since);
        let most = self.most(timestamps);
        (first, most, if first == 0 { most } else { self.most(&timestamps[first..]) })
    }

    /// The most of `timestamps` (ascending) within any window.
    fn most(&self, timestamps: &[i64]) -> usize {
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
