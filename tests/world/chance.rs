//! Chance that can be looked up: every draw is a function of the seed and of what it is drawn for.
//!
//! Nothing in the world depends on the order in which it is worked out. Any hour can be simulated
//! alone, on any thread, and comes out the same.

use capture::id::Id;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

/// Many draws for one purpose. Its sequence is fixed by its definition, unlike that of `StdRng`.
pub type Rng = Xoshiro256PlusPlus;

/// What chance says about one thing.
#[derive(Clone, Copy, Debug)]
pub struct Chance(u64);

impl Chance {
    /// Chance in the world of this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(mix(seed))
    }

    /// About the thing numbered `number`.
    #[must_use]
    pub fn of(self, number: u64) -> Self {
        Self(mix(self.0 ^ mix(number)))
    }

    /// About the thing called `name`.
    #[must_use]
    pub fn named(self, name: &str) -> Self {
        name.bytes().fold(self, |chance, byte| chance.of(byte.into()))
    }

    /// A sequence of draws.
    #[must_use]
    pub fn rng(self) -> Rng {
        Rng::seed_from_u64(self.0)
    }

    /// A single draw, uniform in [0, 1).
    #[must_use]
    pub fn unit(self) -> f64 {
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A single draw, uniform in 0..`end`.
    #[must_use]
    pub fn below(self, end: u64) -> u64 {
        ((u128::from(self.0) * u128::from(end)) >> 64) as u64
    }

    /// A single draw, uniform in `from..to`.
    #[must_use]
    pub fn between(self, from: i64, to: i64) -> i64 {
        from + self.below(to.abs_diff(from)) as i64
    }

    /// A single draw of an identifier.
    #[must_use]
    pub fn id(self) -> Id {
        Id(self.rng().random())
    }

    /// Itself as a number.
    #[must_use]
    pub fn number(self) -> u64 {
        self.0
    }
}

/// The finaliser of SplitMix64: every bit of the input moves half of the output's.
fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// Exponential with this mean.
pub fn exponential(rng: &mut Rng, mean: f64) -> f64 {
    -mean * (1.0 - rng.random::<f64>()).ln()
}

/// Standard normal (Box and Muller).
pub fn normal(rng: &mut Rng) -> f64 {
    let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
    radius * (std::f64::consts::TAU * rng.random::<f64>()).cos()
}

/// Log-normal: `sigma` is the standard deviation of the logarithm.
pub fn log_normal(rng: &mut Rng, median: f64, sigma: f64) -> f64 {
    median * (sigma * normal(rng)).exp()
}

/// Poisson with this mean, by adding up exponential gaps: meant for small means.
pub fn poisson(rng: &mut Rng, mean: f64) -> u32 {
    let mut at = exponential(rng, 1.0);
    let mut count = 0;
    while at < mean {
        at += exponential(rng, 1.0);
        count += 1;
    }
    count
}

/// Ranks from 0 with probability ∝ (rank + 1)^−exponent.
#[derive(Debug)]
pub struct Zipf(Vec<f64>);

impl Zipf {
    /// Over `ranks` ranks.
    #[must_use]
    pub fn new(ranks: u32, exponent: f64) -> Self {
        let mut sum = 0.0;
        Self(
            (1..=ranks)
                .map(|rank| {
                    sum += f64::from(rank).powf(-exponent);
                    sum
                })
                .collect(),
        )
    }

    /// The rank at `uniform`, which lies in [0, 1).
    #[must_use]
    pub fn rank(&self, uniform: f64) -> u32 {
        let total = self.0.last().copied().unwrap_or(1.0);
        self.0.partition_point(|&sum| sum <= uniform * total) as u32
    }
}
