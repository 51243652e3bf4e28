//! `mann_kendall(balance, ties) → DOUBLE`: how likely chance gives a sequence in random order a trend as
//! strong as this one, up or down: the p-value of the Mann–Kendall test.
//!
//! `balance` is Kendall's S: pairs in ascending order less those in descending order. `ties` says how often
//! each value comes, so that n is its sum and M = n(n−1)/2 − Σ t(t−1)/2 pairs differ. Under the null every
//! order of the n values is as likely as every other. The number of pairs in the wrong order, (M − |S|)/2,
//! then has the generating function Π [n]!/Π [t]! in q (MacMahon), divided by its sum, and the result is
//! twice the probability of as few or fewer. It is exact up to [`EXACT`] values. Beyond, S is taken for
//! normal, with variance (n(n−1)(2n+5) − Σ t(t−1)(2t+5))/18 and the correction for continuity of 1.
//!
//! The result lies in 0–1 and is 1 where nothing differs; null for a null or where no sequence has that
//! balance.
//!
//! H. B. Mann, “Nonparametric tests against trend”, Econometrica 13 (1945). M. G. Kendall, “Rank Correlation
//! Methods”, 4th ed. 1970, ch. 4: ties. P. A. MacMahon, “Combinatory Analysis” I, 1915: inversions.

use super::columnwise;
use datafusion::arrow::array::{Array, ArrayRef, AsArray, Float64Array};
use datafusion::arrow::datatypes::{DataType, Field, Int64Type};
use datafusion::error::Result;
use datafusion::logical_expr::{ScalarUDF, Signature, Volatility};
use statrs::function::erf::erfc;
use std::sync::Arc;

/// Values up to which the distribution is worked out; its cost grows with the cube. Beyond, the normal
/// distribution is within 0.006 of it, and above it in the tail.
const EXACT: i64 = 50;

pub(super) fn function() -> ScalarUDF {
    let ties = DataType::List(Arc::new(Field::new_list_field(DataType::Int64, true)));
    let signature = Signature::exact(vec![DataType::Int64, ties], Volatility::Immutable);
    columnwise("mann_kendall", signature, DataType::Float64, p_values)
}

fn p_values(columns: &[ArrayRef]) -> Result<ArrayRef> {
    let balances = columns[0].as_primitive::<Int64Type>();
    let lists = columns[1].as_list::<i32>();
    let values: Float64Array = balances
        .iter()
        .enumerate()
        .map(|(row, balance)| {
            let ties = lists.is_valid(row).then(|| lists.value(row))?;
            let ties = ties.as_primitive::<Int64Type>();
            (ties.null_count() == 0).then(|| p_value(balance?, ties.values())).flatten()
        })
        .collect();
    Ok(Arc::new(values))
}

fn p_value(balance: i64, ties: &[i64]) -> Option<f64> {
    let pairs = |n: i64| n * (n - 1) / 2;
    let n: i64 = ties.iter().sum();
    let untied = pairs(n) - ties.iter().map(|&ties| pairs(ties)).sum::<i64>();
    let balance = balance.abs();
    if ties.iter().any(|&ties| ties < 1) || balance > untied || (untied - balance) % 2 != 0 {
        return None;
    }
    let one_sided = if n <= EXACT {
        let wrong = usize::try_from((untied - balance) / 2).ok()?;
        as_few(wrong, ties)
    } else {
        let spread = |n: i64| n as f64 * (n - 1) as f64 * (2 * n + 5) as f64;
        let variance = (spread(n) - ties.iter().map(|&ties| spread(ties)).sum::<f64>()) / 18.0;
        erfc((balance - 1).max(0) as f64 / (2.0 * variance).sqrt()) / 2.0
    };
    Some((2.0 * one_sided).min(1.0))
}

