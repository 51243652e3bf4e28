//! `single_pass_test(slots, unseen, repeated) → DOUBLE`: how likely a client that asks for each of its
//! infohashes at least twice on every occasion looks like somebody who asks for each once.
//!
//! A slot is an infohash on an occasion. Under the null every slot holds L ≥ 2 lookups, each of which reaches
//! us with the same unknown probability v. A slot is `unseen` with (1 − v)ᴸ, and `repeated`, seen twice or
//! more, with 1 − (1 − v)ᴸ − Lv(1 − v)ᴸ⁻¹. Few of both cannot be had: who is seen nearly always is seen twice
//! often. The result is twice the greatest probability that any v leaves to the less likely of both counts (the
//! true v makes one of them or the other so small with no more than that),
//!
//! p ≤ 2 · max over v of min(P(Bin(slots, v²) ≤ repeated), P(Bin(slots, (1 − v)²) ≤ unseen))
//!
//! at L = 2, which is the least favourable: of all L with as many unseen it repeats least. Visibilities that
//! differ between slots only add to both counts. The first probability falls with v and the second rises, so
//! that the maximum is where they meet. The result lies in 0–1; null for a null, a negative number, or more
//! unseen and repeated slots than there are.

use super::numeric;
use datafusion::logical_expr::ScalarUDF;
use statrs::distribution::{Binomial, DiscreteCDF};

/// Halvings after which the crossing is exact to the last digit.
const HALVINGS: u32 = 60;

pub(super) fn function() -> ScalarUDF {
    numeric("single_pass_test", |[slots, unseen, repeated]| {
        let counts = unseen >= 0.0 && repeated >= 0.0 && unseen + repeated <= slots;
        counts.then(|| p_value(slots as u64, unseen as u64, repeated as u64))
    })
}

fn p_value(slots: u64, unseen: u64, repeated: u64) -> f64 {
    let at_most = |count: u64, p: f64| Binomial::new(p, slots).map_or(1.0, |binomial| binomial.cdf(count));
    let few_repeated = |v: f64| at_most(repeated, v * v);
    let few_unseen = |v: f64| at_most(unseen, (1.0 - v) * (1.0 - v));
    let (mut from, mut to) = (0.0, 1.0);
    for _ in 0..HALVINGS {
        let middle = 0.5 * (from + to);
        if few_unseen(middle) < few_repeated(middle) { from = middle } else { to = middle }
    }
    (2.0 * few_repeated(from)).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_repeated_and_nothing_missing_is_rare() {
        // The two meet at one half, where a slot is neither with probability 3/4.
        assert!((p_value(10, 0, 0) - 2.0 * 0.75_f64.powi(10)).abs() < 1e-12);
        assert!(p_value(140, 21, 0) < 1e-8);
    }

    #[test]
    fn much_missing_or_much_repeated_is_ordinary() {
        assert!(p_value(140, 110, 0) > 0.05);
        assert!(p_value(140, 35, 35) > 0.05);
        assert!((p_value(10, 10, 0) - 1.0).abs() < 1e-12);
    }
}
