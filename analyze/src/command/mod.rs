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
use std::io::stdout;

/// Writes the sections to standard output.
fn show(options: &Options, sections: &[Section]) -> Result<()> {
    write(options.format, sections, &mut stdout().lock())
}

/// Names the files that were set aside; any of them makes the exit code a failure.
fn close(dataset: &Dataset) -> Exit {
    for damaged in dataset.damaged() {
        eprintln!(
            "analyze: skipped {}: {}; copy it from the sensor again or delete it",
            damaged.path.display(),
            damaged.reason
        );
    }
    if dataset.damaged().is_empty() { Exit::Ok } else { Exit::Failure }
}
