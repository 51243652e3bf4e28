//! `poisson_at_most(count, mean) → DOUBLE`: the probability that a Poisson variable with that mean is at most
//! `count`: P(X ≤ k) = Γ(k + 1, µ)/k!, the regularised incomplete gamma function.
//!
//! The result lies in 0–1; null for a null, a negative count or mean, or a mean that is no number.
//!
//! NIST Digital Library of Mathematical Functions, 8.4.

use super::of_count;
use datafusion::logical_expr::ScalarUDF;
use statrs::function::gamma::checked_gamma_ur;

pub(super) fn function() -> ScalarUDF {
    of_count("poisson_at_most", at_most)
}

fn at_most(count: i64, mean: f64) -> Option<f64> {
    match (count, mean) {
        (..0, _) => None,
        (_, 0.0) => Some(1.0),
        _ if mean > 0.0 && mean.is_finite() => checked_gamma_ur(count as f64 + 1.0, mean).ok(),
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
                let got = at_most(count, mean).expect("a probability");
                below += chance;
                assert!((got - below).abs() < 1e-12, "{count}, {mean}: {got}");
                chance *= mean / (count as f64 + 1.0);
            }
        }
        assert_eq!([at_most(0, 0.0), at_most(2, 0.0)], [Some(1.0), Some(1.0)]);
        assert_eq!([at_most(-1, 1.0), at_most(1, -1.0), at_most(1, f64::NAN)], [None; 3]);
    }
}
