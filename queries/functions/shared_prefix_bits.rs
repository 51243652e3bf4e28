//! `shared_prefix_bits(id, id) → BIGINT`: how many leading bits two ids of 20 bytes have in common, 0 to
//! 160; null when either is null. It is what the XOR metric of Kademlia calls near.

use super::columnwise;
use datafusion::arrow::array::{ArrayRef, Int64Array};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::cast::as_fixed_size_binary_array;
use datafusion::error::Result;
use datafusion::logical_expr::{ScalarUDF, Signature, Volatility};
use std::sync::Arc;

const ID: DataType = DataType::FixedSizeBinary(20);

pub(super) fn function() -> ScalarUDF {
    let signature = Signature::exact(vec![ID, ID], Volatility::Immutable);
    columnwise("shared_prefix_bits", signature, DataType::Int64, shared)
}

fn shared(columns: &[ArrayRef]) -> Result<ArrayRef> {
    let (left, right) = (as_fixed_size_binary_array(&columns[0])?, as_fixed_size_binary_array(&columns[1])?);
    let pairs = left.iter().zip(right.iter());
    let bits: Int64Array = pairs.map(|(left, right)| Some(shared_bits(left?, right?))).collect();
    Ok(Arc::new(bits))
}

/// How many leading bits two ids have in common.
pub(super) fn shared_bits(left: &[u8], right: &[u8]) -> i64 {
    let differences = || left.iter().zip(right).map(|(left, right)| left ^ right);
    let equal = differences().take_while(|difference| *difference == 0).count();
    let rest = differences().nth(equal).map_or(0, u8::leading_zeros);
    8 * equal as i64 + i64::from(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::array::{Array, AsArray, FixedSizeBinaryArray};
    use datafusion::arrow::datatypes::Int64Type;

    #[test]
    fn bits_are_counted_from_the_most_significant_one() {
        let mut other = [0x5a; 20];
        assert_eq!(shared_bits(&[0x5a; 20], &other), 160);
        other[19] ^= 1;
        assert_eq!(shared_bits(&[0x5a; 20], &other), 159);
        other[1] ^= 0b0001_0000;
        assert_eq!(shared_bits(&[0x5a; 20], &other), 11);
        other[0] ^= 0b1000_0000;
        assert_eq!(shared_bits(&[0x5a; 20], &other), 0);
    }

    #[test]
    fn an_unknown_id_shares_nothing_known() {
        let ids = |ids: [Option<[u8; 20]>; 3]| -> ArrayRef {
            let ids = FixedSizeBinaryArray::try_from_sparse_iter_with_size(ids.into_iter(), 20);
            Arc::new(ids.expect("ids"))
        };
        let columns = [ids([Some([1; 20]), None, Some([1; 20])]), ids([Some([1; 20]), Some([1; 20]), None])];
        let bits = shared(&columns).expect("bits");
        let bits = bits.as_primitive::<Int64Type>();
        assert_eq!((bits.value(0), bits.is_null(1), bits.is_null(2)), (160, true, true));
    }
}
