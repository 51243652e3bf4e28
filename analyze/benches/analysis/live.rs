//! What watching a whole month costs: its queries come in as fast as they are taken.

use crate::month::{self, Size};
use anyhow::{Context, Result, ensure};
use datafusion::arrow::ipc::writer::StreamWriter;
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use schema::events::TABLE as EVENTS;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// Prints the memory of `watch` at the end of days.
pub fn measure(size: Size) -> Result<()> {
    let data = month::copy(size)?;
    let nothing = tempfile::tempdir()?;
    let mut watch = Command::new(env!("CARGO_BIN_EXE_analyze"));
    watch.args(["watch", "--from", "-", "--data"]).arg(nothing.path());
    let mut process = watch.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let start = Instant::now();
    let input = process.stdin.take().context("no standard input")?;
    let mut stream = StreamWriter::try_new(input, &EVENTS.arrow())?;
    let mut resident = Vec::new();
    for day in sorted(&data.path().join("captured/events"))? {
        for hour in sorted(&day)? {
            for file in sorted(&hour)? {
                for rows in ParquetRecordBatchReaderBuilder::try_new(File::open(file)?)?.build()? {
                    stream.write(&rows?)?;
                }
            }
        }
        resident.push(now(process.id())?);
    }
    stream.finish()?;
    drop(stream);
    let status = process.wait()?;
    ensure!(status.success(), "{watch:?}: {status}");
    let most = |days: &[f64]| days.iter().copied().fold(0.0, f64::max);
    let (early, late) = resident.split_at(resident.len() / 3);
    println!("bench watch_month {:.0} s ratio 1 vs watch_month", start.elapsed().as_secs_f64());
    println!("bench watch_resident_first_third {:.0} MiB ratio 1 vs watch_resident_first_third", most(early));
    let ratio = most(late) / most(early);
    println!(
        "bench watch_resident_rest {:.0} MiB ratio {ratio:.2} vs watch_resident_first_third",
        most(late)
    );
    let days: Vec<String> = resident.iter().map(|resident| format!("{resident:.0}")).collect();
    println!("# resident at the end of each day, MiB: {}", days.join(" "));
    Ok(())
}

fn sorted(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut paths = folder.read_dir()?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

/// Memory that is resident now, MiB.
fn now(process: u32) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("it has ended")?;
    Ok(resident.split_whitespace().next().context("no number")?.parse::<f64>()? / 1024.0)
}
