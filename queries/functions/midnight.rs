//! `midnight(ts) → TIMESTAMP`: the start of the day, UTC, that a timestamp lies in.

use super::columnwise;
use super::timestamps::timestamp_type;
use datafusion::arrow::array::{ArrayRef, TimestampMicrosecondArray};
use datafusion::arrow::compute::unary;
use datafusion::arrow::datatypes::TimestampMicrosecondType;
use datafusion::common::cast::as_primitive_array;
use datafusion::error::Result;
use datafusion::logical_expr::{ScalarUDF, Signature, Volatility};
use schema::partition::DAY;
use std::sync::Arc;

pub(super) fn function() -> ScalarUDF {
    let signature = Signature::exact(vec![timestamp_type()], Volatility::Immutable);
    columnwise("midnight", signature, timestamp_type(), midnight)
}

fn midnight(columns: &[ArrayRef]) -> Result<ArrayRef> {
    let times = as_primitive_array::<TimestampMicrosecondType>(&columns[0])?;
    let midnights: TimestampMicrosecondArray = unary(times, |micros| micros - micros.rem_euclid(DAY));
    Ok(Arc::new(midnights.with_timezone("UTC")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_at_midnight_before_1970_as_well() {
        let times = TimestampMicrosecondArray::from(vec![Some(DAY - 1), Some(DAY), None, Some(-1)]);
        let expected = TimestampMicrosecondArray::from(vec![Some(0), Some(DAY), None, Some(-DAY)]);
        let found = midnight(&[Arc::new(times.with_timezone("UTC"))]).expect("midnights");
        assert_eq!(found.as_ref(), &expected.with_timezone("UTC"));
    }
}
