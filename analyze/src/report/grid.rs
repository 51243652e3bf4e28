//! A section drawn as a picture: one character a cell, from the faintest to the strongest of five
//! levels, coloured where the terminal has colour. A cell without a row stays blank.

use super::Section;
use anstyle::{AnsiColor, Style};
use anyhow::{Context, Result};
use datafusion::arrow::array::{AsArray, Int64Array};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Int64Type};
use std::collections::BTreeMap;
use std::fmt::Write;

/// The levels, the lowest first. A higher level is drawn as the highest.
const LEVELS: [(char, AnsiColor); 5] = [
    ('.', AnsiColor::Blue),
    (':', AnsiColor::Cyan),
    ('+', AnsiColor::Green),
    ('*', AnsiColor::Yellow),
    ('#', AnsiColor::Red),
];

/// The rows of `section` as a picture, with its `legend` below: see [`queries::sections`].
pub(super) fn render(section: &Section, legend: &str, colour: bool) -> Result<String> {
    let [rows, columns, levels] = [whole(section, "row")?, whole(section, "col")?, whole(section, "level")?];
    let mut cells = BTreeMap::<i64, BTreeMap<i64, usize>>::new();
    for index in 0..section.rows.num_rows() {
        let level = usize::try_from(levels.value(index)).unwrap_or(0).min(LEVELS.len() - 1);
        cells.entry(rows.value(index)).or_default().insert(columns.value(index), level);
    }
    let width = cells.values().filter_map(|row| row.keys().next_back()).max().map_or(0, |last| last + 1);
    let height = cells.keys().next_back().map_or(0, |last| last + 1);
    let mut picture = String::new();
    for row in 0..height {
        for column in 0..width {
            match cells.get(&row).and_then(|row| row.get(&column)) {
                Some(&level) => picture.push_str(&paint(level, colour)),
                None => picture.push(' '),
            }
        }
        picture.truncate(picture.trim_end_matches(' ').len());
        picture.push('\n');
    }
    for (level, meaning) in legend.split(',').take(LEVELS.len()).enumerate() {
        let gap = if level == 0 { "" } else { "   " };
        let _ = write!(picture, "{gap}{} {}", paint(level, colour), meaning.trim());
    }
    Ok(picture)
}

fn whole(section: &Section, name: &str) -> Result<Int64Array> {
    let column = section.rows.column_by_name(name);
    let column =
        column.with_context(|| format!("`{}` is drawn and has no column `{name}`", section.title))?;
    Ok(cast(column, &DataType::Int64)?.as_primitive::<Int64Type>().clone())
}

fn paint(level: usize, colour: bool) -> String {
    let (character, shade) = LEVELS[level];
    let style = if colour { Style::new().fg_color(Some(shade.into())) } else { Style::new() };
    format!("{style}{character}{style:#}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::array::{ArrayRef, RecordBatch, UInt8Array};
    use std::sync::Arc;

    fn section(cells: &[(u8, u8, u8)]) -> Section {
        let column = |of: fn(&(u8, u8, u8)) -> u8| -> ArrayRef {
            Arc::new(UInt8Array::from_iter_values(cells.iter().map(of)))
        };
        let columns = [("row", column(|it| it.0)), ("col", column(|it| it.1)), ("level", column(|it| it.2))];
        let rows = RecordBatch::try_from_iter(columns).expect("a batch");
        Section { title: "Map".into(), total: rows.num_rows(), hidden: 0, grid: None, rows }
    }

    #[test]
    fn cells_stand_where_they_belong_whatever_their_order() {
        let section = section(&[(1, 2, 9), (0, 0, 0), (0, 2, 1), (1, 1, 3)]);
        let picture = render(&section, "few, some", false).expect("a picture");
        assert_eq!(picture, ". :\n *#\n. few   : some");
        let apart = render(&self::section(&[(0, 0, 0), (2, 0, 1)]), "few", false).expect("a picture");
        assert_eq!(apart, ".\n\n:\n. few");
        let coloured = render(&section, "few", true).expect("a picture");
        assert!(coloured.contains("\u{1b}[31m#\u{1b}[0m"), "{coloured:?}");
    }

    #[test]
    fn a_missing_column_is_named() {
        let mut section = section(&[(0, 0, 0)]);
        section.rows = section.rows.project(&[0, 1]).expect("a projection");
        let message = render(&section, "", false).expect_err("must be refused").to_string();
        assert!(message.contains("`Map`") && message.contains("`level`"), "{message}");
    }
}
