//! One more hour, beside what it has to add up again: the sums over all days that tables rest on, and nothing else,
//! by DuckDB with two threads, as much memory as it likes, and the derived tables for input.

use crate::child::{self, Run, analyze};
use crate::incremental::{newest_hour, one_more};
use crate::median;
use crate::month::{self, Size};
use anyhow::{Context, Result, ensure};
use std::env;
use std::path::Path;
use std::process::Command;

/// Runs of each, in turns.
const RUNS: usize = 3;

/// Prints the figures of a month.
pub fn measure(size: Size) -> Result<()> {
    let python =
        env::var("TELESCOPE_PYTHON").context("TELESCOPE_PYTHON must name a Python that has duckdb")?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/analysis/folds/folds.py");
    let data = month::copy(size)?;
    let root = data.path().to_str().context("a path in UTF-8")?;
    let hour = newest_hour(data.path())?;
    let (mut ours, mut duckdb): (Vec<Run>, Vec<Run>) = Default::default();
    for _ in 0..RUNS {
        ours.push(one_more(&hour, root)?);
        let count = "SELECT count(*) FROM derived.pairs";
        let pairs = analyze(&["sql", "--data", root, "--format", "csv", count])?.output;
        let folds = child::run(Command::new(&python).arg(&script).arg(root))?;
        ensure!(pairs.lines().last() == folds.output.lines().last(), "{pairs} pairs, not {}", folds.output);
        duckdb.push(folds);
    }
    let (ours, duckdb) = (median(ours), median(duckdb));
    let Size { name: size, .. } = size;
    for (name, run) in [("one_more_hour", &ours), ("folds_duckdb", &duckdb)] {
        println!(
            "bench {size}_{name} {:.2} s ratio {:.2} vs analyze",
            run.seconds,
            run.seconds / ours.seconds
        );
        let memory = run.resident / ours.resident;
        println!("bench {size}_{name}_memory {:.0} MiB ratio {memory:.2} vs analyze", run.resident);
    }
    Ok(())
}
