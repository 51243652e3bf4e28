//! `expected_entropy(draws, shares) → DOUBLE`: the entropy, in bits and with the correction of Miller and
//! Madow, that so many independent draws show on average when `shares` (a list that adds up to 1) are
//! the probabilities of what is drawn.
//!
//! A sample shows less entropy than what it is drawn from, the less the smaller it is, and the
//! correction makes up for part of that only. What is observed is held against this expectation and
//! not against the entropy of `shares`. It is exact: the sum over all counts that a cell may have.

use super::columnwise;
use datafusion::arrow::array::{Array, ArrayRef, AsArray, Float64Array};
use datafusion::arrow::datatypes::{DataType, Field, Float64Type, Int64Type};
use datafusion::error::Result;
use datafusion::logical_expr::{ScalarUDF, Signature, Volatility};
use std::sync::Arc;

/// Counts whose probability is this small beside that of the likeliest are left out.
const NEGLIGIBLE: f64 = 1e-18;

pub(super) fn function() -> ScalarUDF {
    let shares = DataType::List(Arc::new(Field::new_list_field(DataType::Float64, true)));
    let signature = Signature::exact(vec![DataType::Int64, shares], Volatility::Immutable);
    columnwise("expected_entropy", signature, DataType::Float64, entropies)
}

fn entropies(columns: &[ArrayRef]) -> Result<ArrayRef> {
    let draws = columns[0].as_primitive::<Int64Type>();
    let lists = columns[1].as_list::<i32>();
    let entropies: Float64Array = draws
        .iter()
        .enumerate()
        .map(|(row, draws)| {
            let shares = lists.is_valid(row).then(|| lists.value(row))?;
            Some(expected(draws?, shares.as_primitive::<Float64Type>().values()))
        })
        .collect();
    Ok(Arc::new(entropies))
}

fn expected(draws: i64, shares: &[f64]) -> f64 {
    if draws < 1 {
        return 0.0;
    }
    let n = draws as f64;
    let plug_in: f64 = shares.iter().map(|&share| surprise(n, share)).sum();
    let occupied: f64 = shares.iter().map(|share| -(n * (-share).ln_1p()).exp_m1()).sum();
    plug_in + (occupied - 1.0) / (2.0 * n * std::f64::consts::LN_2)
}

/// The mean of −k/n·log₂(k/n) over the binomial distribution of k, starting from its likeliest value.
fn surprise(n: f64, share: f64) -> f64 {
    if share <= 0.0 || share >= 1.0 {
        return 0.0;
    }
    let odds = share / (1.0 - share);
    let term = |k: f64| if k > 0.0 { -k / n * (k / n).log2() } else { 0.0 };
    let likeliest = ((n + 1.0) * share).floor().min(n);
    let (mut weights, mut sum) = (1.0, term(likeliest));
    let (mut k, mut weight) = (likeliest, 1.0);
    while k < n && weight > NEGLIGIBLE {
        weight *= (n - k) / (k + 1.0) * odds;
        k += 1.0;
        weights += weight;
        sum += weight * term(k);
    }
    (k, weight) = (likeliest, 1.0);
    while k > 0.0 && weight > NEGLIGIBLE {
        weight *= k / ((n - k + 1.0) * odds);
        k -= 1.0;
        weights += weight;
        sum += weight * term(k);
    }
    sum / weights
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_draws_of_two_cells_by_hand() {
        // HH, HT, TH, TT: the entropy is 0 or 1 bit, the correction 0 or 1/(4 ln 2), half the time each.
        let by_hand = 0.5 + 0.5 / (4.0 * std::f64::consts::LN_2);
        assert!((expected(2, &[0.5, 0.5]) - by_hand).abs() < 1e-12);
    }

    #[test]
    fn many_draws_show_the_entropy_of_what_they_are_drawn_from() {
        assert!((expected(1_000_000, &[0.25; 4]) - 2.0).abs() < 1e-9);
        let lopsided = [0.5, 0.25, 0.125, 0.125];
        assert!((expected(1_000_000, &lopsided) - 1.75).abs() < 1e-9);
        assert_eq!([expected(0, &[1.0]), expected(1, &[0.5, 0.5]), expected(9, &[1.0])], [0.0; 3]);
    }

    #[test]
    fn a_small_sample_shows_less_than_there_is() {
        let uniform = [1.0 / 256.0; 256];
        let shown = expected(32, &uniform);
        assert!((5.0..6.0).contains(&shown), "{shown}");
        assert!(expected(64, &uniform) > shown);
    }
}
