//! `analyze report`: brings the tables that a view reads up to date, then shows the view.

use super::{close, show};
use crate::cli::Options;
use crate::dataset::Dataset;
use crate::error::{Exit, Failure};
use crate::plan::{self, Tier};
use crate::report::Section;
use crate::run::Runner;
use crate::session;
use anyhow::{Context, Result};
use datafusion::common::{ParamValues, ScalarValue};
use queries::{Table, View, sections};
use std::collections::BTreeSet;

/// A view that was asked for.
#[derive(Clone, Debug)]
pub struct Chosen {
    /// The table that the view belongs to, whose parameters it may name.
    pub table: &'static Table,
    /// The view.
    pub view: &'static View,
    /// What the flag was given.
    pub argument: Option<String>,
}

/// One query of a view, with its parameters bound.
struct Query {
    section: queries::Section,
    parameters: Vec<(String, ScalarValue)>,
}

/// Shows the chosen views, or the summary when none was chosen.
///
/// # Errors
/// [`Failure::NoData`] when there is no data, or none on the infohash asked for; otherwise when a
/// query fails or a derived file cannot be written.
pub async fn run(options: &Options, chosen: &[Chosen]) -> Result<Exit> {
    let mut dataset = Dataset::open(&options.data)?;
    let queries = queries(options, chosen);
    let mut wanted = BTreeSet::new();
    let context = session::session(&options.config.engine())?;
    for query in &queries {
        let sources = plan::sources(&context, query.section.sql).with_context(|| query.section.title)?;
        wanted.extend(sources.iter().filter(|source| source.tier == Tier::Derived).map(|source| source.name));
    }
    Runner::new(&options.config)?.compute(&mut dataset, &wanted).await?;

    session::register_all(&context, &dataset)?;
    let mut shown = Vec::new();
    for Query { section, parameters } in queries {
        let result = context.sql(section.sql).await.with_context(|| section.title)?;
        let result = result.with_param_values(ParamValues::from(parameters))?;
        shown.push(Section::collect(section.title, result, options.limit).await?);
    }
    if let Some(argument) = chosen.iter().find_map(|chosen| chosen.argument.as_ref())
        && shown.iter().all(|section| section.total == 0)
    {
        let days: Vec<_> = dataset.days().into_iter().map(schema::partition::date_text).collect();
        let held = match days.as_slice() {
            [] => "no day".to_owned(),
            [day] => day.clone(),
            [first, .., last] => format!("{first} to {last}"),
        };
        let message = format!("{argument} was not seen in {} ({held})", options.data.display());
        return Err(Failure::NoData(message).into());
    }
    show(options, &shown)?;
    Ok(close(&dataset))
}

fn queries(options: &Options, chosen: &[Chosen]) -> Vec<Query> {
    let summary = queries::TABLES.iter().filter_map(|table| Some((table, table.summary?, None)));
    let views = chosen.iter().map(|chosen| (chosen.table, chosen.view.sql, chosen.argument.as_ref()));
    let parts: Vec<_> = if chosen.is_empty() { summary.collect() } else { views.collect() };
    let mut queries = Vec::new();
    for (table, sql, argument) in parts {
        let mut parameters = options.config.bind(table);
        parameters.extend(argument.map(|text| ("argument".to_owned(), ScalarValue::from(text.as_str()))));
        queries.extend(sections(sql).map(|section| Query { section, parameters: parameters.clone() }));
    }
    queries
}
