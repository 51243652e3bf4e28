//! What watching a whole month costs: its queries come in as fast as they are taken.
//!
//! What is held is of today and of as many days before it as `--capacity` has room for, here of one: from the third
//! day on nothing may grow. Most memory is taken for a moment, at the end of a day, when every detector looks at all
//! of it; so the most of each day counts, not what happens to be resident, and the days' median is compared, because
//! the allocator keeps what is free for some seconds.

use crate::child;
use crate::month::{self, Size};
use anyhow::{Context, Result, ensure};
use datafusion::arrow::ipc::writer::StreamWriter;
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use schema::events::TABLE as EVENTS;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// Prints the most memory of `watch` on the days of a month.
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
    let proc = Path::new("/proc").join(process.id().to_string());
    for day in sorted(&data.path().join("captured/events"))? {
        // See proc_pid_clear_refs(5): what was most until now is forgotten.
        fs::write(proc.join("clear_refs"), "5")?;
        for hour in sorted(&day)? {
            for file in sorted(&hour)? {
                for rows in ParquetRecordBatchReaderBuilder::try_new(File::open(file)?)?.build()? {
                    stream.write(&rows?)?;
                }
            }
        }
        resident.push(child::peak(process.id()).context("it has ended")?);
    }
    stream.finish()?;
    drop(stream);
    let status = process.wait()?;
    ensure!(status.success(), "{watch:?}: {status}");
    let days: Vec<String> = resident.iter().map(|resident| format!("{resident:.0}")).collect();
    let third = resident.len() / 3;
    let (early, late) = resident.split_at_mut(third);
    let [early, late] = [early, late].map(|days| {
        days.sort_by(f64::total_cmp);
        days[days.len() / 2]
    });
    println!("bench watch_month {:.0} s ratio 1 vs watch_month", start.elapsed().as_secs_f64());
    println!("bench watch_resident_first_third {early:.0} MiB ratio 1 vs watch_resident_first_third");
    let ratio = late / early;
    println!("bench watch_resident_rest {late:.0} MiB ratio {ratio:.2} vs watch_resident_first_third");
    println!("# most resident on each day, MiB: {}", days.join(" "));
    Ok(())
}

fn sorted(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut paths = folder.read_dir()?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}
