//! `schedule(ts, absence, resolution, least) → STRUCT(gap_squares, period, cv, visits, p_value)`: whether the
//! timestamps of a group, the starts of visits, keep a clock.
//!
//! `gap_squares` is the sum over the squared gaps (s²) between neighbouring timestamps. Everything else is null for
//! fewer than `least` of them.
//!
//! Under the null the visits come independently of each other: what a gap is longer than `absence`, which ends
//! a visit by definition, is exponential. Two tests look for a clock, and `p_value` counts both:
//!
//! * **Runs.** Each run of `least` to 49 visits in a row is given the [`spacing_test`](super::spacing_test) of
//!   its gaps, less `absence`. The p-value is the least one times the number of runs. Visits that do not reach us
//!   end a run and spoil nothing else.
//! * **Phases**, of eight to 256 visits. For each period of a grid, the phases of the visits between the first
//!   and the last, which are even under the null, get the [`rayleigh_test`](super::rayleigh_test). The p-value
//!   is the least one times the number of periods. The grid has the periods of which between one half and
//!   five quarters of the visits were seen, at five times the natural resolution, down to twice `absence`: by
//!   then visits that keep apart do not look like a clock.
//!
//! Clients work by clocks of minutes, whatever their users do. Times are therefore taken to be known to
//! `resolution` only: a variance of resolution²/12 is added to that of the gaps of a run.
//!
//! `period` (s) and `cv` are those of the test with the lesser p-value: mean and coefficient of variation of the gaps
//! of the most regular run, or the period and √2 times the circular deviation of the phases as a share of it, which
//! is the coefficient that gaps between such visits have. `visits` counts what `cv` is over. `p_value` lies in 0–1.
//! Everything but `ts` is constant.

use super::gap_squares::gap_squares;
use super::rayleigh_test;
use super::spacing_test::Spacings;
use super::timestamps::{FoldAll, constant_count, constant_micros, over_time};
use datafusion::arrow::array::{ArrayRef, Float64Array, Int64Array, StructArray};
use datafusion::arrow::datatypes::{DataType, Field, Fields, TimeUnit};
use datafusion::error::Result;
use datafusion::logical_expr::AggregateUDF;
use datafusion::logical_expr::function::AccumulatorArgs;
use pulp::{Arch, Simd, WithSimd};
use std::f64::consts::{SQRT_2, TAU};
use std::sync::Arc;

/// Gaps of the longest run looked at, or those of the shortest. So many regular ones leave nothing to chance, and
/// time grows with it.
const LONGEST_RUN: usize = 48;
/// Visits from which on phases are looked at: fewer say nothing after the correction for the grid.
const PHASES_FROM: usize = 8;
/// Visits up to which phases are looked at. Of more, even half of them missing leaves runs enough, and time grows
/// with the square.
const PHASES_TO: usize = 256;
/// Steps of the grid for each whole number of periods that fits between the first and the last visit.
const STEPS: f64 = 5.0;
/// Numbers that any processor works on side by side, at most.
const LANES: usize = 8;
/// What a gap at least is beyond `absence`, s: less than any clock tells, and more than nothing.
const LEAST_EXCESS: f64 = 1e-9;
/// Periods between first and last visit, as a multiple of the gaps: from five visits in four periods to every
/// other visit missing.
const PERIODS: (f64, f64) = (0.8, 2.0);

pub(super) fn function() -> AggregateUDF {
    let duration = DataType::Duration(TimeUnit::Microsecond);
    let constants = vec![duration.clone(), duration, DataType::Int64];
    over_time("schedule", constants, DataType::Struct(fields()), Clock::new)
}

fn fields() -> Fields {
    let number = |name| Field::new(name, DataType::Float64, true);
    Fields::from(vec![
        number("gap_squares"),
        number("period"),
        number("cv"),
        Field::new("visits", DataType::Int64, true),
        number("p_value"),
    ])
}

#[derive(Debug)]
struct Clock {
    /// Seconds.
    absence: f64,
    /// Variance of a gap that is known to the resolution, s².
    blur: f64,
    least: usize,
    /// By number of gaps, from none to those of the longest run.
    spacings: Vec<Spacings>,
    /// What the processor can do side by side.
    arch: Arch,
}

/// What a test found.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Found {
    ln_p: f64,
    /// Seconds.
    period: f64,
    cv: f64,
    visits: usize,
}

impl Clock {
    fn new(args: &AccumulatorArgs) -> Result<Self> {
        let seconds = |index| constant_micros(args, index).map(|micros| micros as f64 / 1e6);
        Ok(Self::with(seconds(1)?, seconds(2)?, constant_count(args, 3)?))
    }

    fn with(absence: f64, resolution: f64, least: usize) -> Self {
        let least = least.max(3);
        let spacings = (0..=LONGEST_RUN.max(least - 1)).map(|gaps| Spacings::new(gaps.max(2) as f64));
        let blur = resolution * resolution / 12.0;
        Self { absence, blur, least, spacings: spacings.collect(), arch: Arch::new() }
    }

