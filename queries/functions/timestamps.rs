//! The part that aggregates over time share: collect the timestamps of every group, or rows of
//! several numbers of 64 bits, then fold them once, in order.
//!
//! All groups live in one accumulator, and the rows of many of them in one place in the order in which they
//! came, because anything of its own for every group costs twice the time at half a million groups.

use super::single::Single;
use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, ListArray, RecordBatch};
use datafusion::arrow::buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use datafusion::arrow::compute::concat;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Int64Type, TimeUnit};
use datafusion::common::{ScalarValue, internal_err, plan_err};
use datafusion::error::Result;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, ColumnarValue, EmitTo, GroupsAccumulator, Signature,
    Volatility,
};
use std::collections::VecDeque;
use std::fmt::{self, Debug};
use std::hash::{Hash, Hasher};
use std::mem::{self, size_of};
use std::ops::Range;
use std::sync::Arc;

/// Folds the timestamps of every group (µs, ascending, perhaps none) into one value each. For a function over
/// rows of several numbers (see [`over_rows`]) a group is the numbers of its first row, those of its second, and so
/// on, rows in ascending order.
pub(super) trait FoldAll: Debug + Send + Sync + 'static {
    /// The values of the groups.
    fn fold_all<'a>(&self, groups: impl Iterator<Item = &'a [i64]>) -> Result<ArrayRef>;
}

/// The same, one group at a time: for values that are not lists or structs, which are made faster all at once.
pub(super) trait Fold: Debug + Send + Sync + 'static {
    /// The value of one group.
    fn fold(&self, group: &[i64]) -> ScalarValue;
}

impl<F: Fold> FoldAll for F {
    fn fold_all<'a>(&self, groups: impl Iterator<Item = &'a [i64]>) -> Result<ArrayRef> {
        ScalarValue::iter_to_array(groups.map(|group| self.fold(group)))
    }
}

/// The aggregate function `name(ts, constant, …)` that folds the timestamps of every group with
/// what `fold` makes of its constant arguments, which have the types `constants`.
pub(super) fn over_time<F: FoldAll>(
    name: &'static str,
    constants: Vec<DataType>,
    returns: DataType,
    fold: fn(&AccumulatorArgs) -> Result<F>,
) -> AggregateUDF {
    over_rows(name, [timestamp_type()], constants, returns, fold)
}

/// The type of every timestamp.
pub(super) fn timestamp_type() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// The aggregate function `name(column, …, constant, …)` that folds the rows of every group, each made
/// of the columns with the types `row`, all of 64 bits, whose bits are taken as signed integers.
/// Rows with a null take no part.
pub(super) fn over_rows<F: FoldAll, const N: usize>(
    name: &'static str,
    row: [DataType; N],
    constants: Vec<DataType>,
    returns: DataType,
    fold: fn(&AccumulatorArgs) -> Result<F>,
) -> AggregateUDF {
    over_words::<F, N>(name, row.into(), constants, returns, fold)
}

/// The same, where a column may be an id: its 20 bytes are three numbers of the row, in its order.
pub(super) fn over_words<F: FoldAll, const N: usize>(
    name: &'static str,
    row: Vec<DataType>,
    constants: Vec<DataType>,
    returns: DataType,
    fold: fn(&AccumulatorArgs) -> Result<F>,
) -> AggregateUDF {
    let arguments = row.into_iter().chain(constants).collect();
    let signature = Signature::exact(arguments, Volatility::Immutable);
    AggregateUDF::from(OverRows::<F, N> { name, signature, returns, fold })
}

/// A function over rows of `N` numbers; its name tells it from others.
struct OverRows<F, const N: usize> {
    name: &'static str,
    signature: Signature,
    returns: DataType,
    fold: fn(&AccumulatorArgs) -> Result<F>,
}

impl<F, const N: usize> Debug for OverRows<F, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl<F, const N: usize> PartialEq for OverRows<F, N> {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl<F, const N: usize> Eq for OverRows<F, N> {}

impl<F, const N: usize> Hash for OverRows<F, N> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl<F: FoldAll, const N: usize> AggregateUDFImpl for OverRows<F, N> {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.returns.clone())
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Single::boxed(Rows::<F, N> { held: Held::default(), fold: (self.fold)(&args)? }, &[list_type()])
    }

    /// What travels between the stages of an aggregation is the list of all numbers, row by row.
    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        Ok(vec![Arc::new(Field::new(format!("{}[rows]", args.name), list_type(), true))])
    }

    fn groups_accumulator_supported(&self, _: AccumulatorArgs) -> bool {
        true
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(Rows::<F, N> { held: Held::default(), fold: (self.fold)(&args)? }))
    }
}

