//! `analyze tables`: what the dataset holds.

use super::{close, show};
use crate::cli::Options;
use crate::dataset::{DataFile, Dataset};
use crate::error::Exit;
use crate::plan::{Source, Tier};
use crate::report::{Report, Section};
use crate::run::Runner;
use anyhow::Result;
use datafusion::arrow::array::{ArrayRef, RecordBatch, StringArray, UInt64Array};
use schema::partition::date_text;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Prints one line a table.
///
/// # Errors
/// When there is no data.
pub async fn run(options: &Options) -> Result<Exit> {
    let dataset = Dataset::open(&options.data)?;
    let runner = Runner::new(&options.config)?;
    let held: Vec<(Source, &[DataFile])> = Source::all()
        .filter_map(|source| match source.tier {
            Tier::Captured => Some((source, dataset.captured(source.name))),
            Tier::Derived => Some((source, dataset.derived(source.name))),
            Tier::User => None,
        })
        .collect();
    let count = |of: fn(&[DataFile]) -> u64| -> ArrayRef {
        Arc::new(UInt64Array::from_iter_values(held.iter().map(|(_, files)| of(files))))
    };
    let text = |of: &dyn Fn(Source, &[DataFile]) -> Option<String>| -> ArrayRef {
        Arc::new(held.iter().map(|(source, files)| of(*source, files)).collect::<StringArray>())
    };
    let freshness = |source: Source, _: &[DataFile]| {
        let table = queries::table(source.name).filter(|_| source.tier == Tier::Derived)?;
        let mut own = runner.survey(&dataset, &BTreeSet::from([table.name]));
        own.retain(|planned| planned.part.table.name == table.name);
        let stale = own.iter().filter(|planned| !planned.changes.is_empty()).count();
        Some(if stale == 0 { "up to date".to_owned() } else { format!("{stale} of {} stale", own.len()) })
    };
    let days = |files: &[DataFile]| -> Option<(i32, i32)> {
        let days = files.iter().filter_map(|file| file.day);
        Some((days.clone().min()?, days.max()?))
    };
    let rows = RecordBatch::try_from_iter([
        ("table", text(&|source, _| Some(source.to_string()))),
        ("files", count(|files| files.len() as u64)),
        ("rows", count(|files| files.iter().map(|file| file.rows).sum())),
        ("bytes", count(|files| files.iter().map(|file| file.size).sum())),
        ("from", text(&|_, files| days(files).map(|(first, _)| date_text(first)))),
        ("to", text(&|_, files| days(files).map(|(_, last)| date_text(last)))),
        ("state", text(&freshness)),
    ])?;
    show(options, &Report { sections: vec![Section::whole("", rows)], notes: vec![] })?;
    Ok(close(&dataset))
}
