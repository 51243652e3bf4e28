//! `analyze prune`: deletes the oldest days of queries from a laptop's copy, once everything that can be
//! learnt from them stands in the derived tables.

use super::{close, show};
use crate::cli::Options;
use crate::dataset::{DataFile, Dataset};
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
const PRUNED: [&str; 3] =
    [schema::events::TABLE.name, schema::floods::TABLE.name, system_metrics::TABLE.name];

/// One day of one captured table.
#[derive(Debug, Default)]
struct Day {
    files: u64,
    rows: u64,
    bytes: u64,
}

/// Brings every derived table up to date, deletes what is older than the newest `keep` days, and lets
/// the derived tables follow. With `dry_run`, only shows what would go.
///
/// # Errors
/// When there is no data, a table cannot be computed (nothing is deleted then), or a day cannot be
/// deleted.
pub async fn run(options: &Options, keep: u32, dry_run: bool) -> Result<Exit> {
    let mut dataset = Dataset::open(&options.data)?;
    let days = dataset.days();
    let newest = *days.last().ok_or_else(|| Failure::NoData("no query is held".to_owned()))?;
    let first_kept = newest.saturating_add(1).saturating_sub_unsigned(keep);
    let old = old(&dataset, first_kept);
    let rows = listing(&old)?;
    let wanted: BTreeSet<&str> = queries::TABLES.iter().map(|table| table.name).collect();
    let runner = Runner::new(&options.config)?;
    if !dry_run {
        // Nothing leaves before all of it is summarised.
        runner.compute(&mut dataset, &wanted).await?;
    }
    // Damage behind an intact footer shows only when a file is read.
    let spoilt = spoilt(&dataset, &old);
    if !dry_run {
        for folder in old.keys().filter(|folder| !spoilt.contains(folder.as_path())) {
            fs::remove_dir_all(folder).with_context(|| format!("cannot delete {}", folder.display()))?;
        }
        dataset = Dataset::open(&options.data)?;
        runner.compute(&mut dataset, &wanted).await?;
    }
    let whole = old.iter().filter(|(folder, _)| !spoilt.contains(folder.as_path()));
    let bytes: u64 = whole.map(|(_, (_, _, day))| day.bytes).sum();
    let (kept, from) = (newest - first_kept + 1, partition::date_text(first_kept));
    let mut notes = vec![match (old.is_empty(), dry_run) {
        (true, _) => format!("Nothing is older than the newest {kept} days, {from} and later."),
        (false, true) => {
            format!("{bytes} bytes would be deleted; {from} and later would stay. Nothing was changed.")
        }
        (false, false) => format!("Deleted {bytes} bytes; {from} and later stay."),
    }];
    notes.extend(
        spoilt.iter().map(|folder| {
            format!("{} stays: it has damaged files, which no table has seen.", folder.display())
        }),
    );
    show(options, &Report { sections: vec![Section::whole("", rows)], notes })?;
    Ok(close(&dataset))
}

/// The folders of days before `first_kept`, with table, day and what is in them.
fn old(dataset: &Dataset, first_kept: i32) -> BTreeMap<PathBuf, (&'static str, i32, Day)> {
    let mut folders = BTreeMap::new();
    for table in PRUNED {
        let place = dataset.root().join(partition::CAPTURED).join(table);
        let old = |file: &&DataFile| file.day.is_some_and(|day| day < first_kept);
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

/// Those of the folders with files that could not be read.
fn spoilt<'a>(dataset: &Dataset, old: &'a BTreeMap<PathBuf, (&'static str, i32, Day)>) -> BTreeSet<&'a Path> {
    let damaged = |folder: &&PathBuf| dataset.damaged().iter().any(|file| file.path.starts_with(folder));
    old.keys().filter(damaged).map(PathBuf::as_path).collect()
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
