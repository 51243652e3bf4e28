//! Profiles from the raw queries of a month, beside DuckDB and Polars: for every infohash, and for every
//! address, the number of queries, how many different addresses (or infohashes) and autonomous systems, the
//! most within five minutes, and how regular the gaps are. Each engine reads the same files with two threads,
//! in a process of its own; what counts is from its start to its end. Sums over all profiles have to agree.

use crate::child::{self, Run, analyze};
use crate::median;
use crate::month::{self, Size};
use anyhow::{Context, Result, ensure};
use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Runs of each engine, in turns.
const RUNS: usize = 3;
/// What is profiled, and what is counted of it.
const QUESTIONS: [(&str, &str, &str); 2] =
    [("hash_profiles", "infohash", "peer_ip"), ("address_profiles", "peer_ip", "infohash")];
/// How far sums of fractions may lie apart, since engines add in different orders.
const ROUNDING: f64 = 1e-9;

/// Prints the figures of a month.
pub fn measure(size: Size) -> Result<()> {
    let python = env::var("TELESCOPE_PYTHON")
        .context("TELESCOPE_PYTHON must name a Python that has duckdb and polars")?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/analysis/profiles/profiles.py");
    let data = month::copy(size)?;
    let root = data.path().to_str().context("a path in UTF-8")?;
    let config = data.path().join("analyze.toml");
    // The others take as much memory as they like.
    fs::write(&config, "[engine]\nthreads = 2\nmemory_mib = 4096\n")?;
    let config = config.to_str().context("a path in UTF-8")?;
    for (name, key, other) in QUESTIONS {
        let sql = include_str!("profiles.sql").replace("{key}", key).replace("{other}", other);
        let ours = || analyze(&["sql", "--data", root, "--config", config, "--format", "csv", &sql]);
        let engine = |engine: &str| {
            let mut command = Command::new(&python);
            child::run(command.arg(&script).args([engine, key]).arg(data.path().join("captured/events")))
        };
        let mut runs: [Vec<Run>; 3] = Default::default();
        for _ in 0..RUNS {
            runs[0].push(ours()?);
            runs[1].push(engine("duckdb")?);
            runs[2].push(engine("polars")?);
        }
        let answers = runs.iter().flatten().map(|run| sums(&run.output)).collect::<Result<Vec<_>>>()?;
        for answer in &answers {
            ensure!(agree(answer, &answers[0]), "{name}: {answer:?}, not {:?}", answers[0]);
        }
        let [ours, duckdb, polars] = runs.map(median);
        let Size { name: size, .. } = size;
        for (engine, run) in [("analyze", &ours), ("duckdb", &duckdb), ("polars", &polars)] {
            let (time, memory) = (run.seconds / ours.seconds, run.resident / ours.resident);
            println!("bench {size}_{name}_{engine} {:.2} s ratio {time:.2} vs analyze", run.seconds);
            println!(
                "bench {size}_{name}_{engine}_memory {:.0} MiB ratio {memory:.2} vs analyze",
                run.resident
            );
        }
    }
    Ok(())
}

/// The numbers on the last line.
fn sums(output: &str) -> Result<Vec<f64>> {
    let line = output.lines().last().context("no answer")?;
    line.split(',').map(|number| number.parse().with_context(|| line.to_owned())).collect()
}

fn agree(one: &[f64], other: &[f64]) -> bool {
    let near = |(a, b): (&f64, &f64)| (a - b).abs() <= b.abs() * ROUNDING;
    one.len() == other.len() && one.iter().zip(other).all(near)
}
