//! The SQL functions that the detectors use. One file a function, named as in SQL.
//!
//! All of them are registered here and nowhere else, so that a scheduler, an executor and a
//! notebook see the same set. What functions over time share is in [`timestamps`] and [`busiest`], what those
//! over sessions share in [`sessions`].

mod activity;
mod benjamini_hochberg;
mod binomial_at_most;
mod bursts;
mod busiest;
mod components;
mod crowded_stretches;
mod earliest_ids;
mod expected_entropy;
mod gap_squares;
mod hash64;
mod hourly_activity;
mod hourly_profile;
mod ip_text;
mod keyspace_passes;
mod leading_bits;
mod least_text;
mod lookup_sessions;
mod mann_kendall;
mod median_gap;
mod midnight;
mod nearest_bits;
mod network;
mod occasions;
mod occupancy;
mod operator;
mod pause_squares;
mod poisson_at_least;
mod poisson_at_most;
mod prefix_groups;
mod rarefaction_test;
mod rayleigh_test;
mod scan_test;
mod schedule;
mod seconds;
mod sessions;
mod shared_prefix_bits;
mod single;
mod single_pass_test;
mod spacing_test;
mod timestamps;
mod visit_sessions;

pub use ip_text::ip_text;
pub use operator::operator;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Float64Array};
use datafusion::arrow::datatypes::{DataType, Float64Type, Int64Type};
use datafusion::error::Result;
use datafusion::execution::FunctionRegistry;
use datafusion::functions::utils::make_scalar_function;
use datafusion::logical_expr::{AggregateUDF, ScalarUDF, Signature, SimpleScalarUDF, Volatility, WindowUDF};
use std::sync::Arc;

/// The scalar functions.
#[must_use]
pub fn scalar() -> Vec<ScalarUDF> {
    vec![
        binomial_at_most::function(),
        expected_entropy::function(),
        hash64::function(),
        ip_text::function(),
        leading_bits::function(),
        mann_kendall::function(),
        midnight::function(),
        network::function(),
        occupancy::function(),
        operator::function(),
        poisson_at_least::function(),
        poisson_at_most::function(),
        rarefaction_test::function(),
        rayleigh_test::function(),
        scan_test::function(),
        seconds::function(),
        shared_prefix_bits::function(),
        single_pass_test::function(),
        spacing_test::function(),
    ]
}

/// The aggregate functions.
#[must_use]
pub fn aggregate() -> Vec<AggregateUDF> {
    vec![
        activity::function(),
        bursts::function(),
        components::function(),
        crowded_stretches::function(),
        earliest_ids::function(),
        gap_squares::function(),
        hourly_activity::function(),
        hourly_profile::function(),
        keyspace_passes::function(),
        least_text::function(),
        lookup_sessions::function(),
        median_gap::function(),
        nearest_bits::function(),
        occasions::function(),
        pause_squares::function(),
        prefix_groups::function(),
        schedule::function(),
        visit_sessions::function(),
    ]
}

/// The window functions.
#[must_use]
pub fn window() -> Vec<WindowUDF> {
    vec![benjamini_hochberg::function()]
}

/// Registers every function.
///
/// # Errors
/// When the registry refuses one.
pub fn register(registry: &mut dyn FunctionRegistry) -> Result<()> {
    for function in scalar() {
        registry.register_udf(Arc::new(function))?;
    }
    for function in aggregate() {
        registry.register_udaf(Arc::new(function))?;
    }
    for function in window() {
        registry.register_udwf(Arc::new(function))?;
    }
    Ok(())
}

/// A scalar function that computes one column from columns of equal length.
fn columnwise(
    name: &str,
    signature: Signature,
    returns: DataType,
    compute: fn(&[ArrayRef]) -> Result<ArrayRef>,
) -> ScalarUDF {
    let compute = Arc::new(make_scalar_function(compute, vec![]));
    ScalarUDF::from(SimpleScalarUDF::new_with_signature(name, signature, returns, compute))
}

/// A scalar function of `N` numbers, which SQL casts to DOUBLE; null where one of them is.
fn numeric<const N: usize>(name: &str, compute: fn([f64; N]) -> Option<f64>) -> ScalarUDF {
    let signature = Signature::exact(vec![DataType::Float64; N], Volatility::Immutable);
    let columns = move |columns: &[ArrayRef]| -> Result<ArrayRef> {
        let columns: [_; N] = std::array::from_fn(|index| columns[index].as_primitive::<Float64Type>());
        let value = |row: usize| {
            let given = columns.iter().all(|column| column.is_valid(row));
            given.then(|| compute(columns.map(|column| column.value(row)))).flatten()
        };
        Ok(Arc::new((0..columns[0].len()).map(value).collect::<Float64Array>()))
    };
    let compute = Arc::new(make_scalar_function(columns, vec![]));
    ScalarUDF::from(SimpleScalarUDF::new_with_signature(name, signature, DataType::Float64, compute))
}

/// A scalar function of a BIGINT and a DOUBLE; null where one of them is.
fn of_count(name: &str, compute: fn(i64, f64) -> Option<f64>) -> ScalarUDF {
    let signature = Signature::exact(vec![DataType::Int64, DataType::Float64], Volatility::Immutable);
    let columns = move |columns: &[ArrayRef]| -> Result<ArrayRef> {
        let counts = columns[0].as_primitive::<Int64Type>().iter();
        let values = counts.zip(columns[1].as_primitive::<Float64Type>());
        Ok(Arc::new(values.map(|(count, value)| compute(count?, value?)).collect::<Float64Array>()))
    };
    let compute = Arc::new(make_scalar_function(columns, vec![]));
    ScalarUDF::from(SimpleScalarUDF::new_with_signature(name, signature, DataType::Float64, compute))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_name_is_taken_once() {
        let names: Vec<_> = scalar()
            .iter()
            .map(|function| function.name().to_owned())
            .chain(aggregate().iter().map(|function| function.name().to_owned()))
            .chain(window().iter().map(|function| function.name().to_owned()))
            .collect();
        assert_eq!(names.iter().collect::<HashSet<_>>().len(), names.len(), "{names:?}");
    }
}
