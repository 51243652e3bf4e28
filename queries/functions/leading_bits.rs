//! `leading_bits(id, bits) → BIGINT`: the number that the first `bits` bits of an id make, 0 to 32 of
//! them; null when either is null.

use super::columnwise;
use datafusion::arrow::array::{ArrayRef, AsArray, Int64Array};
use datafusion::arrow::datatypes::{DataType, Int64Type};
use datafusion::common::cast::as_fixed_size_binary_array;
use datafusion::common::exec_err;
use datafusion::error::Result;
use datafusion::logical_expr::{ScalarUDF, Signature, Volatility};
use std::sync::Arc;

/// Most bits that may be asked for.
const MOST: i64 = 32;

pub(super) fn function() -> ScalarUDF {
    let signature =
        Signature::exact(vec![DataType::FixedSizeBinary(20), DataType::Int64], Volatility::Immutable);
    columnwise("leading_bits", signature, DataType::Int64, numbers)
}

fn numbers(columns: &[ArrayRef]) -> Result<ArrayRef> {
    let ids = as_fixed_size_binary_array(&columns[0])?;
    let bits = columns[1].as_primitive::<Int64Type>();
    if let Some(bits) = bits.iter().flatten().find(|bits| !(0..=MOST).contains(bits)) {
        return exec_err!("leading_bits: {bits} is not a number of bits from 0 to {MOST}");
    }
    let numbers: Int64Array = ids.iter().zip(bits).map(|(id, bits)| Some(leading(id?, bits?))).collect();
    Ok(Arc::new(numbers))
}

fn leading(id: &[u8], bits: i64) -> i64 {
    let first = id.iter().take(4).fold(0_i64, |number, byte| number << 8 | i64::from(*byte));
    first >> (MOST - bits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::array::{Array, FixedSizeBinaryArray};

    #[test]
    fn the_most_significant_bits_come_first() {
        let mut id = [0; 20];
        id[..5].copy_from_slice(&[0x96, 0xa1, 0x02, 0x03, 0xff]);
        assert_eq!([0, 1, 12, 32].map(|bits| leading(&id, bits)), [0, 1, 0x96a, 0x96a1_0203]);
    }

    #[test]
    fn nothing_is_known_of_an_unknown_id_and_nonsense_is_refused() {
        let ids = FixedSizeBinaryArray::try_from_sparse_iter_with_size([None, Some([7; 20])].into_iter(), 20);
        let ids: ArrayRef = Arc::new(ids.expect("ids"));
        let call = |bits: i64| numbers(&[Arc::clone(&ids), Arc::new(Int64Array::from(vec![bits; 2]))]);
        let known = call(8).expect("numbers");
        assert_eq!((known.is_null(0), known.as_primitive::<Int64Type>().value(1)), (true, 7));
        assert!(call(33).is_err() && call(-1).is_err());
    }
}