    /// The most regular run of visits at `times` (s, ascending, at least `least` of them).
    fn runs(&self, times: &[f64]) -> Found {
        let (shortest, longest) = (self.least - 1, times.len().min(self.spacings.len()) - 1);
        let gap_squares: Vec<f64> = times.windows(2).map(|pair| (pair[1] - pair[0]).powi(2)).collect();
        // Of the runs that begin at each visit: the sum over their squared gaps, and variance over squared mean.
        let (mut squares, mut ratios) = (gap_squares.clone(), vec![f64::INFINITY; gap_squares.len()]);
        let (mut runs, mut best) = (0, Found { ln_p: 0.0, period: 0.0, cv: 0.0, visits: 0 });
        for gaps in 2..=longest {
            let starts = times.len() - gaps;
            for (squares, gap) in squares.iter_mut().zip(&gap_squares[gaps - 1..]) {
                *squares += gap;
            }
            if gaps < shortest {
                continue;
            }
            runs += starts;
            let share = 1.0 / gaps as f64;
            let run = |first: f64, last: f64, squares: f64| {
                let mean = (last - first) * share;
                (mean, (squares * share - mean * mean).max(0.0))
            };
            let ends = times.iter().zip(&times[gaps..]).zip(&squares);
            for (((first, last), squares), ratio) in ends.zip(&mut ratios) {
                let (mean, variance) = run(*first, *last, *squares);
                let excess = (mean - self.absence).max(LEAST_EXCESS);
                *ratio = (variance + self.blur) / (excess * excess);
            }
            let (start, ratio) = least(&ratios[..starts]);
            let ln_p = self.spacings[gaps].ln_p(ratio.sqrt());
            // Of equals the shortest.
            if gaps == shortest || ln_p < best.ln_p {
                let (mean, variance) = run(times[start], times[start + gaps], squares[start]);
                best = Found { ln_p, period: mean, cv: variance.sqrt() / mean, visits: gaps + 1 };
            }
        }
        Found { ln_p: (best.ln_p + f64::ln(runs as f64)).min(0.0), ..best }
    }

    /// The period that the phases of visits at `times` agree on most.
    fn phases(&self, times: &[f64]) -> Option<Found> {
        let gaps = (times.len() - 1) as f64;
        let span = times[times.len() - 1] - times[0];
        let step = 1.0 / (STEPS * span);
        let first = (STEPS * PERIODS.0 * gaps).ceil();
        let last = (STEPS * PERIODS.1 * gaps).min(0.5 / self.absence / step).floor();
        if !(PHASES_FROM..=PHASES_TO).contains(&times.len()) || last < first || !step.is_finite() {
            return None;
        }
        let tried = (last - first + 1.0) as usize;
        let inner = &times[1..times.len() - 1];
        let padded = tried.next_multiple_of(LANES);
        let (mut sines, mut cosines) = (vec![0.0; padded], vec![0.0; padded]);
        let origin = times[0];
        self.arch.dispatch(Hands {
            times: inner,
            origin,
            step,
            first,
            sines: &mut sines,
            cosines: &mut cosines,
        });
        let lengths = sines.iter().zip(&cosines).take(tried).map(|(sin, cos)| (sin * sin + cos * cos).sqrt());
        let (index, length) = lengths.enumerate().max_by(|a, b| a.1.total_cmp(&b.1))?;
        let n = inner.len() as f64;
        let ln_p = (rayleigh_test::ln_p(n, length.min(n)) + f64::ln(tried as f64)).min(0.0);
        let deviation = (-2.0 * (length / n).min(1.0).ln()).sqrt() / TAU;
        let period = 1.0 / ((first + index as f64) * step);
        Some(Found { ln_p, period, cv: SQRT_2 * deviation, visits: times.len() })
    }

    /// The result of both tests.
    fn judge(&self, timestamps: &[i64]) -> Option<Found> {
        if timestamps.len() < self.least {
            return None;
        }
        let times: Vec<f64> = timestamps.iter().map(|ts| (ts - timestamps[0]) as f64 / 1e6).collect();
        let run = self.runs(&times);
        let Some(phases) = self.phases(&times) else { return Some(run) };
        let better = if phases.ln_p < run.ln_p { phases } else { run };
        Some(Found { ln_p: (better.ln_p + f64::ln(2.0)).min(0.0), ..better })
    }
}

/// Visits as hands that turn by the same angle from one frequency to the next, added up by frequency.
struct Hands<'a> {
    /// Seconds.
    times: &'a [f64],
    /// When all hands point the same way, s.
    origin: f64,
    /// From one frequency to the next, 1/s.
    step: f64,
    /// The first frequency, steps.
    first: f64,
    /// By frequency, a multiple of [`LANES`] of them.
    sines: &'a mut [f64],
    cosines: &'a mut [f64],
}

