//! `pause_squares(start, end) → DOUBLE`: the sum over the squared pauses (s²) of a group, a pause being from the end
//! of one row to the start of the next; 0 for fewer than two rows.
//!
//! It adds what lies between days to the [`gap_squares`](super::gap_squares) of each, where rows are the first and
//! the last timestamp of a day.

use super::timestamps::{Fold, over_rows, timestamp_type};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::AggregateUDF;

pub(super) fn function() -> AggregateUDF {
    over_rows("pause_squares", [timestamp_type(), timestamp_type()], vec![], DataType::Float64, |_| {
        Ok(Squares)
    })
}

#[derive(Debug)]
struct Squares;

impl Fold for Squares {
    fn fold(&self, numbers: &[i64]) -> ScalarValue {
        let rows: &[[i64; 2]] = numbers.as_chunks().0;
        let pauses = rows.windows(2).map(|pair| (pair[1][0] - pair[0][1]) as f64 / 1e6);
        ScalarValue::Float64(Some(pauses.fold(0.0, |sum, pause| sum + pause * pause)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn squares_every_pause_once() {
        let squares = |rows: &[[i64; 2]]| Squares.fold(rows.as_flattened());
        let days = [[0, 5_000_000], [8_000_000, 8_500_000], [12_500_000, 60_000_000]];
        assert_eq!(squares(&days), ScalarValue::Float64(Some(25.0)));
        assert_eq!(squares(&[[5, 6]]), ScalarValue::Float64(Some(0.0)));
        assert_eq!(squares(&[]), ScalarValue::Float64(Some(0.0)));
    }
}
