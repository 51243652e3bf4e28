//! `analyze sql`: one query over everything that is there. It computes nothing first: it shows
//! the files as they are.

use super::{close, show, unknown};
use crate::cli::Options;
use crate::dataset::Dataset;
use crate::error::{Exit, Failure};
use crate::memory;
use crate::plan::{self, Source};
use crate::report::{self, Report, Section};
use crate::session;
use anyhow::Result;
use datafusion::execution::context::SQLOptions;

/// Runs `query` and prints its rows. Statements that write are refused.
///
/// # Errors
/// When there is no data or the query fails.
pub async fn run(options: &Options, query: &str) -> Result<Exit> {
    small_pages();
    let mut dataset = Dataset::open(&options.data)?;
    let section = loop {
        let error = match answer(options, &dataset, query).await {
            Ok(section) => break section,
            Err(error) => error,
        };
        let sources = plan::sources(query).unwrap_or_default();
        let error = memory::explain(error, &options.config.engine(), "the query", dataset.files(&sources));
        if !dataset.recover(&error)? {
            return Err(error);
        }
    };
    show(options, &Report { sections: vec![section], notes: vec![] })?;
    Ok(close(&dataset))
}

/// Keeps the allocator from large pages, which serve computations that use their memory again and again: what one query
/// holds only grows, and to clear large pages for it can take a quarter of its time.
fn small_pages() {
    // A kernel that refuses has no large pages.
    #[cfg(target_os = "linux")]
    let _ = nix::sys::prctl::set_thp_disable(true);
}

async fn answer(options: &Options, dataset: &Dataset, query: &str) -> Result<Section> {
    let context = session::session(&options.config.engine())?;
    session::register_all(&context, dataset, &options.config)?;
    let reading = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
    let planned = context.sql_with_options(query, reading).await;
    let result = planned.map_err(|error| explain(&error.strip_backtrace()))?;
    Section::of("", &report::rows(result).await?, &options.rows)
}

/// What the engine says of a query, put plainly where it does not know a table.
fn explain(error: &str) -> Failure {
    let missing =
        error.split_once("table 'datafusion.").and_then(|(_, rest)| rest.strip_suffix("' not found"));
    let missing = missing.map(|name| name.strip_prefix("public.").unwrap_or(name));
    missing.map_or_else(|| Failure::Usage(error.to_owned()), |name| unknown("table", name, Source::all()))
}