/// The probability of at most `wrong` pairs in the wrong order.
fn as_few(wrong: usize, ties: &[i64]) -> f64 {
    // The coefficients up to `wrong`. Every value that is added multiplies by (1 + q + … + q^(m−1))/m, m
    // being their number with it, and the i-th of its kind divides by the same for i. Rounding errors do not
    // build up: with 50 values they stay below 10⁻¹⁴ of the result.
    let mut chances = vec![0.0; wrong + 1];
    chances[0] = 1.0;
    let mut held = 0;
    for &ties in ties {
        for of_its_kind in 1..=ties as usize {
            held += 1;
            let before = chances.clone();
            let mut sum = 0.0;
            for (k, chance) in chances.iter_mut().enumerate() {
                sum += before[k] - if k >= held { before[k - held] } else { 0.0 };
                *chance = sum / held as f64;
            }
            if of_its_kind == 1 {
                continue;
            }
            let before = chances.clone();
            for k in 0..chances.len() {
                let one_less = if k > 0 { before[k - 1] } else { 0.0 };
                let earlier = if k >= of_its_kind { chances[k - of_its_kind] } else { 0.0 };
                chances[k] = (before[k] - one_less) * of_its_kind as f64 + earlier;
            }
        }
    }
    chances.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All orders of `values`, by Heap's method, as often as each balance comes.
    fn balances(values: &mut [i32], n: usize, found: &mut Vec<i64>) {
        if n <= 1 {
            let signs = (0..values.len()).flat_map(|b| (0..b).map(move |a| (a, b)));
            found.push(signs.map(|(a, b)| i64::from((values[b] - values[a]).signum())).sum());
            return;
        }
        for k in 0..n {
            balances(values, n - 1, found);
            values.swap(if n % 2 == 0 { k } else { 0 }, n - 1);
        }
    }

    #[test]
    fn it_agrees_with_the_count_of_all_orders() {
        for (values, ties) in [
            (&mut [1, 2, 3, 4, 5, 6, 7][..], &[1; 7][..]),
            (&mut [1, 1, 1, 2, 2, 3, 4], &[3, 2, 1, 1]),
            (&mut [1, 2, 2, 2, 2, 2, 3], &[1, 5, 1]),
            (&mut [1, 1, 1, 1, 2, 2, 2], &[4, 3]),
        ] {
            let mut found = Vec::new();
            balances(values, values.len(), &mut found);
            for &balance in &found {
                let extreme = found.iter().filter(|other| other.abs() >= balance.abs()).count();
                // As few pairs in the wrong order, twice: where none is more, the balance 0 counts twice.
                let counted = extreme as f64 / found.len() as f64;
                let p = p_value(balance, ties).expect("a p-value");
                match balance {
                    0 => assert_eq!(p, 1.0),
                    _ => assert!((p - counted).abs() < 1e-12, "{ties:?}, {balance}: {p}, {counted}"),
                }
            }
        }
    }

    #[test]
    fn the_normal_distribution_takes_over_without_a_step() {
        for ties in [vec![1; 50], vec![10; 5], [vec![1; 25], vec![25]].concat()] {
            let pairs = |n: i64| n * (n - 1) / 2;
            let untied = pairs(50) - ties.iter().map(|&ties| pairs(ties)).sum::<i64>();
            let spread = |n: i64| n as f64 * (n - 1) as f64 * (2 * n + 5) as f64;
            let variance = (spread(50) - ties.iter().map(|&ties| spread(ties)).sum::<f64>()) / 18.0;
            for balance in (0..=untied).filter(|balance| (untied - balance) % 2 == 0) {
                let normal = erfc((balance - 1).max(0) as f64 / (2.0 * variance).sqrt());
                let exact = p_value(balance, &ties).expect("a p-value");
                assert!((normal - exact).abs() < 3e-3, "{ties:?}, {balance}: {normal}, {exact}");
                assert!(exact > 1e-4 || normal >= exact, "{ties:?}, {balance}: {normal}, {exact}");
            }
        }
    }

    #[test]
    fn what_is_no_balance_of_such_a_sequence_is_null() {
        assert_eq!(p_value(4, &[1, 1, 1]), None);
        assert_eq!(p_value(2, &[1, 1, 1]), None);
        assert_eq!(p_value(0, &[1, 0]), None);
        assert_eq!([p_value(0, &[7]), p_value(0, &[])], [Some(1.0), Some(1.0)]);
    }
}
