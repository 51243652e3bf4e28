//! `analyze compute`: brings derived tables up to date.

use super::{close, named};
use crate::cli::Options;
use crate::dataset::Dataset;
use crate::error::Exit;
use crate::run::Runner;
use anyhow::Result;
use std::collections::BTreeSet;

/// Computes the tables called `names`, or all of them.
///
/// # Errors
/// When there is no data, a name is unknown, a query fails or a file cannot be written.
pub async fn run(options: &Options, names: &[String]) -> Result<Exit> {
    let mut wanted: BTreeSet<&str> = names.iter().map(|name| Ok(named(name)?.name)).collect::<Result<_>>()?;
    if wanted.is_empty() {
        wanted.extend(queries::TABLES.iter().map(|table| table.name));
    }
    let mut dataset = Dataset::open(&options.data)?;
    let done = Runner::new(&options.config)?.compute(&mut dataset, &wanted).await?;
    eprintln!("computed {} files, {} were up to date", done.computed, done.current);
    Ok(close(&dataset))
}
