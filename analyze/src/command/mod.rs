//! The commands, one file each.

pub mod compute;
pub mod config;
pub mod explain;
pub mod metrics;
pub mod prune;
pub mod report;
pub mod schema;
pub mod sql;
pub mod tables;
pub mod watch;

use crate::cli::Options;
use crate::dataset::{Damaged, Dataset};
use crate::error::{Exit, Failure, did_you_mean};
use crate::plan::{Source, Tier};
use crate::report::{Report, write};
use anyhow::Result;
use queries::Table;
use std::collections::BTreeSet;
use std::io::stdout;

/// Writes the report to standard output; the notes on it to standard error where the output is for
/// programs.
fn show(options: &Options, report: &Report) -> Result<()> {
    if !options.format.is_for_people() {
        for note in &report.notes {
            eprintln!("analyze: {note}");
        }
    }
    write(options.format, report, &mut stdout().lock())
}

/// The table that people call `name`.
fn named(name: &str) -> Result<&'static Table> {
    let plain = name.strip_prefix("derived.").unwrap_or(name);
    let derived = Source::all().filter(|source| source.tier == Tier::Derived);
    queries::table(plain).ok_or_else(|| unknown("derived table", name, derived).into())
}

/// That there is no table `name`, and which of those `known` may be meant.
fn unknown(what: &str, name: &str, known: impl Iterator<Item = Source>) -> Failure {
    let plain = name.rsplit('.').next().unwrap_or(name);
    let hint = did_you_mean(plain, known.map(|source| (source.name, source)));
    Failure::Usage(format!("there is no {what} `{name}`{hint} (`analyze schema` describes them all)"))
}

/// Says what people should know about the files behind an answer. A file that was set aside makes
/// the exit code a failure.
fn close(dataset: &Dataset) -> Exit {
    for table in queries::TABLES {
        let configs: BTreeSet<_> = dataset.derived(table.name).iter().map(|file| &file.config).collect();
        if configs.len() > 1 {
            eprintln!(
                "analyze: derived.{} mixes days computed with different thresholds: those whose raw events \
                 are gone keep the old ones",
                table.name
            );
        }
    }
    if let Some(one) = dataset.returned().first() {
        eprintln!(
            "analyze: left out {} files of days that were pruned, such as {}: `analyze prune` deletes them",
            dataset.returned().len(),
            one.display()
        );
    }
    dataset.damaged().iter().for_each(skipped);
    if dataset.damaged().is_empty() { Exit::Ok } else { Exit::Failure }
}

/// Names a file that was set aside.
fn skipped(damaged: &Damaged) {
    eprintln!(
        "analyze: skipped {}: {}; copy it from the sensor again or delete it",
        damaged.path.display(),
        damaged.reason
    );
}
