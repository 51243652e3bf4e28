//! `binomial_at_most(count, trials, p) → DOUBLE`: the probability that of so many independent trials, each
//! with probability p, at most `count` succeed: P(X ≤ k) = I₁₋ₚ(n − k, k + 1), the regularised incomplete beta
//! function.
//!
//! The result lies in 0–1; null for a null, a negative number, or a `p` outside 0–1.
//!
//! NIST Digital Library of Mathematical Functions, 8.17.

use super::numeric;
use datafusion::logical_expr::ScalarUDF;
use statrs::distribution::{Binomial, DiscreteCDF};

pub(super) fn function() -> ScalarUDF {
    numeric("binomial_at_most", |[count, trials, p]| {
        let counts = count >= 0.0 && trials >= 0.0;
        let binomial = Binomial::new(p, trials as u64).ok().filter(|_| counts)?;
        Some(binomial.cdf(count as u64))
    })
}
