//! One group by means of an accumulator of many: for the rare places, such as an aggregation without
//! GROUP BY, where DataFusion wants one accumulator a group.

use datafusion::arrow::array::{ArrayRef, new_empty_array};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::logical_expr::{Accumulator, EmitTo, GroupsAccumulator};
use std::fmt::{self, Debug};

/// The first and only group of `G`.
pub(super) struct Single<G>(G);

impl<G: GroupsAccumulator + Debug + Sync + 'static> Single<G> {
    /// The one group of `groups`, whose state has columns of the types `state`.
    pub(super) fn boxed(mut groups: G, state: &[DataType]) -> Result<Box<dyn Accumulator>> {
        // A group of which nothing is known yet.
        let nothing: Vec<_> = state.iter().map(new_empty_array).collect();
        groups.merge_batch(&nothing, &[], 1)?;
        Ok(Box::new(Self(groups)))
    }
}

impl<G: Debug> Debug for Single<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<G: GroupsAccumulator + Debug + Sync + 'static> Accumulator for Single<G> {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.0.update_batch(values, &vec![0; values[0].len()], None, 1)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        ScalarValue::try_from_array(&self.0.evaluate(EmitTo::All)?, 0)
    }

    fn size(&self) -> usize {
        self.0.size()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let state = self.0.state(EmitTo::All)?;
        state.iter().map(|column| ScalarValue::try_from_array(column, 0)).collect()
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.0.merge_batch(states, &vec![0; states[0].len()], 1)
    }
}
