//! `seconds(duration) → DOUBLE`: the difference of two timestamps as a number of seconds.

use super::columnwise;
use datafusion::arrow::array::{ArrayRef, Float64Array};
use datafusion::arrow::compute::unary;
use datafusion::arrow::datatypes::{DataType, DurationMicrosecondType, TimeUnit};
use datafusion::common::cast::as_primitive_array;
use datafusion::error::Result;
use datafusion::logical_expr::{ScalarUDF, Signature, Volatility};
use std::sync::Arc;

pub(super) fn function() -> ScalarUDF {
    let duration = DataType::Duration(TimeUnit::Microsecond);
    columnwise("seconds", Signature::exact(vec![duration], Volatility::Immutable), DataType::Float64, seconds)
}

fn seconds(columns: &[ArrayRef]) -> Result<ArrayRef> {
    let durations = as_primitive_array::<DurationMicrosecondType>(&columns[0])?;
    let seconds: Float64Array = unary(durations, |micros| micros as f64 / 1e6);
    Ok(Arc::new(seconds))
}
