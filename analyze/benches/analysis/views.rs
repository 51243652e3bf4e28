//! What an answer costs once everything is computed: the summary and every view without an argument,
//! beside the same program printing its version.

use crate::child::{Run, analyze};
use crate::median;
use anyhow::{Context, Result, ensure};
use std::path::Path;

/// Runs of each command.
const RUNS: usize = 15;
/// An up-to-date report answers within so many seconds.
const GOAL: f64 = 0.5;

/// Prints the figures.
pub fn measure() -> Result<()> {
    let data = tempfile::tempdir()?;
    copy(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/sample/captured"),
        &data.path().join("captured"),
    )?;
    let root = data.path().to_str().context("a path in UTF-8")?;
    let compute = analyze(&["compute", "--data", root])?;
    let start = several(&["--version"])?;
    let line = |name: &str, run: &Run| {
        println!("bench {name} {:.3} s ratio {:.1} vs start", run.seconds, run.seconds / start.seconds)
    };
    line("start", &start);
    line("compute", &compute);
    let views = queries::TABLES.iter().flat_map(|table| table.views).filter(|view| view.argument.is_none());
    let flags: Vec<String> = views.map(|view| format!("--{}", view.flag)).collect();
    for flag in std::iter::once(None).chain(flags.iter().map(Some)) {
        let arguments: Vec<&str> =
            ["report", "--data", root].into_iter().chain(flag.map(String::as_str)).collect();
        let run = several(&arguments)?;
        line(&format!("report{}", flag.map_or("", String::as_str)), &run);
        let took = run.seconds;
        ensure!(took < GOAL, "{} takes {took:.3} s, more than {GOAL} s", arguments.join(" "));
    }
    Ok(())
}

fn several(arguments: &[&str]) -> Result<Run> {
    Ok(median((0..RUNS).map(|_| analyze(arguments)).collect::<Result<_>>()?))
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in from.read_dir()? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