fn list_type() -> DataType {
    DataType::List(Arc::new(Field::new_list_field(DataType::Int64, true)))
}

/// The rows of all groups, and what becomes of them.
#[derive(Debug)]
struct Rows<F, const N: usize> {
    held: Held<N>,
    fold: F,
}

/// Rows of all groups. Blocks of neighbouring groups hold theirs apart: in the end a block is put in order at a
/// time, which needs little memory, and near memory.
#[derive(Debug, Default)]
struct Held<const N: usize> {
    blocks: VecDeque<Block<N>>,
    /// Groups that have rows, or none yet.
    groups: usize,
    /// Groups of the first block that are taken out already.
    gone: usize,
    rows: usize,
    bytes: usize,
}

/// Groups in a block: few enough for a place in it to take 16 bits.
const BLOCK: usize = 1 << 12;

/// Rows of a block in chunks, all full but the last.
type Block<const N: usize> = Vec<Chunk<N>>;

/// Rows as they came, and the place of each one's group in the block.
#[derive(Debug)]
struct Chunk<const N: usize> {
    places: Vec<u16>,
    rows: Vec<[i64; N]>,
}

/// Rows in the first chunk of a block; each takes twice as many as the one before it, up to a limit.
const FEWEST: usize = 1 << 4;
const MOST: usize = 1 << 14;

impl<const N: usize> Held<N> {
    /// Tells how many groups there are.
    fn grow(&mut self, groups: usize) {
        self.groups = groups;
        self.blocks.resize_with((self.gone + groups).div_ceil(BLOCK), Vec::new);
    }

    fn push(&mut self, group: usize, row: [i64; N]) {
        let group = self.gone + group;
        let (block, place) = (&mut self.blocks[group / BLOCK], (group % BLOCK) as u16);
        self.rows += 1;
        let capacity = match block.last_mut() {
            Some(chunk) if chunk.rows.len() < chunk.rows.capacity() => return chunk.push(place, row),
            Some(full) => (2 * full.rows.capacity()).min(MOST),
            None => FEWEST,
        };
        let mut chunk = Chunk { places: Vec::with_capacity(capacity), rows: Vec::with_capacity(capacity) };
        chunk.push(place, row);
        self.bytes += chunk.bytes();
        block.push(chunk);
    }

    /// Takes the first groups out and shows them, some at a time: how many rows each has, and all these rows. Those
    /// of a group stay in the order in which they came, which is mostly that of time.
    fn take(
        &mut self,
        emit_to: EmitTo,
        mut show: impl FnMut(&[usize], Vec<[i64; N]>) -> Result<()>,
    ) -> Result<()> {
        let mut left = match emit_to {
            EmitTo::All => self.groups,
            EmitTo::First(groups) => groups,
        };
        while left > 0 {
            let Some(block) = self.blocks.pop_front() else { return internal_err!("a group is in no block") };
            let places = self.gone..(self.gone + left).min(BLOCK);
            left -= places.len();
            self.groups -= places.len();
            self.rows -= block.iter().map(|chunk| chunk.rows.len()).sum::<usize>();
            self.bytes -= block.iter().map(Chunk::bytes).sum::<usize>();
            self.gone = places.end % BLOCK;
            if self.gone > 0 {
                self.blocks.push_front(Vec::new());
                let later = block.iter().flat_map(Chunk::iter).filter(|(place, _)| *place >= places.end);
                later.for_each(|(place, row)| self.push(place - places.end, row));
            }
            let (lengths, rows) = in_order(block, places);
            show(&lengths, rows)?;
        }
        Ok(())
    }
}

impl<const N: usize> Chunk<N> {
    fn push(&mut self, place: u16, row: [i64; N]) {
        self.places.push(place);
        self.rows.push(row);
    }

    fn iter(&self) -> impl Iterator<Item = (usize, [i64; N])> {
        self.places.iter().map(|place| usize::from(*place)).zip(self.rows.iter().copied())
    }

    fn bytes(&self) -> usize {
        self.rows.capacity() * (size_of::<u16>() + size_of::<[i64; N]>())
    }
}

