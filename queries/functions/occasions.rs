//! `occasions(ts, gap) → BIGINT`: into how many stretches the timestamps of a group fall, when one
//! ends where nothing follows for longer than `gap`; 0 when there is none.
//!
//! What happens in one session is one coincidence, however many timestamps it leaves: a count of
//! occasions is what may be compared with chance. `gap` is a constant.

use super::timestamps::{Fold, constant_micros, over_time};
use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::AggregateUDF;

pub(super) fn function() -> AggregateUDF {
    let constants = vec![DataType::Duration(TimeUnit::Microsecond)];
    over_time("occasions", constants, DataType::Int64, |args| {
        Ok(Occasions { gap: constant_micros(args, 1)? })
    })
}

#[derive(Debug)]
struct Occasions {
    gap: i64,
}

impl Fold for Occasions {
    fn fold(&self, timestamps: &[i64]) -> ScalarValue {
        let breaks = timestamps.windows(2).filter(|pair| pair[1] - pair[0] > self.gap).count();
        ScalarValue::Int64(Some((breaks + timestamps.len().min(1)) as i64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_that_is_just_long_enough_parts_nothing() {
        let occasions = |timestamps: &[i64]| Occasions { gap: 10 }.fold(timestamps);
        assert_eq!(occasions(&[0, 10, 20, 31]), ScalarValue::Int64(Some(2)));
        assert_eq!(occasions(&[7]), ScalarValue::Int64(Some(1)));
        assert_eq!(occasions(&[]), ScalarValue::Int64(Some(0)));
    }
}
