//! `analyze compute`: brings derived tables up to date, or says which are not, and why.

use super::{close, named, show};
use crate::cli::Options;
use crate::dataset::Dataset;
use crate::error::Exit;
use crate::report::{Report, Section};
use crate::run::{Planned, Runner};
use anyhow::Result;
use datafusion::arrow::array::{ArrayRef, RecordBatch, StringArray};
use schema::partition::date_text;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Changes that are named for one file; there may be one for every day held.
const NAMED: usize = 3;

/// Computes the tables called `names`, or all of them. With `explain`, only shows which of their files
/// would be computed, and why.
///
/// # Errors
/// When there is no data, a name is unknown, a query fails or a file cannot be written.
pub async fn run(options: &Options, names: &[String], explain: bool) -> Result<Exit> {
    let mut wanted: BTreeSet<&str> = names.iter().map(|name| Ok(named(name)?.name)).collect::<Result<_>>()?;
    if wanted.is_empty() {
        wanted.extend(queries::TABLES.iter().map(|table| table.name));
    }
    let mut dataset = Dataset::open(&options.data)?;
    let runner = Runner::new(&options.config)?;
    if explain {
        let stale: Vec<Planned> = runner.survey(&dataset, &wanted);
        let stale: Vec<Planned> = stale.into_iter().filter(|planned| !planned.changes.is_empty()).collect();
        let sections = vec![Section::whole("", reasons(&stale)?)];
        let leave = dataset.retired().len();
        let leave =
            (leave > 0).then(|| format!("{leave} files leave with the queries they were computed from."));
        show(options, &Report { sections, notes: leave.into_iter().collect() })?;
        return Ok(close(&dataset));
    }
    let done = runner.compute(&mut dataset, &wanted).await?;
    eprintln!("computed {} files, {} were up to date", done.computed, done.current);
    if done.retired > 0 {
        eprintln!("deleted {} files whose queries are gone", done.retired);
    }
    Ok(close(&dataset))
}

/// One row a file that would be computed.
fn reasons(stale: &[Planned]) -> Result<RecordBatch> {
    let text = |of: &dyn Fn(&Planned) -> Option<String>| -> ArrayRef {
        Arc::new(stale.iter().map(of).collect::<StringArray>())
    };
    let why = |planned: &Planned| {
        let named = planned.changes.iter().take(NAMED).map(ToString::to_string);
        let more = planned.changes.len().saturating_sub(NAMED);
        let more = (more > 0).then(|| format!("{more} more"));
        Some(named.chain(more).collect::<Vec<_>>().join(", "))
    };
    Ok(RecordBatch::try_from_iter([
        ("table", text(&|planned| Some(planned.part.table.name.to_owned()))),
        ("day", text(&|planned| planned.part.day.map(date_text))),
        ("why", text(&why)),
    ])?)
}
