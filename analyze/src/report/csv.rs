//! CSV (RFC 4180): a header and the rows. Several sections are set apart by an empty line and a
//! line `# title`, which readers can be told to skip as a comment; it also says what is left out.

use super::{Section, text};
use anyhow::Result;
use datafusion::arrow::csv::WriterBuilder;
use std::io::Write;

/// Writes them for programs, or as a `terminal` may show them.
pub(super) fn write(sections: &[Section], terminal: bool, out: &mut Vec<u8>) -> Result<()> {
    for (index, section) in sections.iter().enumerate() {
        if index > 0 {
            writeln!(out)?;
        }
        if !section.title.is_empty() {
            let footer = section.footer().map_or_else(String::new, |footer| format!(" ({footer})"));
            writeln!(out, "# {}{footer}", section.title)?;
        }
        let rows = text::flat(&section.rows, terminal)?;
        WriterBuilder::new().with_header(true).build(&mut *out).write(&rows)?;
    }
    Ok(())
}
