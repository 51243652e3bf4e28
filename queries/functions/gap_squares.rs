//! `gap_squares(ts) → DOUBLE`: the sum over the squared gaps (s²) between neighbouring timestamps
//! of a group; 0 for fewer than two.
//!
//! With the number of timestamps and the first and last of them it gives the coefficient of
//! variation of the gaps, and it adds up over days: the gap between two days is the first
//! timestamp of the later one minus the last of the earlier one.

use super::stateless;
use super::timestamps::{Fold, Timestamps, state_field, timestamp_type};
use datafusion::arrow::datatypes::{DataType, FieldRef};
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, GroupsAccumulator, Signature, Volatility,
};

pub(super) fn function() -> AggregateUDF {
    let signature = Signature::exact(vec![timestamp_type()], Volatility::Immutable);
    AggregateUDF::from(GapSquares { signature })
}

#[derive(Debug)]
struct GapSquares {
    signature: Signature,
}
stateless!(GapSquares);

impl AggregateUDFImpl for GapSquares {
    fn name(&self) -> &'static str {
        "gap_squares"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn accumulator(&self, _: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Timestamps::new(Squares)))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        Ok(vec![state_field(args.name)])
    }

    fn groups_accumulator_supported(&self, _: AccumulatorArgs) -> bool {
        true
    }

    fn create_groups_accumulator(&self, _: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(Timestamps::new(Squares)))
    }
}

#[derive(Debug)]
struct Squares;

impl Fold for Squares {
    fn fold(&self, timestamps: &[i64]) -> ScalarValue {
        let gaps = timestamps.windows(2).map(|pair| (pair[1] - pair[0]) as f64 / 1e6);
        ScalarValue::Float64(Some(gaps.fold(0.0, |sum, gap| sum + gap * gap)))
    }
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
