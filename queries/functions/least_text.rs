//! `least_text(text) → VARCHAR`: the first of a group's texts in the order of their bytes, which is what `min` gives;
//! null where all are null.
//!
//! It is for columns of few texts and many groups, such as the country of each address: a text is held once, and each
//! group holds its number.

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, StringArray};
use datafusion::arrow::compute::nullif;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::HashMap;
use datafusion::error::Result;
use datafusion::functions_aggregate::min_max::MinAccumulator;
use datafusion::logical_expr::function::AccumulatorArgs;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, EmitTo, GroupsAccumulator, Signature, Volatility,
};
use std::sync::Arc;

pub(super) fn function() -> AggregateUDF {
    let signature = Signature::exact(vec![DataType::Utf8], Volatility::Immutable);
    AggregateUDF::from(LeastText { signature })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct LeastText {
    signature: Signature,
}

impl AggregateUDFImpl for LeastText {
    fn name(&self) -> &str {
        "least_text"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn accumulator(&self, _: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(MinAccumulator::try_new(&DataType::Utf8)?))
    }

    fn groups_accumulator_supported(&self, _: AccumulatorArgs) -> bool {
        true
    }

    fn create_groups_accumulator(&self, _: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(Least::default()))
    }
}

/// The least text of every group so far.
#[derive(Debug, Default)]
struct Least {
    texts: Vec<Arc<str>>,
    numbers: HashMap<Arc<str>, u32>,
    /// By group, the place of its text.
    groups: Vec<Option<u32>>,
}

impl Least {
    fn see(&mut self, group: usize, text: &str) {
        if self.groups[group].is_none_or(|held| text < &*self.texts[held as usize]) {
            self.groups[group] = Some(self.number(text));
        }
    }

    fn number(&mut self, text: &str) -> u32 {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        let (number, text) = (self.texts.len() as u32, Arc::<str>::from(text));
        self.texts.push(Arc::clone(&text));
        self.numbers.insert(text, number);
        number
    }
}

impl GroupsAccumulator for Least {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        self.groups.resize(total, None);
        let counts = |row: usize| filter.is_none_or(|filter| filter.is_valid(row) && filter.value(row));
        let texts = values[0].as_string::<i32>().iter().zip(groups).enumerate();
        for (_, (text, group)) in texts.filter(|(row, _)| counts(*row)) {
            text.into_iter().for_each(|text| self.see(*group, text));
        }
        Ok(())
    }

    fn evaluate(&mut self, emit: EmitTo) -> Result<ArrayRef> {
        let text = |number: u32| &*self.texts[number as usize];
        let groups = emit.take_needed(&mut self.groups);
        Ok(Arc::new(groups.into_iter().map(|group| group.map(text)).collect::<StringArray>()))
    }

    fn state(&mut self, emit: EmitTo) -> Result<Vec<ArrayRef>> {
        Ok(vec![self.evaluate(emit)?])
    }

    fn merge_batch(&mut self, values: &[ArrayRef], groups: &[usize], total: usize) -> Result<()> {
        self.update_batch(values, groups, None, total)
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        let Some(filter) = filter else { return Ok(values.to_vec()) };
        let left_out: BooleanArray = filter.iter().map(|counts| Some(counts != Some(true))).collect();
        Ok(vec![nullif(&values[0], &left_out)?])
    }

    fn size(&self) -> usize {
        let texts =
            self.texts.iter().map(|text| text.len() + 2 * size_of::<(Arc<str>, u32)>()).sum::<usize>();
        texts + self.groups.capacity() * size_of::<Option<u32>>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(texts: &[Option<&str>]) -> ArrayRef {
        Arc::new(texts.iter().copied().collect::<StringArray>())
    }

    #[test]
    fn each_group_has_its_least_text_whatever_the_order_and_the_stages() {
        let rows = texts(&[Some("NL"), Some("DE"), None, Some("DE"), Some("AT"), Some("FR"), Some("ZW")]);
        let groups = [0, 0, 1, 2, 2, 2, 3];
        let filter = BooleanArray::from(vec![
            Some(true),
            Some(true),
            Some(true),
            Some(true),
            Some(false),
            Some(true),
            None,
        ]);
        let expected = texts(&[Some("DE"), None, Some("DE"), None]);
        let mut once = Least::default();
        once.update_batch(&[Arc::clone(&rows)], &groups, Some(&filter), 4).expect("rows");
        assert_eq!(&once.evaluate(EmitTo::All).expect("texts"), &expected);
        let state = once.convert_to_state(&[rows], Some(&filter)).expect("a state");
        let mut twice = Least::default();
        twice.merge_batch(&state, &groups, 4).expect("rows");
        assert_eq!(&twice.evaluate(EmitTo::First(1)).expect("texts"), &texts(&[Some("DE")]));
        assert_eq!(&twice.evaluate(EmitTo::All).expect("texts"), &texts(&[None, Some("DE"), None]));
    }
}
