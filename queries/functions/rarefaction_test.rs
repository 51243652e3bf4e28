//! `rarefaction_test(networks, operators, sizes, counts) → DOUBLE`: how likely that many operators, taken at
//! random, come from at least so many networks, at most.
//!
//! The population has `counts[i]` networks of `sizes[i]` operators each. Under the null n of all N operators
//! are drawn without replacement; network j is among them with πⱼ = 1 − C(N − sⱼ, n)/C(N, n), and Σ πⱼ is what
//! rarefaction expects. Whether one network is among them speaks against the others (the indicators are
//! negatively associated), so that Chernoff's bound for independent ones holds:
//!
//! P(X ≥ a) ≤ min over t ≥ 0 of e^(−ta) · Π (1 + πⱼ(eᵗ − 1))
//!
//! The result lies in 0–1; null for a null, or where the population has not so many operators or networks.
//!
//! K. L. Heck, G. van Belle, D. Simberloff, “Explicit calculation of the rarefaction diversity measurement and
//! the determination of sufficient sample size”, Ecology 56 (1975). K. Joag-Dev, F. Proschan, “Negative
//! association of random variables with applications”, Annals of Statistics 11 (1983).

use super::columnwise;
use datafusion::arrow::array::{Array, ArrayRef, AsArray, Float64Array};
use datafusion::arrow::datatypes::{DataType, Field, Int64Type};
use datafusion::error::Result;
use datafusion::logical_expr::{ScalarUDF, Signature, Volatility};
use statrs::function::gamma::ln_gamma;
use std::sync::Arc;

/// Greatest t looked at: e⁻⁶⁰ is nothing.
const GREATEST: f64 = 60.0;
/// Halvings after which t is exact to the last digit.
const HALVINGS: u32 = 60;

pub(super) fn function() -> ScalarUDF {
    let list = DataType::List(Arc::new(Field::new_list_field(DataType::Int64, true)));
    let arguments = vec![DataType::Int64, DataType::Int64, list.clone(), list];
    let signature = Signature::exact(arguments, Volatility::Immutable);
    columnwise("rarefaction_test", signature, DataType::Float64, probabilities)
}

fn probabilities(columns: &[ArrayRef]) -> Result<ArrayRef> {
    let [networks, operators] = [0, 1].map(|index: usize| columns[index].as_primitive::<Int64Type>());
    let [sizes, counts] = [2, 3].map(|index: usize| columns[index].as_list::<i32>());
    let value = |row: usize| {
        let given = columns.iter().all(|column| column.is_valid(row));
        let list = |index: &datafusion::arrow::array::ListArray| {
            index.value(row).as_primitive::<Int64Type>().values().to_vec()
        };
        given
            .then(|| p_value(networks.value(row), operators.value(row), &list(sizes), &list(counts)))
            .flatten()
    };
    Ok(Arc::new((0..networks.len()).map(value).collect::<Float64Array>()))
}

fn p_value(networks: i64, operators: i64, sizes: &[i64], counts: &[i64]) -> Option<f64> {
    let groups = || sizes.iter().copied().zip(counts.iter().copied());
    let population: i64 = groups().map(|(size, count)| size * count).sum();
    let all: i64 = counts.iter().sum();
    if !(0..=all).contains(&networks) || !(0..=population).contains(&operators) || networks > operators {
        return None;
    }
    let (n, all) = (operators as f64, population as f64);
    // Natural logarithm of C(left, n).
    let ways = |left: f64| ln_gamma(left + 1.0) - ln_gamma(left - n + 1.0);
    let among = |size: i64| match all - size as f64 {
        left if left < n => 1.0,
        left => -(ways(left) - ways(all)).exp_m1(),
    };
    let groups: Vec<(f64, f64)> = groups().map(|(size, count)| (among(size), count as f64)).collect();
    let wanted = networks as f64;
    let tilted = |t: f64| -> f64 {
        groups.iter().map(|(p, count)| count * p * t.exp() / (1.0 + p * t.exp_m1())).sum::<f64>()
    };
    if tilted(0.0) >= wanted {
        return Some(1.0);
    }
    let (mut from, mut to) = (0.0, GREATEST);
    for _ in 0..HALVINGS {
        let middle = 0.5 * (from + to);
        if tilted(middle) < wanted { from = middle } else { to = middle }
    }
    let ln_p: f64 = groups.iter().map(|(p, count)| count * (p * from.exp_m1()).ln_1p()).sum::<f64>();
    Some((ln_p - from * wanted).min(0.0).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_rarefaction_expects_is_no_surprise() {
        // Four networks of one operator each and one of ninety-six: ten operators bring 1.4 networks.
        assert_eq!(p_value(1, 10, &[1, 96], &[4, 1]), Some(1.0));
        let [two, five] = [2, 5].map(|networks| p_value(networks, 10, &[1, 96], &[4, 1]).expect("a p-value"));
        assert!(two > 0.3 && five < 0.01, "{two}, {five}");
    }

    #[test]
    fn what_cannot_be_has_no_p_value() {
        assert_eq!(p_value(6, 10, &[1, 96], &[4, 1]), None);
        assert_eq!(p_value(3, 2, &[1, 96], &[4, 1]), None);
        assert_eq!(p_value(3, 101, &[1, 96], &[4, 1]), None);
    }
}
