//! The commands, one file each.

pub mod compute;
pub mod config;
pub mod report;
pub mod schema;
pub mod sql;
pub mod tables;

use crate::cli::Options;
use crate::dataset::Dataset;
use crate::error::Exit;
use crate::report::{Section, write};
use anyhow::Result;
use std::collections::BTreeSet;
use std::io::stdout;

/// Writes the sections to standard output.
fn show(options: &Options, sections: &[Section]) -> Result<()> {
    write(options.format, sections, &mut stdout().lock())
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
    for damaged in dataset.damaged() {
        eprintln!(
            "analyze: skipped {}: {}; copy it from the sensor again or delete it",
            damaged.path.display(),
            damaged.reason
        );
    }
    if dataset.damaged().is_empty() { Exit::Ok } else { Exit::Failure }
}
