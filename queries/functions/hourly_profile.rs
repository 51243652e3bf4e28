//! `hourly_profile(ts) → LIST of DOUBLE`: the share of a group's timestamps in each of the 24 hours of
//! the day (UTC); all 0 when there is none.
//!
//! The inner product of two profiles is the chance that two moments, one drawn from each, fall into
//! the same hour of the day.

use super::timestamps::{FoldAll, over_time};
use datafusion::arrow::array::{ArrayRef, Float64Array, ListArray};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::error::Result;
use datafusion::logical_expr::AggregateUDF;
use std::sync::Arc;

const HOUR: i64 = 3_600_000_000;
const HOURS: usize = 24;

pub(super) fn function() -> AggregateUDF {
    over_time("hourly_profile", vec![], DataType::List(field()), |_| Ok(Profile))
}

fn field() -> FieldRef {
    Arc::new(Field::new_list_field(DataType::Float64, true))
}

#[derive(Debug)]
struct Profile;

/// Shares of `timestamps` (µs) by hour of the day.
fn shares(timestamps: &[i64]) -> [f64; HOURS] {
    let mut shares = [0.0; HOURS];
    let each = 1.0 / timestamps.len() as f64;
    for timestamp in timestamps {
        shares[timestamp.div_euclid(HOUR).rem_euclid(HOURS as i64) as usize] += each;
    }
    shares
}

fn profiles<'a>(groups: impl Iterator<Item = &'a [i64]>) -> ListArray {
    let shares: Vec<[f64; HOURS]> = groups.map(shares).collect();
    let ends = OffsetBuffer::from_repeated_length(HOURS, shares.len());
    let shares = Float64Array::from(shares.into_flattened());
    ListArray::new(field(), ends, Arc::new(shares), None)
}

impl FoldAll for Profile {
    fn fold_all<'a>(&self, groups: impl Iterator<Item = &'a [i64]>) -> Result<ArrayRef> {
        Ok(Arc::new(profiles(groups)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_are_those_of_the_day() {
        let profile = shares(&[0, HOUR - 1, 24 * HOUR + 1, 5 * HOUR, 29 * HOUR, -HOUR, -HOUR, 23 * HOUR]);
        let expected = |hour: usize| {
            [(0, 0.375), (5, 0.25), (23, 0.375)].iter().find(|at| at.0 == hour).map_or(0.0, |at| at.1)
        };
        assert_eq!(profile.to_vec(), (0..HOURS).map(expected).collect::<Vec<_>>());
        assert_eq!(shares(&[]), [0.0; HOURS]);
    }
}
