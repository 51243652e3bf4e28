//! Tables for people: as wide as the terminal, plain text into pipes.

use super::{Section, text};
use anyhow::Result;
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};
use std::io::{IsTerminal, Write, stdout};

pub(super) fn write(sections: &[Section], out: &mut Vec<u8>) -> Result<()> {
    for (index, section) in sections.iter().enumerate() {
        if index > 0 {
            writeln!(out)?;
        }
        if !section.title.is_empty() {
            writeln!(out, "{}", section.title)?;
        }
        if section.total == 0 {
            writeln!(out, "(none)")?;
            continue;
        }
        writeln!(out, "{}", render(section)?)?;
        let shown = section.rows.num_rows();
        if shown < section.total {
            writeln!(out, "showing {shown} of {}", section.total)?;
        }
    }
    Ok(())
}

fn render(section: &Section) -> Result<String> {
    let mut table = Table::new();
    let arrangement =
        if stdout().is_terminal() { ContentArrangement::Dynamic } else { ContentArrangement::Disabled };
    table.load_preset(presets::UTF8_BORDERS_ONLY).set_content_arrangement(arrangement);
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
                Ok(Cell::new(text::cell(column, row)?).set_alignment(side))
            })
            .collect();
        table.add_row(cells?);
    }
    Ok(table.to_string())
}