/// How many rows each group has that stands at one of `places` in the block, and the rows of one after another.
fn in_order<const N: usize>(block: Block<N>, places: Range<usize>) -> (Vec<usize>, Vec<[i64; N]>) {
    let mut lengths = vec![0; places.len()];
    for (place, _) in block.iter().flat_map(Chunk::iter).filter(|(place, _)| places.contains(place)) {
        lengths[place - places.start] += 1;
    }
    let mut next: Vec<_> =
        lengths.iter().scan(0, |end, length| Some(mem::replace(end, *end + length))).collect();
    let mut rows = vec![[0; N]; lengths.iter().sum()];
    for chunk in block {
        for (place, row) in chunk.iter().filter(|(place, _)| places.contains(place)) {
            let next = &mut next[place - places.start];
            rows[*next] = row;
            *next += 1;
        }
    }
    (lengths, rows)
}

impl<F: FoldAll, const N: usize> GroupsAccumulator for Rows<F, N> {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.held.grow(total_num_groups);
        let input = Input::<N>::new(values, opt_filter);
        for (row, &group) in group_indices.iter().enumerate() {
            if let Some(numbers) = input.row(row) {
                self.held.push(group, numbers);
            }
        }
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let mut values = Vec::new();
        self.held.take(emit_to, |lengths, mut rows| {
            let mut rest = rows.as_mut_slice();
            for &length in lengths {
                let (group, others) = mem::take(&mut rest).split_at_mut(length);
                // A sort that makes use of what is in order already.
                group.sort();
                rest = others;
            }
            let mut numbers = rows.as_flattened();
            values.push(self.fold.fold_all(lengths.iter().map(|length| {
                let (group, others) = numbers.split_at(N * length);
                numbers = others;
                group
            }))?);
            Ok(())
        })?;
        Ok(concat(&values.iter().map(AsRef::as_ref).collect::<Vec<_>>())?)
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let mut ends = Vec::new();
        let mut numbers = Vec::with_capacity(N * self.held.rows);
        self.held.take(emit_to, |lengths, rows| {
            ends.extend(lengths.iter().map(|length| N * length));
            numbers.extend_from_slice(rows.as_flattened());
            Ok(())
        })?;
        Ok(vec![Arc::new(list(OffsetBuffer::from_lengths(ends), Int64Array::from(numbers))?)])
    }

    fn merge_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        total_num_groups: usize,
    ) -> Result<()> {
        self.held.grow(total_num_groups);
        let lists = values[0].as_list::<i32>();
        let numbers = lists.values().as_primitive::<Int64Type>().values();
        for (ends, &group) in lists.value_offsets().windows(2).zip(group_indices) {
            for &row in numbers[ends[0] as usize..ends[1] as usize].as_chunks().0 {
                self.held.push(group, row);
            }
        }
        Ok(())
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        opt_filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let input = Input::<N>::new(values, opt_filter);
        let rows: Vec<_> = (0..values[0].len()).map(|row| input.row(row)).collect();
        let offsets = OffsetBuffer::from_lengths(rows.iter().map(|row| row.map_or(0, |_| N)));
        let values = Int64Array::from_iter_values(rows.into_iter().flatten().flatten());
        Ok(vec![Arc::new(list(offsets, values)?)])
    }

    fn size(&self) -> usize {
        self.held.bytes
    }
}

/// The columns of a batch that make up its rows.
struct Input<'a, const N: usize> {
    columns: [(ScalarBuffer<i64>, Option<NullBuffer>); N],
    filter: Option<&'a BooleanArray>,
}

impl<'a, const N: usize> Input<'a, N> {
    /// The first of `values` that come to `N` numbers; what follows are constants.
    fn new(values: &[ArrayRef], filter: Option<&'a BooleanArray>) -> Self {
        let mut columns = values.iter().flat_map(|column| {
            let nulls = column.nulls().cloned();
            numbers(column).into_iter().map(move |numbers| (numbers, nulls.clone()))
        });
        let columns = std::array::from_fn(|_| columns.next().unwrap_or_default());
        Self { columns, filter }
    }

    /// The numbers of a row, unless one is null or the filter leaves it out.
    fn row(&self, row: usize) -> Option<[i64; N]> {
        let given =
            self.columns.iter().all(|(_, nulls)| nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row)));
        (given && keeps(self.filter, row)).then(|| std::array::from_fn(|column| self.columns[column].0[row]))
    }
}

/// The numbers of 64 bits that a column consists of.
fn numbers(column: &ArrayRef) -> Vec<ScalarBuffer<i64>> {
    match column.as_fixed_size_binary_opt() {
        Some(ids) => (0..ID_WORDS).map(|word| ids.iter().map(|id| id_word(id, word)).collect()).collect(),
        None => {
            let data = column.to_data();
            vec![ScalarBuffer::new(data.buffers()[0].clone(), data.offset(), data.len())]
        }
    }
}

