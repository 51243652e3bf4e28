//! Tables for people: as wide as the terminal, plain text into pipes.

use super::{Report, Section, colour, grid, text};
use anyhow::Result;
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};
use datafusion::arrow::array::ArrayRef;
use std::io::{IsTerminal, Write, stdout};

pub(super) fn write(report: &Report, out: &mut Vec<u8>) -> Result<()> {
    for (index, section) in report.sections.iter().enumerate() {
        if index > 0 {
            writeln!(out)?;
        }
        if !section.title.is_empty() {
            writeln!(out, "{}", section.title)?;
        }
        match section.grid {
            _ if section.total == 0 => writeln!(out, "(none)")?,
            Some(legend) => writeln!(out, "{}", grid::render(section, legend, colour())?)?,
            None => writeln!(out, "{}", rows(section)?)?,
        }
        if let Some(line) = section.footer() {
            writeln!(out, "{line}")?;
        }
    }
    if !report.notes.is_empty() {
        writeln!(out)?;
    }
    for note in &report.notes {
        writeln!(out, "{note}")?;
    }
    Ok(())
}

fn rows(section: &Section) -> Result<String> {
    let mut table = build(section, text::cell)?;
    let arrangement =
        if stdout().is_terminal() { ContentArrangement::Dynamic } else { ContentArrangement::Disabled };
    table.load_preset(presets::UTF8_BORDERS_ONLY).set_content_arrangement(arrangement);
    Ok(table.to_string())
}

/// The rows of `section` as a table of what `text` makes of each value, numbers to the right.
pub(super) fn build(section: &Section, text: impl Fn(&ArrayRef, usize) -> Result<String>) -> Result<Table> {
    let mut table = Table::new();
    let schema = section.rows.schema();
    table.set_header(schema.fields().iter().map(|field| field.name().replace('_', " ")));
    for row in 0..section.rows.num_rows() {
        let cells: Result<Vec<Cell>> = section
            .rows
            .columns()
            .iter()
            .map(|column| {
                let numeric = column.data_type().is_numeric();
                let side = if numeric { CellAlignment::Right } else { CellAlignment::Left };
                Ok(Cell::new(text(column, row)?).set_alignment(side))
            })
            .collect();
        table.add_row(cells?);
    }
    Ok(table)
}
