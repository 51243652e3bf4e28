//! What people and programs see: results as titled sections, in one of several formats.
//!
//! Standard output gets data and nothing else. Every format shows binary values as text: ids in
//! hexadecimal, addresses as people write them.

mod csv;
mod grid;
mod json;
mod markdown;
mod rows;
mod table;
mod text;

pub use json::escaped;
pub use rows::{List, Rows, SIGNIFICANT, Sort, infohash};

use anyhow::Result;
use clap::ValueEnum;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::compute::concat_batches;
use datafusion::dataframe::DataFrame;
use std::io::{IsTerminal, Write, stdout};
use std::sync::Arc;

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
    /// Tables as GitHub reads them.
    Markdown,
}

impl Format {
    /// Whether people read it, rather than programs.
    #[must_use]
    pub fn is_for_people(self) -> bool {
        matches!(self, Self::Table | Self::Markdown)
    }
}

/// Everything that one command shows.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The results.
    pub sections: Vec<Section>,
    /// What readers should know about all of them, a sentence each.
    pub notes: Vec<String>,
}

/// One result, cut to the rows that are shown.
#[derive(Clone, Debug)]
pub struct Section {
    /// Heading; empty for the answer to a single query.
    pub title: String,
    /// The rows shown.
    pub rows: RecordBatch,
    /// How many rows there are, the hidden ones left out.
    pub total: usize,
    /// How many rows are hidden at the user's wish.
    pub hidden: usize,
    /// The legend of a section that is drawn; see [`queries::sections`].
    pub grid: Option<&'static str>,
}

impl Section {
    /// A section of rows that are all shown.
    #[must_use]
    pub fn whole(title: &str, rows: RecordBatch) -> Self {
        Self { title: title.to_owned(), total: rows.num_rows(), hidden: 0, grid: None, rows }
    }

    /// Those of `all` rows that `chosen` lets through.
    ///
    /// # Errors
    /// When they cannot be told apart, or shown as text.
    pub fn of(title: &str, all: &RecordBatch, chosen: &Rows) -> Result<Self> {
        let rows = chosen.choose(all)?;
        let (total, hidden) = (rows.num_rows(), all.num_rows() - rows.num_rows());
        let shown = chosen.limit.map_or(total, |limit| limit.min(total));
        Ok(Self {
            title: title.to_owned(),
            rows: text::readable(&rows.slice(0, shown))?,
            total,
            hidden,
            grid: None,
        })
    }

    /// What is not shown: `showing 20 of 57, 3 hidden`; none when everything is.
    fn footer(&self) -> Option<String> {
        let shown = self.rows.num_rows();
        match (shown < self.total, self.hidden) {
            (false, 0) => None,
            (true, 0) => Some(format!("showing {shown} of {}", self.total)),
            (_, hidden) => {
                Some(format!("showing {shown} of {}, {hidden} more hidden as you asked", self.total))
            }
        }
    }
}

/// Runs `query` to its end.
///
/// # Errors
/// When it fails.
pub async fn rows(query: DataFrame) -> Result<RecordBatch> {
    let schema = Arc::new(query.schema().as_arrow().clone());
    let batches = query.collect().await?;
    // What the plan calls text may come as another layout of text.
    let schema = batches.first().map_or(schema, RecordBatch::schema);
    Ok(concat_batches(&schema, &batches)?)
}

/// Writes `report` to `out`.
///
/// # Errors
/// When `out` does.
pub fn write(format: Format, report: &Report, out: &mut dyn Write) -> Result<()> {
    // Rendered first, so that a closed pipe shows as what it is and not as a formatter's failure.
    let mut text = Vec::new();
    match format {
        Format::Table => table::write(report, &mut text)?,
        Format::Json => json::write(&report.sections, &mut text)?,
        Format::Csv => csv::write(&report.sections, stdout().is_terminal(), &mut text)?,
        Format::Markdown => markdown::write(report, &mut text)?,
    }
    out.write_all(&text)?;
    out.flush()?;
    Ok(())
}

/// Whether standard output shows colours: a terminal that has them, and a user who wants them.
#[must_use]
pub fn colour() -> bool {
    anstream::AutoStream::choice(&stdout()) != anstream::ColorChoice::Never
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::array::{ArrayRef, StringArray};

    #[test]
    fn terminals_get_no_control_characters_in_any_format() {
        let texts: ArrayRef = Arc::new(StringArray::from(vec!["get\u{1b}[31m_peers\u{7f}\u{9b}2J"]));
        let rows = RecordBatch::try_from_iter([("method", texts)]).expect("a batch");
        let report = Report { sections: vec![Section::whole("", rows)], notes: vec![] };
        let mut written: Vec<(Format, Vec<u8>)> = Vec::new();
        for format in [Format::Table, Format::Json, Format::Markdown] {
            let mut text = Vec::new();
            write(format, &report, &mut text).expect("text");
            written.push((format, text));
        }
        let mut shown = Vec::new();
        csv::write(&report.sections, true, &mut shown).expect("text");
        written.push((Format::Csv, shown));
        for (format, text) in written {
            let text = String::from_utf8(text).expect("UTF-8");
            assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{format:?}: {text:?}");
        }
        let mut raw = Vec::new();
        csv::write(&report.sections, false, &mut raw).expect("text");
        assert!(raw.contains(&0x1b), "programs get what there is");
    }
}
