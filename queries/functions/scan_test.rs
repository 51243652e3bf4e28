//! `scan_test(most, n, share) → DOUBLE`: how likely chance puts at least `most` of n moments into some
//! window that is as long as this share of the whole time.
//!
//! Under the null the moments fall independently and evenly into the time. With b(k) = P(Bin(n, w) = k) and
//! G(k) = P(Bin(n, w) ≥ k),
//!
//! p ≈ (k/w − n − 1)·b(k) + 2·G(k)
//!
//! which is exact for k = n and close wherever it is small. The result lies in 0–1; null for a null, a `most`
//! beyond 1 to n, or a share that is not between 0 and 1.
//!
//! S. Wallenstein, N. Neff, “An approximation for the distribution of the scan statistic”, Statistics in
//! Medicine 6 (1987).

use super::numeric;
use datafusion::logical_expr::ScalarUDF;
use statrs::distribution::{Binomial, Discrete, DiscreteCDF};

pub(super) fn function() -> ScalarUDF {
    numeric("scan_test", |[most, n, share]| {
        ((1.0..=n).contains(&most) && 0.0 < share && share < 1.0)
            .then(|| p_value(most as u64, n as u64, share))
    })
}

pub(super) fn p_value(most: u64, n: u64, share: f64) -> f64 {
    // At the mean and below there is nothing to ask.
    let excess = most as f64 / share - n as f64 - 1.0;
    if excess <= 0.0 {
        return 1.0;
    }
    let tail = |binomial: Binomial| excess * binomial.pmf(most) + 2.0 * binomial.sf(most - 1);
    Binomial::new(share, n).map_or(1.0, tail).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_in_one_window_has_a_closed_form() {
        // P(all n in one window) = n·wⁿ⁻¹ − (n − 1)·wⁿ.
        for (n, share) in [(2, 0.1), (5, 0.04), (49, 0.3)] {
            let (size, w) = (n as f64, share);
            let expected = size * f64::powf(w, size - 1.0) - (size - 1.0) * f64::powf(w, size);
            let got = p_value(n, n, share);
            assert!((got / expected - 1.0).abs() < 1e-10, "{n}, {share}: {got}, {expected}");
        }
    }

    #[test]
    fn the_mean_is_no_surprise() {
        assert!((p_value(10, 100, 0.1) - 1.0).abs() < 1e-12);
        assert!((p_value(1, 1, 0.5) - 1.0).abs() < 1e-12);
    }
}
