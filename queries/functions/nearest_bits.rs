//! `nearest_bits(id) → LIST<BIGINT>`: for each of the 65,536 cells into which the first sixteen bits divide
//! the keyspace, how many leading bits, 0 to 16, its number shares with that of the nearest of a
//! group's ids.

use datafusion::arrow::array::{ArrayRef, AsArray};
use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Number of cells.
const CELLS: usize = 1 << 16;

pub(super) fn function() -> AggregateUDF {
    AggregateUDF::from(NearestBits {
        signature: Signature::exact(vec![DataType::FixedSizeBinary(20)], Volatility::Immutable),
    })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct NearestBits {
    signature: Signature,
}

impl AggregateUDFImpl for NearestBits {
    fn name(&self) -> &str {
        "nearest_bits"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::List(Arc::new(Field::new_list_field(DataType::Int64, true))))
    }

    fn accumulator(&self, _: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Occupied::default()))
    }

    /// What travels between the stages of an aggregation are the numbers of the occupied cells.
    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<Arc<Field>>> {
        let cells = DataType::List(Arc::new(Field::new_list_field(DataType::UInt16, true)));
        Ok(vec![Arc::new(Field::new(format!("{}[cells]", args.name), cells, true))])
    }
}

/// The cells in which an id stands.
#[derive(Debug, Default)]
struct Occupied(BTreeSet<u16>);

impl Accumulator for Occupied {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let ids = values[0].as_fixed_size_binary().iter().flatten();
        self.0.extend(ids.filter_map(|id| Some(u16::from_be_bytes(*id.first_chunk()?))));
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for cells in states[0].as_list::<i32>().iter().flatten() {
            self.0.extend(cells.as_primitive::<datafusion::arrow::datatypes::UInt16Type>().iter().flatten());
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let cells: Vec<_> = self.0.iter().map(|&cell| ScalarValue::from(cell)).collect();
        Ok(vec![ScalarValue::List(ScalarValue::new_list_nullable(&cells, &DataType::UInt16))])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let bits: Vec<_> =
            nearest(&self.0).into_iter().map(|bits| ScalarValue::from(i64::from(bits))).collect();
        Ok(ScalarValue::List(ScalarValue::new_list_nullable(&bits, &DataType::Int64)))
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.0.len() * size_of::<u16>()
    }
}

/// For every cell, the bits it shares with the nearest occupied one. Of the occupied cells below and
/// above it in number, the nearer by number of shared bits is the nearest of all.
fn nearest(occupied: &BTreeSet<u16>) -> Vec<u32> {
    let mut bits = vec![0; CELLS];
    let mut share = |cell: u16, other: Option<u16>| {
        let shared = other.map_or(0, |other| (cell ^ other).leading_zeros());
        let bits = &mut bits[usize::from(cell)];
        *bits = shared.max(*bits);
    };
    let (mut below, mut above) = (None, None);
    for cell in 0..=u16::MAX {
        below = occupied.get(&cell).copied().or(below);
        share(cell, below);
    }
    for cell in (0..=u16::MAX).rev() {
        above = occupied.get(&cell).copied().or(above);
        share(cell, above);
    }
    bits
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::array::FixedSizeBinaryArray;

    #[test]
    fn the_nearest_is_found_on_either_side() {
        let occupied = BTreeSet::from([0x0fff, 0x96a0, 0x96b0]);
        let bits = nearest(&occupied);
        for cell in [0, 0x0fff, 0x1000, 0x7000, 0x8000, 0x96a0, 0x96af, 0x96b1, 0xffff] {
            let all = occupied.iter().map(|other| (cell ^ other).leading_zeros()).max();
            assert_eq!(Some(bits[usize::from(cell)]), all, "{cell:04x}");
        }
        assert!(nearest(&BTreeSet::new()).iter().all(|bits| *bits == 0));
    }

    #[test]
    fn parts_make_the_whole() {
        let ids = |ids: &[u8]| -> ArrayRef {
            Arc::new(FixedSizeBinaryArray::try_from_iter(ids.iter().map(|id| [*id; 20])).expect("ids"))
        };
        let mut whole = Occupied::default();
        whole.update_batch(&[ids(&[1, 2, 3])]).expect("ids");
        let mut merged = Occupied::default();
        for part in [&[1][..], &[3, 2]] {
            let mut one = Occupied::default();
            one.update_batch(&[ids(part)]).expect("ids");
            let state: Vec<ArrayRef> =
                one.state().expect("a state").iter().map(|it| it.to_array().expect("an array")).collect();
            merged.merge_batch(&state).expect("a merge");
        }
        assert_eq!(merged.evaluate().expect("bits"), whole.evaluate().expect("bits"));
    }
}
