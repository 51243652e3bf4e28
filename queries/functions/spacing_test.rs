//! `spacing_test(gaps, cv) → DOUBLE`: how likely chance gives so many gaps a coefficient of variation (that
//! of the population) of at most `cv`.
//!
//! Under the null the moments that the gaps part fall independently and evenly between the first and the
//! last. The m gaps, divided by their sum, then are evenly spread over the simplex, and those with a
//! coefficient of at most c are the part of it inside a ball of radius c/√m around its centre:
//!
//! p = π^((m−1)/2) / Γ((m+1)/2) · (m−1)! / √m · (c/√m)^(m−1)
//!
//! It is exact for c ≤ 1/√(m−1), where the ball lies inside the simplex, and too large beyond. The result
//! lies in 0–1; null for a null, fewer than two gaps or a negative `cv`.
//!
//! Darling, “On a class of problems related to the random division of an interval”, Annals of Mathematical
//! Statistics 24 (1953): the division of an interval.

use super::numeric;
use datafusion::logical_expr::ScalarUDF;
use statrs::function::gamma::ln_gamma;
use std::f64::consts::PI;

pub(super) fn function() -> ScalarUDF {
    numeric("spacing_test", |[gaps, cv]| {
        (gaps >= 2.0 && cv >= 0.0).then(|| Spacings::new(gaps).ln_p(cv).exp())
    })
}

/// What the test needs to know about a number of gaps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spacings {
    gaps: f64,
    ln_constant: f64,
}

impl Spacings {
    pub(super) fn new(gaps: f64) -> Self {
        let half = 0.5 * (gaps - 1.0);
        let ln_constant =
            half * PI.ln() - ln_gamma(0.5 * (gaps + 1.0)) + ln_gamma(gaps) - 0.5 * gaps * gaps.ln();
        Self { gaps, ln_constant }
    }

    /// Logarithm of the p-value for the coefficient of variation `cv`.
    pub(super) fn ln_p(self, cv: f64) -> f64 {
        (self.ln_constant + (self.gaps - 1.0) * cv.ln()).min(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_gaps_differ_evenly() {
        // Of two gaps the shares are u and 1 − u with u even in 0–1, and their coefficient is |2u − 1|.
        for cv in [0.0, 0.1, 0.5, 1.0] {
            assert!((Spacings::new(2.0).ln_p(cv).exp() - cv).abs() < 1e-12, "{cv}");
        }
    }

    #[test]
    fn five_daily_visits_are_no_chance() {
        let p = Spacings::new(4.0).ln_p(0.5 / 24.0).exp();
        assert!((p - 1.42e-5).abs() < 1e-7, "{p}");
    }
}
