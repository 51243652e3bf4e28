//! The part that aggregates over time share: collect the timestamps of every group, or rows of
//! several numbers of 64 bits, then fold them once, in order.
//!
//! All groups live in one accumulator, and their rows in one place in the order in which they came,
//! because anything of its own for every group costs twice the time at half a million groups.

use super::single::Single;
use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, ListArray, RecordBatch};
use datafusion::arrow::buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Int64Type, TimeUnit};
use datafusion::common::{ScalarValue, internal_err, plan_err};
use datafusion::error::Result;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, ColumnarValue, EmitTo, GroupsAccumulator, Signature,
    Volatility,
};
use std::fmt::{self, Debug};
use std::hash::{Hash, Hasher};
use std::mem::{self, size_of};
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
        Single::boxed(Rows::<F, N>::new((self.fold)(&args)?), &[list_type()])
    }

    /// What travels between the stages of an aggregation is the list of all numbers, row by row.
    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        Ok(vec![Arc::new(Field::new(format!("{}[rows]", args.name), list_type(), true))])
    }

    fn groups_accumulator_supported(&self, _: AccumulatorArgs) -> bool {
        true
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(Rows::<F, N>::new((self.fold)(&args)?)))
    }
}

fn list_type() -> DataType {
    DataType::List(Arc::new(Field::new_list_field(DataType::Int64, true)))
}

/// Rows of all groups.
#[derive(Debug)]
struct Rows<F, const N: usize> {
    /// Every row with its group, as they came; all chunks but the last are full.
    chunks: Vec<Vec<(usize, [i64; N])>>,
    groups: usize,
    fold: F,
}

/// Rows that are held together: enough to make moving on to the next chunk rare.
const CHUNK: usize = 1 << 15;

/// Rows of one group after another.
struct Grouped<const N: usize> {
    lengths: Vec<usize>,
    rows: Vec<[i64; N]>,
}

impl<F: FoldAll, const N: usize> Rows<F, N> {
    fn new(fold: F) -> Self {
        Self { chunks: Vec::new(), groups: 0, fold }
    }

    fn push(&mut self, group: usize, row: [i64; N]) {
        match self.chunks.last_mut() {
            Some(chunk) if chunk.len() < CHUNK => chunk.push((group, row)),
            _ => self.chunks.push(vec![(group, row)]),
        }
    }

    /// Takes the first groups out. Rows of a group stay in the order in which they came, which is
    /// mostly that of time.
    fn take(&mut self, emit_to: EmitTo) -> Grouped<N> {
        let taken = match emit_to {
            EmitTo::All => self.groups,
            EmitTo::First(groups) => groups,
        };
        self.groups -= taken;
        let chunks = mem::take(&mut self.chunks);
        let mut lengths = vec![0; taken];
        for (group, _) in chunks.iter().flatten() {
            if let Some(length) = lengths.get_mut(*group) {
                *length += 1;
            }
        }
        let mut rows = vec![[0; N]; lengths.iter().sum()];
        let mut next = Vec::with_capacity(taken);
        next.extend(lengths.iter().scan(0, |end, length| Some(mem::replace(end, *end + length))));
        for (group, row) in chunks.into_iter().flatten() {
            match next.get_mut(group) {
                Some(place) => {
                    rows[*place] = row;
                    *place += 1;
                }
                None => self.push(group - taken, row),
            }
        }
        Grouped { lengths, rows }
    }
}

impl<F: FoldAll, const N: usize> GroupsAccumulator for Rows<F, N> {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.groups = total_num_groups;
        let input = Input::<N>::new(values, opt_filter);
        for (row, &group) in group_indices.iter().enumerate() {
            if let Some(numbers) = input.row(row) {
                self.push(group, numbers);
            }
        }
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let Grouped { lengths, mut rows } = self.take(emit_to);
        let mut rest = rows.as_mut_slice();
        for &length in &lengths {
            let (group, others) = mem::take(&mut rest).split_at_mut(length);
            group.sort_unstable();
            rest = others;
        }
        let mut numbers = rows.as_flattened();
        self.fold.fold_all(lengths.iter().map(|length| {
            let (group, others) = numbers.split_at(N * length);
            numbers = others;
            group
        }))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let Grouped { lengths, rows } = self.take(emit_to);
        let offsets = OffsetBuffer::from_lengths(lengths.iter().map(|length| N * length));
        Ok(vec![Arc::new(list(offsets, Int64Array::from(rows.into_flattened()))?)])
    }

    fn merge_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        total_num_groups: usize,
    ) -> Result<()> {
        self.groups = total_num_groups;
        let lists = values[0].as_list::<i32>();
        let numbers = lists.values().as_primitive::<Int64Type>().values();
        for (ends, &group) in lists.value_offsets().windows(2).zip(group_indices) {
            for &row in numbers[ends[0] as usize..ends[1] as usize].as_chunks().0 {
                self.push(group, row);
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
        self.chunks.iter().map(|chunk| chunk.capacity() * size_of::<(usize, [i64; N])>()).sum()
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