/// Numbers that an id comes to.
pub(super) const ID_WORDS: usize = 3;
const ID_BYTES: usize = 20;

/// Eight bytes of an id, or what is left of it, so that numbers have the order of ids.
fn id_word(id: Option<&[u8]>, word: usize) -> i64 {
    let mut bytes = [0; 8];
    let part = id.unwrap_or_default().chunks(bytes.len()).nth(word).unwrap_or_default();
    bytes[..part.len()].copy_from_slice(part);
    i64::from_be_bytes(bytes) ^ i64::MIN
}

/// The id that three numbers were made of.
pub(super) fn id(words: &[i64]) -> [u8; ID_BYTES] {
    let bytes: Vec<u8> = words.iter().flat_map(|word| (word ^ i64::MIN).to_be_bytes()).collect();
    std::array::from_fn(|byte| bytes.get(byte).copied().unwrap_or(0))
}

/// Whether the filter of an aggregate lets a row through.
pub(super) fn keeps(filter: Option<&BooleanArray>, row: usize) -> bool {
    filter.is_none_or(|filter| filter.is_valid(row) && filter.value(row))
}

fn list(offsets: OffsetBuffer<i32>, values: Int64Array) -> Result<ListArray> {
    let DataType::List(field) = list_type() else { return internal_err!("a list is a list") };
    Ok(ListArray::try_new(field, offsets, Arc::new(values), None)?)
}

/// The microseconds of the constant timestamp or duration that stands at `index` among the
/// arguments.
pub(super) fn constant_micros(args: &AccumulatorArgs, index: usize) -> Result<i64> {
    match constant(args, index)? {
        ScalarValue::TimestampMicrosecond(Some(micros), _)
        | ScalarValue::DurationMicrosecond(Some(micros)) => Ok(micros),
        other => plan_err!("argument {} of {} is {other}, no time", index + 1, args.name),
    }
}

/// The constant count that stands at `index` among the arguments.
pub(super) fn constant_count(args: &AccumulatorArgs, index: usize) -> Result<usize> {
    let count = match constant(args, index)? {
        ScalarValue::Int64(Some(count)) => usize::try_from(count).ok(),
        _ => None,
    };
    let Some(count) = count else {
        return plan_err!("argument {} of {} must be a constant count", index + 1, args.name);
    };
    Ok(count)
}

/// The constant that stands at `index` among the arguments. Only constants will do: the last stage of
/// an aggregation no longer sees the rows.
pub(super) fn constant(args: &AccumulatorArgs, index: usize) -> Result<ScalarValue> {
    match args.exprs[index].evaluate(&RecordBatch::new_empty(Arc::new(args.schema.clone())))? {
        ColumnarValue::Scalar(value) => Ok(value),
        ColumnarValue::Array(_) => plan_err!("argument {} of {} must be a constant", index + 1, args.name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What is taken out, group by group.
    fn taken(held: &mut Held<1>, emit_to: EmitTo) -> Vec<Vec<i64>> {
        let mut groups = Vec::new();
        held.take(emit_to, |lengths, rows| {
            let mut rows = rows.into_iter().flatten();
            groups.extend(lengths.iter().map(|length| rows.by_ref().take(*length).collect::<Vec<_>>()));
            Ok(())
        })
        .expect("every group is held");
        groups
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn every_row_comes_out_with_its_group_in_the_order_in_which_it_came(
            rows in prop::collection::vec((0..3 * BLOCK, any::<i64>()), 0..2_000),
            first in 1..3 * BLOCK,
            later in prop::collection::vec((0..3 * BLOCK, any::<i64>()), 0..50),
        ) {
            let mut held = Held::default();
            let mut groups = vec![Vec::new(); 3 * BLOCK];
            held.grow(groups.len());
            for &(group, row) in &rows {
                held.push(group, [row]);
                groups[group].push(row);
            }
            prop_assert_eq!(taken(&mut held, EmitTo::First(first)), groups[..first].to_vec());
            groups.drain(..first);
            groups.resize(3 * BLOCK, Vec::new());
            held.grow(groups.len());
            for &(group, row) in &later {
                held.push(group, [row]);
                groups[group].push(row);
            }
            prop_assert_eq!(taken(&mut held, EmitTo::All), groups);
            prop_assert_eq!((held.groups, held.rows, held.bytes), (0, 0, 0));
        }
    }
}
