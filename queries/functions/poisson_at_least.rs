//! `poisson_at_least(count, mean) → DOUBLE`: the probability that a Poisson variable with that mean is at least
//! `count`: P(X ≥ k) = γ(k, µ)/Γ(k), 1 for k = 0, the regularised incomplete gamma function.
//!
//! The result lies in 0–1; null for a null, a negative count or mean, or a mean that is no number.
//!
//! NIST Digital Library of Mathematical Functions, 8.4.

use super::of_count;
use datafusion::logical_expr::ScalarUDF;
use statrs::function::gamma::checked_gamma_lr;

pub(super) fn function() -> ScalarUDF {
    of_count("poisson_at_least", at_least)
}

fn at_least(count: i64, mean: f64) -> Option<f64> {
    match (count, mean) {
        (..0, _) => None,
        (0, 0.0..) => Some(1.0),
        (_, 0.0) => Some(0.0),
        _ if mean > 0.0 && mean.is_finite() => checked_gamma_lr(count as f64, mean).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_agrees_with_the_sum() {
        for mean in [0.01_f64, 0.7, 3.0, 20.0] {
            let mut chance = (-mean).exp();
            let mut below = 0.0;
            for count in 0..60 {
                let got = at_least(count, mean).expect("a probability");
                assert!((got - (1.0 - below)).abs() < 1e-12, "{count}, {mean}: {got}");
                below += chance;
                chance *= mean / (count as f64 + 1.0);
            }
        }
        assert_eq!([at_least(0, 0.0), at_least(2, 0.0)], [Some(1.0), Some(0.0)]);
        assert_eq!([at_least(-1, 1.0), at_least(1, -1.0), at_least(1, f64::NAN)], [None; 3]);
    }
}
