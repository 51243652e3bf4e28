//! `max_in_window(ts, window, since) → BIGINT`: the largest number of timestamps of a group inside
//! any stretch shorter than or equal to `window` that ends at or after `since`; 0 when there is none.
//!
//! `window` and `since` are constants. Because every stretch may be taken to end at one of the
//! timestamps, a part of the data that also reads `window` before its beginning finds exactly the
//! stretches that end in it, and the largest over all parts is the largest over the whole.

use super::stateless;
use super::timestamps::{Fold, Timestamps, constant_micros, state_field, timestamp_type};
use datafusion::arrow::datatypes::{DataType, FieldRef, TimeUnit};
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, GroupsAccumulator, Signature, Volatility,
};

pub(super) fn function() -> AggregateUDF {
    let arguments = vec![timestamp_type(), DataType::Duration(TimeUnit::Microsecond), timestamp_type()];
    AggregateUDF::from(MaxInWindow { signature: Signature::exact(arguments, Volatility::Immutable) })
}

#[derive(Debug)]
struct MaxInWindow {
    signature: Signature,
}
stateless!(MaxInWindow);

impl AggregateUDFImpl for MaxInWindow {
    fn name(&self) -> &'static str {
        "max_in_window"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int64)
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Timestamps::new(Busiest::new(&args)?)))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        Ok(vec![state_field(args.name)])
    }

    fn groups_accumulator_supported(&self, _: AccumulatorArgs) -> bool {
        true
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(Timestamps::new(Busiest::new(&args)?)))
    }
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
