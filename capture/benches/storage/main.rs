//! What an event costs on disk, held against its entropy.
//!
//! `cargo bench -p capture --bench storage` makes up an hour of 10,000 and one of a million events,
//! writes them the way the daemon does and every column in other ways besides, and prints one line a
//! figure: `bench NAME VALUE UNIT ratio R vs REFERENCE`. The names say rows, column and layout;
//! [`floor`] says what the entropy floors are.

mod floor;
mod layout;
mod traffic;

use anyhow::ensure;
use arrow_array::RecordBatch;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

/// Rows of the two hours.
const HOURS: [(&str, usize); 2] = [("10k", 10_000), ("1m", 1_000_000)];
/// A file takes at most so many times its entropy.
const GOAL: f64 = 1.2;

fn main() -> anyhow::Result<()> {
    // `cargo test` runs benches too, without this flag, and has no time for them.
    if std::env::args().any(|argument| argument == "--bench") {
        for (name, rows) in HOURS {
            let batch = traffic::hour(rows)?;
            columns(name, &batch)?;
            files(name, &batch)?;
        }
    }
    Ok(())
}

/// Every column in every encoding, and the floors it is held against.
fn columns(hour: &str, batch: &RecordBatch) -> anyhow::Result<()> {
    let written = layout::write(batch, layout::chosen())?;
    let rows = batch.num_rows() as f64;
    let put = |name: &str, bytes: f64, floor: f64| {
        line(&format!("{hour}.{name}"), bytes / rows, "B/event", bytes / floor, "entropy_floor");
    };
    let (mut alone, mut given) = (0.0, 0.0);
    for (i, column) in schema::events::TABLE.columns.iter().enumerate() {
        let floor = floor::bytes(batch, column.name);
        alone += floor.alone;
        given += floor.given_others;
        put(&format!("{}.floor", column.name), floor.alone, floor.alone);
        put(&format!("{}.floor_given_others", column.name), floor.given_others, floor.alone);
        put(&format!("{}.written", column.name), written.columns[i], floor.alone);
        let column_alone = batch.project(&[i])?;
        for (layout, properties) in layout::tried(column) {
            let bytes = layout::write(&column_alone, properties)?.columns[0];
            put(&format!("{}.{layout}", column.name), bytes, floor.alone);
        }
    }
    put("floor", alone, alone);
    put("floor_given_others", given, alone);
    put("columns", written.columns.iter().sum(), alone);
    put("file", written.file, alone);
    ensure!(written.file <= GOAL * alone, "a file of {hour} events is more than {GOAL} times its entropy");
    Ok(())
}

/// The whole file in other ways: what it costs to keep and to make.
fn files(hour: &str, batch: &RecordBatch) -> anyhow::Result<()> {
    let rows = batch.num_rows() as f64;
    let written = layout::write(batch, layout::chosen())?.file;
    for (layout, properties) in layout::variants()? {
        let before = cpu_seconds()?;
        let file = layout::write(batch, properties)?.file;
        let seconds = cpu_seconds()? - before;
        line(&format!("{hour}.file.{layout}"), file / rows, "B/event", file / written, "written");
        line(&format!("{hour}.cpu.{layout}"), 1e6 * seconds / rows, "s/1M_events", file / written, "written");
    }
    Ok(())
}

/// Processor time of this process so far.
fn cpu_seconds() -> anyhow::Result<f64> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    Ok((usage.user_time() + usage.system_time()).num_microseconds() as f64 / 1e6)
}

fn line(name: &str, value: f64, unit: &str, ratio: f64, reference: &str) {
    println!("bench {name} {value:.3} {unit} ratio {ratio:.3} vs {reference}");
}
