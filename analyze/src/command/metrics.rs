//! `analyze metrics`: how the sensors and their hosts were doing.

use super::report::{Query, answer};
use crate::cli::Options;
use crate::error::Exit;
use anyhow::Result;
use queries::sections;

/// Shows the newest values, the averages and the history of `captured.system_metrics`.
///
/// # Errors
/// When there is no data, or none of the days asked for.
pub async fn run(options: &Options) -> Result<Exit> {
    let sections = sections(include_str!("metrics.sql"));
    let queries = sections.map(|section| Query { section, parameters: Vec::new() }).collect();
    answer(options, queries, Some("captured.system_metrics has no row")).await
}
