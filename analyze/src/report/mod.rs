//! What people and programs see: results as titled sections, in one of several formats.
//!
//! Standard output gets data and nothing else. Every format shows binary values as text: ids in
//! hexadecimal, addresses as people write them.

mod csv;
mod json;
mod table;
mod text;

use anyhow::Result;
use clap::ValueEnum;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::compute::concat_batches;
use datafusion::dataframe::DataFrame;
use std::io::Write;

/// How results are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Table,
    /// One JSON document.
    Json,
    /// RFC 4180; several sections are set apart by `# title` lines.
    Csv,
}

/// One result, cut to the rows that are shown.
#[derive(Clone, Debug)]
pub struct Section {
    /// Heading; empty for the answer to a single query.
    pub title: String,
    /// The rows shown.
    pub rows: RecordBatch,
    /// How many rows there are.
    pub total: usize,
}

impl Section {
    /// Runs `result` and keeps its first `limit` rows.
    ///
    /// # Errors
    /// When the query fails.
    pub async fn collect(title: &str, result: DataFrame, limit: Option<usize>) -> Result<Self> {
        let schema = std::sync::Arc::new(result.schema().as_arrow().clone());
        let batches = result.collect().await?;
        let rows = concat_batches(&schema, &batches)?;
        let total = rows.num_rows();
        let shown = limit.map_or(total, |limit| limit.min(total));
        Ok(Self { title: title.to_owned(), rows: text::readable(&rows.slice(0, shown))?, total })
    }
}

/// Writes `sections` to `out`.
///
/// # Errors
/// When `out` does.
pub fn write(format: Format, sections: &[Section], out: &mut dyn Write) -> Result<()> {
    // Rendered first, so that a closed pipe shows as what it is and not as a formatter's failure.
    let mut text = Vec::new();
    match format {
        Format::Table => table::write(sections, &mut text)?,
        Format::Json => json::write(sections, &mut text)?,
        Format::Csv => csv::write(sections, &mut text)?,
    }
    out.write_all(&text)?;
    out.flush()?;
    Ok(())
}
