//! `analyze compute`: brings derived tables up to date.

use super::close;
use crate::cli::Options;
use crate::dataset::Dataset;
use crate::error::{Exit, Failure};
use crate::run::Runner;
use anyhow::Result;
use std::collections::BTreeSet;

/// Computes the tables called `names`, or all of them.
///
/// # Errors
/// When there is no data, a name is unknown, a query fails or a file cannot be written.
pub async fn run(options: &Options, names: &[String]) -> Result<Exit> {
    let mut wanted: BTreeSet<&str> = names.iter().map(|name| named(name)).collect::<Result<_>>()?;
    if wanted.is_empty() {
        wanted.extend(queries::TABLES.iter().map(|table| table.name));
    }
    let mut dataset = Dataset::open(&options.data)?;
    let done = Runner::new(&options.config)?.compute(&mut dataset, &wanted).await?;
    eprintln!("computed {} files, {} were up to date", done.computed, done.current);
    Ok(close(&dataset))
}

/// The table that people call `name`.
fn named(name: &str) -> Result<&'static str> {
    let plain = name.strip_prefix("derived.").unwrap_or(name);
    queries::table(plain).map(|table| table.name).ok_or_else(|| {
        let known: Vec<_> = queries::TABLES.iter().map(|table| table.name).collect();
        Failure::Usage(format!("there is no derived table `{name}`; there are {}", known.join(", "))).into()
    })
}
