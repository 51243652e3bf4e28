//! `seconds(duration) → DOUBLE`: the difference of two timestamps as a number of seconds.

use super::stateless;
use datafusion::arrow::compute::kernels::cast::cast;
use datafusion::arrow::compute::unary;
use datafusion::arrow::datatypes::{DataType, DurationMicrosecondType, Float64Type, TimeUnit};
use datafusion::common::cast::as_primitive_array;
use datafusion::error::Result;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use std::sync::Arc;

const DURATION: DataType = DataType::Duration(TimeUnit::Microsecond);

pub(super) fn function() -> ScalarUDF {
    ScalarUDF::from(Seconds { signature: Signature::exact(vec![DURATION], Volatility::Immutable) })
}

#[derive(Debug)]
struct Seconds {
    signature: Signature,
}
stateless!(Seconds);

impl ScalarUDFImpl for Seconds {
    fn name(&self) -> &'static str {
        "seconds"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let column = cast(&args.args[0].to_array(args.number_rows)?, &DURATION)?;
        let durations = as_primitive_array::<DurationMicrosecondType>(&column)?;
        Ok(ColumnarValue::Array(Arc::new(unary::<_, _, Float64Type>(durations, |us| us as f64 / 1e6))))
    }
}
