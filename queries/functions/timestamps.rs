//! The part that aggregates over time share: collect the timestamps of every group, then fold
//! them once, in order.
//!
//! All groups live in one accumulator, because one boxed accumulator a group costs twice the time
//! at half a million groups.

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, ListArray, RecordBatch};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::datatypes::{
    DataType, Field, FieldRef, Int64Type, TimeUnit, TimestampMicrosecondType,
};
use datafusion::common::{ScalarValue, internal_err, plan_err};
use datafusion::error::Result;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, ColumnarValue, EmitTo, GroupsAccumulator, Signature,
    Volatility,
};
use std::fmt::{self, Debug};
use std::hash::{Hash, Hasher};
use std::mem::size_of;
use std::sync::Arc;

/// Folds the timestamps of one group (µs, ascending, perhaps none) into one value.
pub(super) trait Fold: Debug + Send + Sync + 'static {
    /// The value of one group.
    fn fold(&self, timestamps: &[i64]) -> ScalarValue;
}

/// The aggregate function `name(ts, constant, …)` that folds the timestamps of every group with
/// what `fold` makes of its constant arguments, which have the types `constants`.
pub(super) fn over_time<F: Fold>(
    name: &'static str,
    constants: Vec<DataType>,
    returns: DataType,
    fold: fn(&AccumulatorArgs) -> Result<F>,
) -> AggregateUDF {
    let mut arguments = vec![DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))];
    arguments.extend(constants);
    let signature = Signature::exact(arguments, Volatility::Immutable);
    AggregateUDF::from(OverTime { name, signature, returns, fold })
}

/// A function over time; its name tells it from others.
struct OverTime<F> {
    name: &'static str,
    signature: Signature,
    returns: DataType,
    fold: fn(&AccumulatorArgs) -> Result<F>,
}

impl<F> Debug for OverTime<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl<F> PartialEq for OverTime<F> {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl<F> Eq for OverTime<F> {}

impl<F> Hash for OverTime<F> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl<F: Fold> AggregateUDFImpl for OverTime<F> {
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
        Ok(Box::new(Timestamps::new((self.fold)(&args)?)))
    }

    /// What travels between the stages of an aggregation is the list of timestamps.
    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        Ok(vec![Arc::new(Field::new(format!("{}[timestamps]", args.name), list_type(), true))])
    }

    fn groups_accumulator_supported(&self, _: AccumulatorArgs) -> bool {
        true
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(Timestamps::new((self.fold)(&args)?)))
    }
}

fn list_type() -> DataType {
    DataType::List(Arc::new(Field::new_list_field(DataType::Int64, true)))
}

/// Timestamps per group.
#[derive(Debug)]
struct Timestamps<F> {
    groups: Vec<Vec<i64>>,
    held: usize,
    fold: F,
}

impl<F: Fold> Timestamps<F> {
    fn new(fold: F) -> Self {
        Self { groups: Vec::new(), held: 0, fold }
    }

    fn push(&mut self, group: usize, timestamp: i64) {
        let timestamps = &mut self.groups[group];
        let before = timestamps.capacity();
        timestamps.push(timestamp);
        self.held += timestamps.capacity() - before;
    }

    fn take(&mut self, emit_to: EmitTo) -> Vec<Vec<i64>> {
        let taken = emit_to.take_needed(&mut self.groups);
        self.held -= taken.iter().map(Vec::capacity).sum::<usize>();
        taken
    }
}

