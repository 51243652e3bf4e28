//! What an answer costs once everything is computed.
//!
//! `cargo bench -p analyze` computes a copy of `data/sample`, then asks for the summary and for every
//! view without an argument, several times each, from the start of the process to its end. One line a
//! figure: `bench NAME VALUE s ratio R vs start`, where `start` is the same program printing its version.

use anyhow::{Context, Result, ensure};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

/// Runs of each command, of which the median counts.
const RUNS: usize = 15;
/// An up-to-date report answers within so many seconds.
const GOAL: f64 = 0.5;

fn main() -> Result<()> {
    // `cargo test` runs benches too, without this flag, and has no time for them.
    if !std::env::args().any(|argument| argument == "--bench") {
        return Ok(());
    }
    let data = tempfile::tempdir()?;
    copy(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/sample/captured"),
        &data.path().join("captured"),
    )?;
    let root = data.path().to_str().context("a path in UTF-8")?;
    let compute = seconds(&["compute", "--data", root])?;
    let start = median(&["--version"])?;
    let line = |name: &str, seconds: f64| {
        println!("bench {name} {seconds:.3} s ratio {:.1} vs start", seconds / start)
    };
    line("start", start);
    line("compute", compute);
    let views = queries::TABLES.iter().flat_map(|table| table.views).filter(|view| view.argument.is_none());
    let flags: Vec<String> = views.map(|view| format!("--{}", view.flag)).collect();
    for flag in std::iter::once(None).chain(flags.iter().map(Some)) {
        let arguments: Vec<&str> =
            ["report", "--data", root].into_iter().chain(flag.map(String::as_str)).collect();
        let took = median(&arguments)?;
        line(&format!("report{}", flag.map_or("", String::as_str)), took);
        ensure!(took < GOAL, "{} takes {took:.3} s, more than {GOAL} s", arguments.join(" "));
    }
    Ok(())
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

fn median(arguments: &[&str]) -> Result<f64> {
    let mut all = (0..RUNS).map(|_| seconds(arguments)).collect::<Result<Vec<_>>>()?;
    all.sort_by(f64::total_cmp);
    Ok(all[RUNS / 2])
}

/// How long the program takes.
fn seconds(arguments: &[&str]) -> Result<f64> {
    let start = Instant::now();
    let status = Command::new(env!("CARGO_BIN_EXE_analyze"))
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()?;
    let took = start.elapsed().as_secs_f64();
    ensure!(status.success(), "analyze {}: {status}", arguments.join(" "));
    Ok(took)
}
