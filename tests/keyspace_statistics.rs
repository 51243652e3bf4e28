//! The statistics over the keyspace agree with SciPy and with what can be counted, and their p-values are
//! those of chance where there is nothing but chance.

use analyze::config::Config;
use analyze::session;
use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::Float64Type;
use serde::Deserialize;
use std::env;
use std::path::Path;
use std::process::Command;

/// What is computed and what was counted agree to this, relative to the larger of the value and 10⁻³⁰⁰.
const TOLERANCE: f64 = 1e-9;
/// A test that is right fails its null once in so many times. Seeds are fixed: it fails always or never.
const ONCE_IN: f64 = 1000.0;

#[derive(Debug, Deserialize)]
struct Check {
    query: String,
    values: Option<Vec<f64>>,
    null: Option<String>,
}

/// What `oracle/keyspace.py` prints.
fn checks() -> Vec<Check> {
    let python = env::var_os("TELESCOPE_PYTHON")
        .expect("TELESCOPE_PYTHON is not set: start the tests with tests/run, it prepares what they need");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("oracle/keyspace.py");
    let output = Command::new(python).arg("-B").arg(&script).output().expect("Python starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[tokio::test]
async fn they_agree_with_the_oracle_and_their_p_values_with_chance() {
    let context = session::session(&Config::default().engine()).expect("a session");
    for Check { query, values, null } in checks() {
        let rows = context.sql(&query).await.expect("a plan").collect().await.expect("rows");
        let got: Vec<f64> = rows
            .iter()
            .flat_map(|rows| rows.column(0).as_primitive::<Float64Type>().iter())
            .map(|value| value.expect("no null"))
            .collect();
        let what = query.split(" FROM").next().unwrap_or_default();
        if let Some(values) = values {
            assert_eq!(got.len(), values.len(), "{what}");
            for (row, (got, wanted)) in got.iter().zip(&values).enumerate() {
                let apart = (got - wanted).abs() / wanted.abs().max(1e-300);
                assert!(apart <= TOLERANCE, "{what}, row {row}: {got} instead of {wanted}");
            }
            println!("oracle: {what}: {} values agree to {TOLERANCE:e}", values.len());
        }
        if let Some(null) = null {
            let most = (ONCE_IN.ln() / (2.0 * got.len() as f64)).sqrt();
            let excess = excess(got.clone());
            println!(
                "null: {null}: {} p-values, at most {excess:.4} too many below any (allowed {most:.4})",
                got.len()
            );
            assert!(excess <= most, "{null}: {excess} too many p-values are small, {most} are allowed");
        }
    }
}

/// The one-sided Kolmogorov–Smirnov statistic: how many more p-values than their share lie below any limit.
fn excess(mut p_values: Vec<f64>) -> f64 {
    p_values.sort_unstable_by(f64::total_cmp);
    let n = p_values.len() as f64;
    p_values.iter().enumerate().map(|(rank, p)| (rank + 1) as f64 / n - p).fold(0.0, f64::max)
}

#[test]
fn too_many_small_p_values_are_noticed() {
    let fair: Vec<f64> = (1..=1000).map(|n| f64::from(n) / 1000.0).collect();
    assert!(excess(fair.clone()) < 1e-12);
    assert!((excess(fair.into_iter().map(|p| p * p).collect()) - 0.25).abs() < 1e-3);
}
