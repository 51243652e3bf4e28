//! The statistics in `queries/functions` are what they say: SciPy computes the same, and under their null
//! p-values are even or too large.

mod keyspace;

use analyze::config::Engine;
use analyze::session;
use datafusion::arrow::array::{
    ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch, TimestampMicrosecondArray,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Float64Type};
use datafusion::datasource::MemTable;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::Deserialize;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

/// Values agree to this, relative to the larger one.
const TOLERANCE: f64 = 1e-9;
/// Trials of a simulation under the null.
const TRIALS: usize = 1_000_000;
/// Trials of what takes many draws.
const FEWER_TRIALS: usize = 50_000;
/// Groups of timestamps under the null.
const GROUPS: usize = 20_000;
/// How often a test here may fail by chance.
const FALSE_ALARM: f64 = 1e-6;

#[derive(Deserialize)]
struct Check {
    query: String,
    values: Vec<f64>,
}

#[tokio::test]
async fn scipy_computes_the_same() {
    let python = std::env::var("TELESCOPE_PYTHON").expect("tests/run sets TELESCOPE_PYTHON");
    let checks = ["oracle.py", "keyspace.py"].into_iter().flat_map(|oracle| -> Vec<Check> {
        let oracle = Path::new(env!("CARGO_MANIFEST_DIR")).join("oracle").join(oracle);
        let output = Command::new(&python).arg("-B").arg(oracle).output().expect("Python starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("JSON")
    });
    let mut compared = 0;
    for Check { query, values } in checks {
        let got = answer(&query, &[]).await;
        assert_eq!(got.len(), values.len(), "{query}");
        for (row, (got, value)) in got.iter().zip(&values).enumerate() {
            let apart = (got - value).abs();
            assert!(apart <= TOLERANCE * got.max(*value), "row {row}: {got}, SciPy says {value}\n{query}");
            compared += 1;
        }
    }
    println!("oracle: {compared} values agree with SciPy to {TOLERANCE:e}");
}

/// The one column of the answer, over a table `t` of these columns.
async fn answer(query: &str, columns: &[(&str, ArrayRef)]) -> Vec<f64> {
    let context = session::session(&Engine::default()).expect("a session");
    if !columns.is_empty() {
        let rows = RecordBatch::try_from_iter(columns.iter().cloned()).expect("rows");
        let table = MemTable::try_new(rows.schema(), vec![vec![rows]]).expect("a table");
        context.register_table("t", Arc::new(table)).expect("a name");
    }
    let batches = context.sql(query).await.expect(query).collect().await.expect(query);
    let values = |batch: &RecordBatch| {
        let column = cast(batch.column(0), &DataType::Float64).expect("numbers");
        column.as_primitive::<Float64Type>().iter().map(|value| value.expect("a number")).collect::<Vec<_>>()
    };
    batches.iter().flat_map(values).collect()
}

/// One-sided Kolmogorov–Smirnov: p-values may be larger than even ones, never smaller.
fn even_or_larger(name: &str, mut p_values: Vec<f64>) {
    p_values.sort_by(f64::total_cmp);
    let n = p_values.len() as f64;
    let above = |(index, p): (usize, &f64)| (index + 1) as f64 / n - p;
    let distance = p_values.iter().enumerate().map(above).fold(0.0, f64::max);
    let critical = (-FALSE_ALARM.ln() / (2.0 * n)).sqrt();
    let at_most = |p: f64| p_values.partition_point(|value| *value <= p) as f64 / n;
    println!("{name}: n = {n}, D = {distance:.5}, critical {critical:.5}; {:.5} up to 0.001", at_most(0.001));
    assert!(distance <= critical, "{name}: D = {distance}, more than {critical} at n = {n}");
    // Small p-values decide, and weigh little in D.
    let (share, spread) = (0.001, (0.001 / n).sqrt());
    assert!(at_most(share) <= share + 5.0 * spread, "{name}: {} up to {share}", at_most(share));
}

fn doubles(values: impl IntoIterator<Item = f64>) -> ArrayRef {
    Arc::new(Float64Array::from_iter_values(values))
}

/// Independent draws.
fn trials(seed: u64, count: usize, mut draw: impl FnMut(&mut StdRng) -> f64) -> Vec<f64> {
    let mut rng = StdRng::seed_from_u64(seed);
    (0..count).map(|_| draw(&mut rng)).collect()
}

/// Moments in 0–1, in order.
fn even(rng: &mut StdRng, count: usize) -> Vec<f64> {
    let mut moments: Vec<f64> = (0..count).map(|_| rng.random()).collect();
    moments.sort_by(f64::total_cmp);
    moments
}

fn exponential(rng: &mut StdRng) -> f64 {
    -(1.0 - rng.random::<f64>()).ln()
}

#[tokio::test]
async fn the_spacing_test_is_exact_or_larger() {
    const GAPS: usize = 4;
    let variations = trials(1, TRIALS, |rng| {
        let mut moments = even(rng, GAPS - 1);
        moments.push(1.0);
        let mut before = 0.0;
        let mut squares = 0.0;
        for moment in moments {
            squares += f64::powi(moment - before, 2);
            before = moment;
        }
        (squares * GAPS as f64 - 1.0).max(0.0).sqrt()
    });
    let p_values = answer("SELECT spacing_test(4, cv) FROM t", &[("cv", doubles(variations))]).await;
    let small = p_values.iter().filter(|p| **p <= 0.01).count() as f64;
    // Below 1/√3 of variation it is exact: of a million trials ten thousand, give or take five deviations.
    assert!((small - 10_000.0).abs() < 500.0, "{small} p-values up to 0.01");
    even_or_larger("spacing_test", p_values);
}

#[tokio::test]
async fn the_rayleigh_test_never_claims_too_much() {
    for (n, count) in [(6, FEWER_TRIALS), (11, TRIALS), (40, FEWER_TRIALS)] {
        let resultants = trials(n, count, |rng| {
            let (mut sines, mut cosines) = (0.0, 0.0);
            for _ in 0..n {
                let (sin, cos) = (rng.random::<f64>() * std::f64::consts::TAU).sin_cos();
                (sines, cosines) = (sines + sin, cosines + cos);
            }
            f64::hypot(sines, cosines)
        });
        let query = format!("SELECT rayleigh_test({n}, resultant) FROM t");
        even_or_larger("rayleigh_test", answer(&query, &[("resultant", doubles(resultants))]).await);
    }
}

#[tokio::test]
async fn the_scan_test_is_close_or_larger() {
    for (n, share) in [(6, 1.0 / 24.0), (30, 1.0 / 24.0), (100, 0.01)] {
        let most = trials(n as u64, TRIALS, |rng| {
            let moments = even(rng, n);
            let within = |(first, moment): (usize, &f64)| {
                moments[first..].iter().take_while(|other| **other - moment <= share).count()
            };
            moments.iter().enumerate().map(within).max().unwrap_or_default() as f64
        });
        let query = format!("SELECT scan_test(most, {n}, {share}) FROM t");
        even_or_larger("scan_test", answer(&query, &[("most", doubles(most))]).await);
    }
}

#[tokio::test]
async fn the_rarefaction_test_never_claims_too_much() {
    // A network of 300 operators, ten of 20, a hundred of one.
    let network = |operator: usize| match operator {
        ..300 => 0,
        300..500 => 1 + (operator - 300) / 20,
        _ => operator,
    };
    let networks = trials(5, TRIALS, |rng| {
        let mut drawn = std::collections::BTreeSet::new();
        let mut operators = std::collections::BTreeSet::new();
        while operators.len() < 12 {
            let operator = rng.random_range(0..600);
            if operators.insert(operator) {
                drawn.insert(network(operator));
            }
        }
        drawn.len() as f64
    });
    let networks: ArrayRef =
        Arc::new(Int64Array::from_iter_values(networks.iter().map(|count| *count as i64)));
    let query =
        "SELECT rarefaction_test(networks, 12, make_array(1, 20, 300), make_array(100, 10, 1)) FROM t";
    even_or_larger("rarefaction_test", answer(query, &[("networks", networks)]).await);
}

#[tokio::test]
async fn a_client_that_asks_twice_or_more_is_no_single_pass() {
    const SLOTS: usize = 40;
    for (lookups, visibility) in [(2, 0.1), (2, 0.4), (2, 0.7), (3, 0.3), (6, 0.2)] {
        let mut unseen = Vec::new();
        let repeated = trials(lookups as u64, FEWER_TRIALS, |rng| {
            let seen: Vec<usize> = (0..SLOTS)
                .map(|_| (0..lookups).filter(|_| rng.random::<f64>() < visibility).count())
                .collect();
            unseen.push(seen.iter().filter(|count| **count == 0).count() as f64);
            seen.iter().filter(|count| **count > 1).count() as f64
        });
        let query = format!("SELECT single_pass_test({SLOTS}, unseen, repeated) FROM t");
        let columns = [("unseen", doubles(unseen)), ("repeated", doubles(repeated))];
        even_or_larger("single_pass_test", answer(&query, &columns).await);
    }
}

/// Groups of timestamps: each in seconds, as `draw` makes them.
fn groups(seed: u64, mut draw: impl FnMut(&mut StdRng) -> Vec<f64>) -> [(&'static str, ArrayRef); 2] {
    let mut rng = StdRng::seed_from_u64(seed);
    let (mut numbers, mut times) = (Vec::new(), Vec::new());
    for group in 0..GROUPS {
        for seconds in draw(&mut rng) {
            numbers.push(group as i64);
            times.push((seconds * 1e6) as i64);
        }
    }
    let times = TimestampMicrosecondArray::from(times).with_timezone("UTC");
    [("g", Arc::new(Int64Array::from(numbers))), ("ts", Arc::new(times))]
}

#[tokio::test]
async fn visits_at_random_keep_no_clock() {
    const HOUR: f64 = 3600.0;
    const QUERY: &str = "SELECT coalesce(schedule(ts, arrow_cast(3600000000, 'Duration(µs)'),
        arrow_cast(1800000000, 'Duration(µs)'), 5)['p_value'], 1) FROM t GROUP BY g";
    for (seed, visits, mean) in [(1, 5, 20.0), (2, 8, 6.0), (3, 14, 24.0), (4, 60, 2.0), (5, 150, 1.0)] {
        // An hour of absence, and then as long as it takes.
        let columns = groups(seed, |rng| {
            let mut at = 0.0;
            (0..visits)
                .map(|_| {
                    at += HOUR + mean * HOUR * exponential(rng);
                    at
                })
                .collect()
        });
        even_or_larger("schedule", answer(QUERY, &columns).await);
    }
}

#[tokio::test]
async fn lookups_that_follow_the_hours_are_no_burst() {
    const HOUR: f64 = 3600.0;
    const QUERY: &str = "SELECT coalesce(least(burst['p_value'] * burst['stretches'], 1), 1) FROM (
        SELECT bursts(ts, ts, 1, arrow_cast(300000000, 'Duration(µs)'), arrow_cast(3600000000, 'Duration(µs)'),
            arrow_cast(0, 'Timestamp(µs, \"UTC\")'), arrow_cast(864000000000, 'Timestamp(µs, \"UTC\")')) AS burst
        FROM t GROUP BY g)";
    for (seed, lookups) in [(1, 6), (2, 30), (3, 200)] {
        // Two evenings, each with a rate of its own, that begin and end at once.
        let columns = groups(seed, |rng| {
            (0..lookups)
                .map(|n| (if n % 4 == 0 { 18.0 } else { 42.0 } + 2.0 * rng.random::<f64>()) * HOUR)
                .collect()
        });
        even_or_larger("bursts", answer(QUERY, &columns).await);
    }
}