impl<F: Fold> GroupsAccumulator for Timestamps<F> {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.groups.resize_with(total_num_groups, Vec::new);
        let timestamps = values[0].as_primitive::<TimestampMicrosecondType>();
        for (row, &group) in group_indices.iter().enumerate() {
            if timestamps.is_valid(row) && keeps(opt_filter, row) {
                self.push(group, timestamps.value(row));
            }
        }
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let values = self.take(emit_to).into_iter().map(|mut timestamps| {
            timestamps.sort_unstable();
            self.fold.fold(&timestamps)
        });
        ScalarValue::iter_to_array(values)
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let groups = self.take(emit_to);
        let offsets = OffsetBuffer::from_lengths(groups.iter().map(Vec::len));
        let values = Int64Array::from_iter_values(groups.into_iter().flatten());
        Ok(vec![Arc::new(list(offsets, values)?)])
    }

    fn merge_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        total_num_groups: usize,
    ) -> Result<()> {
        self.groups.resize_with(total_num_groups, Vec::new);
        let lists = values[0].as_list::<i32>();
        for (row, &group) in group_indices.iter().enumerate() {
            for &timestamp in slice(lists, row)?.values() {
                self.push(group, timestamp);
            }
        }
        Ok(())
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        opt_filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let timestamps = values[0].as_primitive::<TimestampMicrosecondType>();
        let kept: Vec<bool> =
            (0..timestamps.len()).map(|row| timestamps.is_valid(row) && keeps(opt_filter, row)).collect();
        let offsets = OffsetBuffer::from_lengths(kept.iter().map(|&kept| usize::from(kept)));
        let values = kept.iter().enumerate().filter(|(_, kept)| **kept).map(|(row, _)| timestamps.value(row));
        Ok(vec![Arc::new(list(offsets, Int64Array::from_iter_values(values))?)])
    }

    fn size(&self) -> usize {
        self.groups.capacity() * size_of::<Vec<i64>>() + self.held * size_of::<i64>()
    }
}

/// For the rare places where DataFusion wants one accumulator a group.
impl<F: Fold> Accumulator for Timestamps<F> {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        GroupsAccumulator::update_batch(self, values, &vec![0; values[0].len()], None, 1)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.groups.resize_with(1, Vec::new);
        ScalarValue::try_from_array(&GroupsAccumulator::evaluate(self, EmitTo::All)?, 0)
    }

    fn size(&self) -> usize {
        GroupsAccumulator::size(self)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.groups.resize_with(1, Vec::new);
        let state = GroupsAccumulator::state(self, EmitTo::All)?;
        state.iter().map(|column| ScalarValue::try_from_array(column, 0)).collect()
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        GroupsAccumulator::merge_batch(self, states, &vec![0; states[0].len()], 1)
    }
}

/// Whether the filter of an aggregate lets a row through.
pub(super) fn keeps(filter: Option<&BooleanArray>, row: usize) -> bool {
    filter.is_none_or(|filter| filter.is_valid(row) && filter.value(row))
}

fn list(offsets: OffsetBuffer<i32>, values: Int64Array) -> Result<ListArray> {
    let DataType::List(field) = list_type() else { return internal_err!("a list is a list") };
    Ok(ListArray::try_new(field, offsets, Arc::new(values), None)?)
}

fn slice(lists: &ListArray, row: usize) -> Result<Int64Array> {
    Ok(lists.value(row).as_primitive::<Int64Type>().clone())
}

/// The microseconds of the constant timestamp or duration that stands at `index` among the
/// arguments.
pub(super) fn constant_micros(args: &AccumulatorArgs, index: usize) -> Result<i64> {
    match constant(args, index)? {
        ScalarValue::TimestampMicrosecond(Some(micros), _)
        | ScalarValue::DurationMicrosecond(Some(micros)) => Ok(micros),
        other => plan_err!("argument {} of {} is {other}", index + 1, args.name),
    }
}

/// The constant that stands at `index` among the arguments. Only constants will do: the last stage of
/// an aggregation no longer sees the rows.
pub(super) fn constant(args: &AccumulatorArgs, index: usize) -> Result<ScalarValue> {
    match args.exprs[index].evaluate(&RecordBatch::new_empty(Arc::new(args.schema.clone())))? {
        ColumnarValue::Scalar(value) => Ok(value),
        ColumnarValue::Array(_) => plan_err!("argument {} of {} must be a constant", index + 1, args.name),
    }
}
