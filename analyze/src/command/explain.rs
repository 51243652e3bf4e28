//! `analyze explain`: what a detector measures and which thresholds are in force.

use super::named;
use crate::cli::Options;
use crate::error::Exit;
use crate::plan;
use crate::report::colour;
use anstyle::Style;
use anyhow::Result;
use queries::{Grain, Table};
use std::fmt::Write as _;
use std::io::{Write as _, stdout};

/// Prints the page of each detector called in `names`.
///
/// # Errors
/// When a name is unknown or standard output is closed.
pub fn run(options: &Options, names: &[String]) -> Result<Exit> {
    let tables: Vec<&Table> = names.iter().map(|name| named(name)).collect::<Result<_>>()?;
    let pages: Vec<String> = tables.into_iter().map(|table| page(options, table)).collect::<Result<_>>()?;
    let text = pages.join("\n");
    let text = if colour() { with_bold_headings(&text) } else { text };
    stdout().write_all(text.as_bytes())?;
    Ok(Exit::Ok)
}

/// The documentation of `table` and what follows from its declarations, as Markdown.
fn page(options: &Options, table: &Table) -> Result<String> {
    let mut page = format!("# derived.{}\n\n{}\n", table.name, table.doc().trim_end());
    if !table.parameters.is_empty() {
        let _ = writeln!(page, "\n# Thresholds in force");
    }
    for parameter in table.parameters {
        let (value, set) = options.config.threshold(table, parameter);
        let origin = match set {
            true => format!("set in the configuration; default: {}", parameter.default),
            false => "the default".to_owned(),
        };
        let doc = parameter.doc.split_whitespace().collect::<Vec<_>>().join(" ");
        let _ = writeln!(page, "\n`{} = {value}` {} ({origin})  \n{doc}", parameter.name, parameter.unit);
    }
    let _ = writeln!(page, "\n# Computed from\n");
    for source in plan::sources(table.query)? {
        let _ = writeln!(page, "* `{source}`");
    }
    let files = match table.grain {
        Grain::Day { .. } => "One file a day, computed once the day is there and kept.",
        Grain::Window => "One file over all days held.",
    };
    let _ = writeln!(page, "\n{files}\n\n# To see it\n");
    for view in table.views {
        let argument = if view.argument.is_some() { " …" } else { "" };
        let _ = writeln!(page, "* `analyze report --{}{argument}`: {}", view.flag, view.help);
    }
    let _ = writeln!(page, "* `analyze sql \"SELECT * FROM derived.{}\"`", table.name);
    Ok(page)
}

fn with_bold_headings(page: &str) -> String {
    let bold = Style::new().bold();
    let line = |line: &str| match line.strip_prefix("# ") {
        Some(heading) => format!("{bold}{heading}{bold:#}\n"),
        None => format!("{line}\n"),
    };
    page.lines().map(line).collect()
}
