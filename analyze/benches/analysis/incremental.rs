//! What computing costs: everything, nothing, one more hour, and an hour that came late. And what is asked of
//! it then.

use crate::child::{Run, analyze};
use crate::median;
use crate::month::{self, Size};
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// Runs of what is short.
const RUNS: usize = 5;
/// Runs of what computes: the files are the same each time, whatever was computed before.
const FEW: usize = 3;
/// The smallest pool in which everything has to be computed.
const SMALL_POOL: &str = "512MiB";
/// How many days late an hour comes.
const LATE: usize = 7;
/// Every infohash gets a profile, however few asked for it.
const EVERYONE: &str = "[hash_behavior_profiles]\nmin_events = 1\n";

/// Prints the figures of a month, and gives back what everything from nothing costs.
pub fn measure(size: Size) -> Result<Run> {
    let data = month::copy(size)?;
    let root = data.path().to_str().context("a path in UTF-8")?;
    let compute = || analyze(&["compute", "--data", root]);
    let newest = newest_hour(data.path())?;
    let day = newest.parent().context("an hour of a day")?;
    let late = day.parent().and_then(|days| {
        let mut days: Vec<_> = days.read_dir().ok()?.flatten().map(|day| day.path()).collect();
        days.sort();
        Some(days.iter().rev().nth(LATE)?.join(newest.file_name()?))
    });
    let late = late.context("fewer days than an hour can be late")?;

    let from_nothing = |more: &[&str]| {
        several(FEW, &|| {
            let _ = fs::remove_dir_all(data.path().join("derived"));
            analyze(&[&["compute", "--data", root], more].concat())
        })
    };
    let little = from_nothing(&["--memory", SMALL_POOL])?;
    let full = from_nothing(&[])?;
    line(size, "from_nothing", &full, &full);
    line(size, &format!("from_nothing_in_{SMALL_POOL}"), &little, &full);
    line(size, "nothing_new", &several(RUNS, &compute)?, &full);
    line(size, "report", &several(RUNS, &|| analyze(&["report", "--data", root]))?, &full);
    for (flag, table, column, by) in [
        ("hash", "hash_behavior_profiles", "infohash", "total_events"),
        ("operator", "operator_profiles", "operator", "total_queries"),
    ] {
        let busiest =
            format!("SELECT {column}, count(*) OVER () FROM derived.{table} ORDER BY {by} DESC LIMIT 1");
        let answer = analyze(&["sql", "--data", root, "--format", "csv", &busiest])?.output;
        let (busiest, rows) = answer.lines().last().and_then(|row| row.split_once(',')).context("no row")?;
        let view = [&format!("--{flag}"), busiest];
        let look = several(RUNS, &|| analyze(&["report", "--data", root, view[0], view[1]]))?;
        line(size, &format!("report_{flag}"), &look, &full);
        profiles(size, data.path(), table, &[], rows, &full)?;
    }
    let everyone = data.path().join("everyone.toml");
    fs::write(&everyone, EVERYONE)?;
    let everyone = ["--config", everyone.to_str().context("a path in UTF-8")?];
    profiles(size, data.path(), "hash_behavior_profiles", &everyone, "every_infohash", &full)?;
    for (name, hour) in [("one_more_hour", &newest), ("one_late_hour", &late)] {
        line(size, name, &several(FEW, &|| one_more(hour, root))?, &full);
    }
    Ok(full)
}

/// What it costs to compute once `hour`, the folder of one, has come to everything else in `root`.
pub fn one_more(hour: &Path, root: &str) -> Result<Run> {
    let hidden = hour.with_file_name(".hidden");
    fs::rename(hour, &hidden)?;
    analyze(&["compute", "--data", root])?;
    fs::rename(&hidden, hour)?;
    analyze(&["compute", "--data", root])
}

/// Prints how much more `large` costs than `small`.
pub fn growth((large, much): &(Size, Run), (small, little): &(Size, Run)) {
    let (time, memory) = (much.seconds / little.seconds, much.resident / little.resident);
    let (large, small) = (large.name, small.name);
    println!("bench {large}_growth {:.1} s ratio {time:.2} vs {small}", much.seconds);
    println!("bench {large}_growth_memory {:.0} MiB ratio {memory:.2} vs {small}", much.resident);
}

/// Prints what one table of profiles costs.
fn profiles(size: Size, data: &Path, table: &str, more: &[&str], name: &str, full: &Run) -> Result<()> {
    let root = data.to_str().context("a path in UTF-8")?;
    let run = several(RUNS, &|| {
        fs::remove_dir_all(data.join("derived").join(table))?;
        analyze(&[&["compute", "--data", root, table], more].concat())
    });
    line(size, &format!("{table}_of_{name}"), &run?, full);
    Ok(())
}

/// The folder of the last hour of events.
pub fn newest_hour(data: &Path) -> Result<PathBuf> {
    let mut hours = Vec::new();
    for day in data.join("captured/events").read_dir()? {
        for hour in day?.path().read_dir()? {
            hours.push(hour?.path());
        }
    }
    hours.into_iter().max().context("no hour")
}

fn several(runs: usize, of: &dyn Fn() -> Result<Run>) -> Result<Run> {
    Ok(median((0..runs).map(|_| of()).collect::<Result<_>>()?))
}

fn line(size: Size, name: &str, run: &Run, full: &Run) {
    let Size { name: size, .. } = size;
    let (time, memory) = (run.seconds / full.seconds, run.resident / full.resident);
    println!("bench {size}_{name} {:.3} s ratio {time:.4} vs from_nothing", run.seconds);
    println!("bench {size}_{name}_memory {:.0} MiB ratio {memory:.2} vs from_nothing", run.resident);
}
