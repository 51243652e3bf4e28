//! `analyze schema`: the data dictionary, generated from the declarations.

use super::unknown;
use crate::actors;
use crate::error::Exit;
use crate::plan::{Source, Tier};
use anyhow::Result;
use schema::{partition, table};
use std::io::{Write, stdout};

/// What stands above the pages of all tables.
const HEADING: &str = "# Data dictionary

Written by `analyze schema`. Captured tables have the columns `date` and `hour` besides, day tables `date`,
from the folders they stand in.

";

/// Prints the pages of the tables called `names`, or of all.
///
/// # Errors
/// When a name is unknown or standard output is closed.
pub fn run(names: &[String]) -> Result<Exit> {
    let captured = schema::CAPTURED.iter().map(|table| {
        (format!("{}.{}", partition::CAPTURED, table.name), table.markdown(partition::CAPTURED))
    });
    let derived = queries::TABLES.iter().map(|table| {
        let name = format!("{}.{}", partition::DERIVED, table.name);
        let page = table::markdown(&name, &table.headline(), table.columns);
        (name, page)
    });
    let actors = Source { tier: Tier::User, name: actors::NAME }.to_string();
    let user = (actors.clone(), table::markdown(&actors, actors::DOC, actors::COLUMNS));
    let pages: Vec<(String, String)> = captured.chain(derived).chain([user]).collect();
    let is = |name: &str, wanted: &String| {
        name == wanted || name.split_once('.').is_some_and(|(_, plain)| plain == wanted)
    };
    if let Some(wanted) = names.iter().find(|wanted| !pages.iter().any(|(name, _)| is(name, wanted))) {
        return Err(unknown("table", wanted, Source::all()).into());
    }
    let shown =
        pages.iter().filter(|(name, _)| names.is_empty() || names.iter().any(|wanted| is(name, wanted)));
    let text: Vec<&str> = shown.map(|(_, page)| page.as_str()).collect();
    let heading = if names.is_empty() { HEADING } else { "" };
    write!(stdout(), "{heading}{}", text.join("\n"))?;
    Ok(Exit::Ok)
}
