//! Markdown as GitHub reads it: a heading and a table a section.

use super::{Report, Section, grid, table, text};
use anyhow::Result;
use comfy_table::{ContentArrangement, presets};
use datafusion::arrow::array::ArrayRef;
use std::io::Write;

pub(super) fn write(report: &Report, out: &mut Vec<u8>) -> Result<()> {
    for (index, section) in report.sections.iter().enumerate() {
        if index > 0 {
            writeln!(out)?;
        }
        if !section.title.is_empty() {
            writeln!(out, "## {}\n", section.title)?;
        }
        match section.grid {
            _ if section.total == 0 => writeln!(out, "(none)")?,
            Some(legend) => writeln!(out, "```text\n{}\n```", grid::render(section, legend, false)?)?,
            None => writeln!(out, "{}", rows(section)?)?,
        }
        if let Some(line) = section.footer() {
            writeln!(out, "\n{line}")?;
        }
    }
    for note in &report.notes {
        writeln!(out, "\n{note}")?;
    }
    Ok(())
}

fn rows(section: &Section) -> Result<String> {
    let escaped = |column: &ArrayRef, row| {
        let text = text::cell(column, row)?;
        Ok(text.replace('\\', "\\\\").replace('|', "\\|"))
    };
    let mut table = table::build(section, escaped)?;
    table.load_preset(presets::ASCII_MARKDOWN).set_content_arrangement(ContentArrangement::Disabled);
    Ok(table.to_string())
}
