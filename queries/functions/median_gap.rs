//! `median_gap(ts) → DOUBLE`: the median gap (s) between neighbouring timestamps of a group, of an
//! even number the mean of the middle two; null for fewer than two timestamps.
//!
//! The median is what one long absence does not move: a client that asks every 15 minutes, sleeps, and
//! goes on has a median of 15 minutes and a mean of hours.

use super::timestamps::{Fold, over_time};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::AggregateUDF;

pub(super) fn function() -> AggregateUDF {
    over_time("median_gap", vec![], DataType::Float64, |_| Ok(Median))
}

#[derive(Debug)]
struct Median;

impl Fold for Median {
    fn fold(&self, timestamps: &[i64]) -> ScalarValue {
        let mut gaps: Vec<i64> = timestamps.windows(2).map(|pair| pair[1] - pair[0]).collect();
        gaps.sort_unstable();
        let middle = gaps.len() / 2;
        let median = gaps.get(middle).map(|&upper| {
            let lower = if gaps.len() % 2 == 0 { gaps[middle - 1] } else { upper };
            (lower + upper) as f64 / 2e6
        });
        ScalarValue::Float64(median)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_long_absence_does_not_move_it() {
        let median = |seconds: &[i64]| {
            let timestamps: Vec<i64> = seconds.iter().map(|second| second * 1_000_000).collect();
            Median.fold(&timestamps)
        };
        assert_eq!(median(&[0, 900, 1800, 90_000]), ScalarValue::Float64(Some(900.0)));
        assert_eq!(median(&[0, 900, 2000]), ScalarValue::Float64(Some(1000.0)));
        assert_eq!(median(&[0, 7]), ScalarValue::Float64(Some(7.0)));
        assert_eq!(median(&[7]), ScalarValue::Float64(None));
        assert_eq!(median(&[]), ScalarValue::Float64(None));
    }
}
