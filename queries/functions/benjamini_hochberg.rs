//! `benjamini_hochberg(p) OVER (…) → DOUBLE`: the q-value of every p-value of a family: the least false
//! discovery rate at which it would still be reported, 0 to 1.
//!
//! Of m p-values in ascending order, q₍ᵢ₎ is the minimum of m·p₍ⱼ₎/j over all j ≥ i, and 1 at most
//! (Benjamini and Hochberg 1995, as the adjusted p-values of Yekutieli and Benjamini 1999). The family is the
//! whole partition, whatever the order of its rows: a frame plays no role. A null is a unit that was not
//! tested: it gets null and does not count in m. What lies outside 0 to 1 is an error.

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Float64Array};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Float64Type};
use datafusion::common::exec_err;
use datafusion::error::Result;
use datafusion::logical_expr::function::{PartitionEvaluatorArgs, WindowUDFFieldArgs};
use datafusion::logical_expr::{PartitionEvaluator, Signature, Volatility, WindowUDF, WindowUDFImpl};
use std::sync::Arc;

pub(super) fn function() -> WindowUDF {
    let signature = Signature::exact(vec![DataType::Float64], Volatility::Immutable);
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
        Ok(Arc::new(q_values(p_values)))
    }
}

fn q_values(p_values: &Float64Array) -> Float64Array {
    let mut tested: Vec<usize> = (0..p_values.len()).filter(|&row| p_values.is_valid(row)).collect();
    tested.sort_unstable_by(|&a, &b| p_values.value(a).total_cmp(&p_values.value(b)));
    let mut q_values = vec![None; p_values.len()];
    let mut least = 1.0_f64;
    for (before, &row) in tested.iter().enumerate().rev() {
        least = least.min(p_values.value(row) * tested.len() as f64 / (before + 1) as f64);
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
        for (q, expected) in q_values(&p_values).iter().zip(expected) {
            assert!((q.expect("tested") - expected).abs() < 1e-15, "{q:?}, {expected}");
        }
    }

    #[test]
    fn what_was_not_tested_does_not_count() {
        let p_values = Float64Array::from(vec![None, Some(0.02), None, Some(0.9)]);
        assert_eq!(q_values(&p_values), Float64Array::from(vec![None, Some(0.04), None, Some(0.9)]));
        assert_eq!(q_values(&Float64Array::from(vec![None])), Float64Array::from(vec![None]));
    }

    #[test]
    fn what_is_no_p_value_is_refused() {
        for p in [-1e-300, 1.000_001, f64::NAN] {
            let column: ArrayRef = Arc::new(Float64Array::from(vec![0.5, p]));
            assert!(Family.evaluate_all(&[column], 2).is_err(), "{p}");
        }
    }
}
