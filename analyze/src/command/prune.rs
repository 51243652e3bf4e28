//! `analyze prune`: deletes the oldest days of queries from a laptop's copy, once everything that can be
//! learnt from them stands in the derived tables.
//!
//! A day that was pruned keeps its folder, with a mark in it ([`PRUNED`]). What a sensor still has comes back with the
//! next copy, and perhaps not all of it: under the mark it takes no part in anything, so that numbers that
//! were computed from the whole day stay.

use super::{close, show};
use crate::cli::Options;
use crate::dataset::{DataFile, Dataset, PRUNED};
use crate::error::{Exit, Failure};
use crate::report::{Report, Section};
use crate::run::Runner;
use anyhow::{Context, Result};
use datafusion::arrow::array::{ArrayRef, RecordBatch, StringArray, UInt64Array};
use schema::{partition, system_metrics};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Tables whose days are deleted. The others are small and say what the sensors were: they stay.
const TABLES: [&str; 3] =
    [schema::events::TABLE.name, schema::floods::TABLE.name, system_metrics::TABLE.name];

/// One day of one captured table.
#[derive(Debug, Default)]
struct Day {
    files: u64,
    rows: u64,
    bytes: u64,
}

/// Brings every derived table up to date, deletes what is older than the newest `keep` days held, and lets
/// the derived tables follow. With `dry_run`, only shows what would go.
///
/// # Errors
/// When there is no data, a table cannot be computed (nothing is deleted then), or a day cannot be
/// deleted.
pub async fn run(options: &Options, keep: u32, dry_run: bool) -> Result<Exit> {
    let mut dataset = Dataset::open(&options.data)?;
    let days = dataset.days();
    let returned = dataset.returned().len();
    // None where only files that came back are left.
    let first_kept = days.iter().nth_back(keep as usize - 1).or(days.first()).copied();
    if first_kept.is_none() && returned == 0 {
        return Err(Failure::NoData("no query is held".to_owned()).into());
    }
    let old = old(&dataset, first_kept);
    let rows = listing(&old)?;
    let wanted: BTreeSet<&str> = queries::TABLES.iter().map(|table| table.name).collect();
    let runner = Runner::new(&options.config)?;
    if !dry_run {
        // Nothing leaves before all of it is summarised.
        runner.compute(&mut dataset, &wanted).await?;
    }
    // Damage behind an intact footer shows only when a file is read.
    let stay = stay(&dataset, &old)?;
    if !dry_run {
        // The folder of an hour, and that of its day.
        let returned = dataset.returned().iter().filter_map(|path| path.ancestors().nth(2));
        let leave = old.keys().map(PathBuf::as_path).filter(|folder| !stay.contains_key(folder));
        for folder in returned.chain(leave).collect::<BTreeSet<_>>() {
            empty(folder).with_context(|| format!("cannot delete {}", folder.display()))?;
        }
        dataset = Dataset::open(&options.data)?;
        runner.compute(&mut dataset, &wanted).await?;
    }
    let whole = old.iter().filter(|(folder, _)| !stay.contains_key(folder.as_path()));
    let bytes: u64 = whole.map(|(_, (_, _, day))| day.bytes).sum();
    let mut notes = Vec::new();
    if let Some(from) = first_kept.map(partition::date_text) {
        notes.push(match (old.is_empty(), dry_run) {
            (true, _) => format!("Nothing is older than the newest {keep} days held, {from} and later."),
            (false, true) => {
                format!("{bytes} bytes would be deleted; {from} and later would stay. Nothing was changed.")
            }
            (false, false) => format!("Deleted {bytes} bytes; {from} and later stay."),
        });
    }
    if returned > 0 && !dry_run {
        notes.push(format!("Deleted {returned} files of pruned days that had come back."));
    }
    notes.extend(stay.iter().map(|(folder, why)| format!("{} stays: {why}.", folder.display())));
    show(options, &Report { sections: vec![Section::whole("", rows)], notes })?;
    Ok(close(&dataset))
}

/// The folders of days before `first_kept`, or of all, with table, day and what is in them.
fn old(dataset: &Dataset, first_kept: Option<i32>) -> BTreeMap<PathBuf, (&'static str, i32, Day)> {
    let mut folders = BTreeMap::new();
    for table in TABLES {
        let place = dataset.root().join(partition::CAPTURED).join(table);
        let old = |file: &&DataFile| file.day.is_some_and(|day| first_kept.is_none_or(|first| day < first));
        for file in dataset.captured(table).iter().filter(old) {
            let day = file.day.unwrap_or_default();
            let folder = place.join(partition::date_folder(day));
            let (_, _, sum) = folders.entry(folder).or_insert_with(|| (table, day, Day::default()));
            sum.files += 1;
            sum.rows += file.rows;
            sum.bytes += file.size;
        }
    }
    folders
}

/// Those of the folders with files that no table has seen, and why.
fn stay<'a>(
    dataset: &Dataset,
    old: &'a BTreeMap<PathBuf, (&'static str, i32, Day)>,
) -> Result<BTreeMap<&'a Path, &'static str>> {
    let now = Dataset::open(dataset.root())?;
    let why = |folder: &Path, table: &str| {
        if dataset.damaged().iter().any(|file| file.path.starts_with(folder)) {
            return Some("it has damaged files, which no table has seen");
        }
        let seen = |file: &DataFile| dataset.captured(table).iter().any(|other| other.digest == file.digest);
        let mut files = now.captured(table).iter().filter(|file| file.path.starts_with(folder));
        (!files.all(seen)).then_some("files have come in meanwhile; prune again")
    };
    Ok(old.iter().filter_map(|(folder, (table, ..))| Some((folder.as_path(), why(folder, table)?))).collect())
}

/// Deletes what is in the folder of a day, under a mark that keeps what is left of it, and what comes back, out of
/// everything.
fn empty(folder: &Path) -> Result<()> {
    fs::write(folder.join(PRUNED), "")?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else if entry.file_name() != PRUNED {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// One row a folder.
fn listing(old: &BTreeMap<PathBuf, (&'static str, i32, Day)>) -> Result<RecordBatch> {
    let text = |of: fn(&(&str, i32, Day)) -> String| -> ArrayRef {
        Arc::new(old.values().map(|entry| Some(of(entry))).collect::<StringArray>())
    };
    let count = |of: fn(&Day) -> u64| -> ArrayRef {
        Arc::new(UInt64Array::from_iter_values(old.values().map(|(_, _, day)| of(day))))
    };
    Ok(RecordBatch::try_from_iter([
        ("table", text(|(table, _, _)| format!("{}.{table}", partition::CAPTURED))),
        ("day", text(|(_, day, _)| partition::date_text(*day))),
        ("files", count(|day| day.files)),
        ("rows", count(|day| day.rows)),
        ("bytes", count(|day| day.bytes)),
    ])?)
}