impl WithSimd for Hands<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (sines, _) = S::as_mut_simd_f64s(self.sines);
        let (cosines, _) = S::as_mut_simd_f64s(self.cosines);
        for time in self.times {
            let angle = |steps: f64| (TAU * (time - self.origin) * self.step * steps).sin_cos();
            let (mut hand, turn) = (angle(self.first), angle(1.0));
            let (mut sin, mut cos) = ([0.0; LANES], [0.0; LANES]);
            for (sin, cos) in sin.iter_mut().zip(&mut cos) {
                (*sin, *cos) = hand;
                hand = (hand.0 * turn.1 + hand.1 * turn.0, hand.1 * turn.1 - hand.0 * turn.0);
            }
            let (mut sin, mut cos) = (simd.partial_load_f64s(&sin), simd.partial_load_f64s(&cos));
            let (turn_sin, turn_cos) = angle(S::F64_LANES as f64);
            let back = simd.splat_f64s(-turn_sin);
            let (turn_sin, turn_cos) = (simd.splat_f64s(turn_sin), simd.splat_f64s(turn_cos));
            for (sines, cosines) in sines.iter_mut().zip(cosines.iter_mut()) {
                *sines = simd.add_f64s(*sines, sin);
                *cosines = simd.add_f64s(*cosines, cos);
                (sin, cos) = (
                    simd.mul_add_e_f64s(sin, turn_cos, simd.mul_f64s(cos, turn_sin)),
                    simd.mul_add_e_f64s(sin, back, simd.mul_f64s(cos, turn_cos)),
                );
            }
        }
    }
}

impl Clock {
    fn structs<'a>(&self, groups: impl Iterator<Item = &'a [i64]>) -> StructArray {
        let judged = groups.map(|timestamps| (gap_squares(timestamps), self.judge(timestamps)));
        let (squares, found): (Vec<f64>, Vec<_>) = judged.unzip();
        let numbers = |number: fn(&Found) -> f64| -> ArrayRef {
            Arc::new(found.iter().map(|found| found.as_ref().map(number)).collect::<Float64Array>())
        };
        let visits = found.iter().map(|found| found.map(|found| found.visits as i64));
        let columns = vec![
            Arc::new(Float64Array::from(squares)) as ArrayRef,
            numbers(|found| found.period),
            numbers(|found| found.cv),
            Arc::new(visits.collect::<Int64Array>()),
            numbers(|found| found.ln_p.exp()),
        ];
        StructArray::new(fields(), columns, None)
    }
}

/// The least of `numbers` and its place, the first of equals.
fn least(numbers: &[f64]) -> (usize, f64) {
    let (lanes, rest) = numbers.as_chunks::<LANES>();
    let mut least = [f64::INFINITY; LANES];
    for numbers in lanes {
        for lane in 0..LANES {
            least[lane] = if numbers[lane] < least[lane] { numbers[lane] } else { least[lane] };
        }
    }
    let least = least.iter().chain(rest).copied().fold(f64::INFINITY, f64::min);
    (numbers.iter().position(|number| *number == least).unwrap_or_default(), least)
}

impl FoldAll for Clock {
    fn fold_all<'a>(&self, groups: impl Iterator<Item = &'a [i64]>) -> Result<ArrayRef> {
        Ok(Arc::new(self.structs(groups)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000_000;

    fn clock() -> Clock {
        Clock::with(3600.0, 1800.0, 5)
    }

    /// Hours, with up to 3 % of the period off, never twice the same.
    fn visits(period: i64, numbers: &[i64]) -> Vec<i64> {
        let off = |number: i64| (number * 7919 % 61 - 30) * period * HOUR / 1000;
        numbers.iter().map(|&number| number * period * HOUR + off(number)).collect()
    }

    #[test]
    fn five_daily_visits_are_enough() {
        let found = clock().judge(&visits(24, &[0, 1, 2, 3, 4])).expect("a result");
        assert_eq!(found.visits, 5);
        assert!((found.period / 86_400.0 - 1.0).abs() < 0.02, "{found:?}");
        assert!(found.ln_p.exp() < 1e-3, "{found:?}");
        assert!(clock().judge(&visits(24, &[0, 1, 2, 3])).is_none());
    }

    #[test]
    fn missing_visits_do_not_hide_a_clock() {
        for period in [3, 6, 24] {
            let numbers: Vec<i64> = (0..40).filter(|number| number % 4 != 3 && number % 7 != 5).collect();
            let found = clock().judge(&visits(period, &numbers)).expect("a result");
            assert!((found.period / 3600.0 / period as f64 - 1.0).abs() < 0.02, "{period}: {found:?}");
            assert!(found.ln_p.exp() < 1e-6, "{period}: {found:?}");
        }
    }

    #[test]
    fn a_clock_of_minutes_is_that_of_a_program() {
        // Exactly as far apart as the absence that ends a visit, and a little more: nothing is left to compare.
        let ticks: Vec<i64> = (0..12).map(|n| n * 75 * HOUR / 60).collect();
        assert!(clock().judge(&ticks).expect("a result").ln_p.exp() > 0.01);
    }

    #[test]
    fn visits_of_no_clock_are_likely() {
        let hours = [0, 7, 9, 31, 33, 36, 60, 61, 90, 117];
        let times: Vec<i64> = hours.iter().map(|hour| hour * HOUR).collect();
        assert!(clock().judge(&times).expect("a result").ln_p.exp() > 0.2);
        let same: Vec<i64> = vec![0; 9];
        assert!(clock().judge(&same).expect("a result").ln_p.exp() > 0.99);
    }
}
