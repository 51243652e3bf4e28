//! `gap_squares(ts) → DOUBLE`: the sum over the squared gaps (s²) between neighbouring timestamps
//! of a group; 0 for fewer than two.
//!
//! With the number of timestamps and the first and last of them it gives the coefficient of
//! variation of the gaps, and it adds up over days: the gap between two days is the first
//! timestamp of the later one minus the last of the earlier one.

use super::timestamps::{Fold, over_time};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::AggregateUDF;

pub(super) fn function() -> AggregateUDF {
    over_time("gap_squares", vec![], DataType::Float64, |_| Ok(Squares))
}

#[derive(Debug)]
struct Squares;

impl Fold for Squares {
    fn fold(&self, timestamps: &[i64]) -> ScalarValue {
        ScalarValue::Float64(Some(gap_squares(timestamps)))
    }
}

/// The sum over the squared gaps (s²) between `timestamps` (µs, ascending).
pub(super) fn gap_squares(timestamps: &[i64]) -> f64 {
    let gaps = timestamps.windows(2).map(|pair| (pair[1] - pair[0]) as f64 / 1e6);
    gaps.fold(0.0, |sum, gap| sum + gap * gap)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn squares_every_gap_once() {
        let squares = |timestamps: &[i64]| Squares.fold(timestamps);
        assert_eq!(squares(&[0, 3_000_000, 7_000_000]), ScalarValue::Float64(Some(25.0)));
        assert_eq!(squares(&[5]), ScalarValue::Float64(Some(0.0)));
        assert_eq!(squares(&[]), ScalarValue::Float64(Some(0.0)));
    }
}
