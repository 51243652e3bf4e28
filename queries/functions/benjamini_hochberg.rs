//! `benjamini_hochberg(p [, member]) OVER (…) → DOUBLE`: the q-value of every p-value of a family: the least false
//! discovery rate at which it would still be reported, 0 to 1.
//!
//! Of m p-values in ascending order, q₍ᵢ₎ is the minimum of m·p₍ⱼ₎/j over all j ≥ i, and 1 at most
//! (Benjamini and Hochberg 1995, as the adjusted p-values of Yekutieli and Benjamini 1999). The family is the
//! whole partition, whatever the order of its rows: a frame plays no role. A null is a unit that was not
//! tested: it gets null and does not count in m. What lies outside 0 to 1 is an error.
//!
//! Where only some are members of the family (the others speak for a member), each of the others gets the q-value of
//! the next larger p-value of a member, and 1 where there is none.

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Float64Array};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Float64Type};
use datafusion::common::exec_err;
use datafusion::error::Result;
use datafusion::logical_expr::function::{PartitionEvaluatorArgs, WindowUDFFieldArgs};
use datafusion::logical_expr::{
    PartitionEvaluator, Signature, TypeSignature, Volatility, WindowUDF, WindowUDFImpl,
};
use std::sync::Arc;

pub(super) fn function() -> WindowUDF {
    let all = TypeSignature::Exact(vec![DataType::Float64]);
    let members = TypeSignature::Exact(vec![DataType::Float64, DataType::Boolean]);
    let signature = Signature::one_of(vec![all, members], Volatility::Immutable);
    WindowUDF::from(BenjaminiHochberg { signature })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct BenjaminiHochberg {
    signature: Signature,
}

impl WindowUDFImpl for BenjaminiHochberg {
    fn name(&self) -> &str {
        "benjamini_hochberg"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn partition_evaluator(&self, _: PartitionEvaluatorArgs) -> Result<Box<dyn PartitionEvaluator>> {
        Ok(Box::new(Family))
    }

    fn field(&self, args: WindowUDFFieldArgs) -> Result<FieldRef> {
        Ok(Arc::new(Field::new(args.name(), DataType::Float64, true)))
    }
}

#[derive(Debug)]
struct Family;

impl PartitionEvaluator for Family {
    fn evaluate_all(&mut self, values: &[ArrayRef], _: usize) -> Result<ArrayRef> {
        let p_values = values[0].as_primitive::<Float64Type>();
        if let Some(p) = p_values.iter().flatten().find(|p| !(0.0..=1.0).contains(p)) {
            return exec_err!("benjamini_hochberg: {p} is no p-value");
        }
        Ok(Arc::new(q_values(p_values, values.get(1).map(|members| members.as_boolean()))))
    }
}

fn q_values(p_values: &Float64Array, members: Option<&BooleanArray>) -> Float64Array {
    let is_member = |row: usize| members.is_none_or(|members| members.is_valid(row) && members.value(row));
    let mut tested: Vec<usize> = (0..p_values.len()).filter(|&row| p_values.is_valid(row)).collect();
    // Of equals members last: from the back they come first.
    let key = |row: usize| (p_values.value(row), is_member(row));
    tested.sort_unstable_by(|&a, &b| {
        let ((a, of_a), (b, of_b)) = (key(a), key(b));
        a.total_cmp(&b).then(of_a.cmp(&of_b))
    });
    let family = tested.iter().filter(|&&row| is_member(row)).count();
    let mut q_values = vec![None; p_values.len()];
    let (mut least, mut rank) = (1.0_f64, family);
    for &row in tested.iter().rev() {
        if is_member(row) {
            least = least.min(p_values.value(row) * family as f64 / rank as f64);
            rank -= 1;
        }
        q_values[row] = Some(least);
    }
    q_values.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_larger_p_value_never_has_a_smaller_q_value() {
        let p_values = Float64Array::from(vec![0.01, 0.04, 0.03, 0.005, 0.5]);
        let expected = [0.025, 0.05, 0.05, 0.025, 0.5];
        for (q, expected) in q_values(&p_values, None).iter().zip(expected) {
            assert!((q.expect("tested") - expected).abs() < 1e-15, "{q:?}, {expected}");
        }
    }

    #[test]
    fn what_was_not_tested_does_not_count() {
        let p_values = Float64Array::from(vec![None, Some(0.02), None, Some(0.9)]);
        assert_eq!(q_values(&p_values, None), Float64Array::from(vec![None, Some(0.04), None, Some(0.9)]));
        assert_eq!(q_values(&Float64Array::from(vec![None]), None), Float64Array::from(vec![None]));
    }

    #[test]
    fn who_is_no_member_goes_by_the_next_member() {
        let p_values = Float64Array::from(vec![0.04, 0.01, 0.02, 0.9, 0.04]);
        let members = BooleanArray::from(vec![Some(true), Some(true), Some(false), None, Some(false)]);
        let expected = Float64Array::from(vec![0.04, 0.02, 0.04, 1.0, 0.04]);
        assert_eq!(q_values(&p_values, Some(&members)), expected);
    }

    #[test]
    fn what_is_no_p_value_is_refused() {
        for p in [-1e-300, 1.000_001, f64::NAN] {
            let column: ArrayRef = Arc::new(Float64Array::from(vec![0.5, p]));
            assert!(Family.evaluate_all(&[column], 2).is_err(), "{p}");
        }
    }
}
