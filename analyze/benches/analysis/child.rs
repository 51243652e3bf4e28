//! A process, its time and its memory.

use anyhow::{Context, Result, ensure};
use std::fs;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How often a process is looked at.
const POLL: Duration = Duration::from_millis(2);

/// What one run took.
#[derive(Clone, Debug)]
pub struct Run {
    /// From its start to its end.
    pub seconds: f64,
    /// The most memory that was resident, MiB.
    pub resident: f64,
    /// What it printed.
    pub output: String,
}

/// Runs `analyze` with `arguments`.
pub fn analyze(arguments: &[&str]) -> Result<Run> {
    run(Command::new(env!("CARGO_BIN_EXE_analyze")).args(arguments))
}

/// Runs `command` to its end.
pub fn run(command: &mut Command) -> Result<Run> {
    let (output, complaints) = (tempfile::NamedTempFile::new()?, tempfile::NamedTempFile::new()?);
    let start = Instant::now();
    let mut process =
        command.stdin(Stdio::null()).stdout(output.reopen()?).stderr(complaints.reopen()?).spawn()?;
    let mut resident = 0.0;
    let status = loop {
        if let Some(status) = process.try_wait()? {
            break status;
        }
        resident = peak(process.id()).unwrap_or(resident);
        sleep(POLL);
    };
    let seconds = start.elapsed().as_secs_f64();
    ensure!(status.success(), "{command:?}: {status}\n{}", fs::read_to_string(complaints.path())?);
    let output = fs::read_to_string(output.path()).context("what it printed is no text")?;
    Ok(Run { seconds, resident, output })
}

/// The most memory that has been resident so far, MiB, as long as the process runs.
pub fn peak(process: u32) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(peak.split_whitespace().next()?.parse::<f64>().ok()? / 1024.0)
}
