//! `analyze report`: brings the tables that a view reads up to date, then shows the view.

use super::{close, show};
use crate::cli::Options;
use crate::dataset::Dataset;
use crate::error::{Exit, Failure};
use crate::memory::{self, TooLittle};
use crate::plan::{self, Source, Tier};
use crate::report::{self, List, Report, Rows, SIGNIFICANT, Section};
use crate::run::Runner;
use crate::session;
use anyhow::{Context, Result};
use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Int64Type};
use datafusion::common::{ParamValues, ScalarValue};
use datafusion::prelude::SessionContext;
use futures::{StreamExt, TryStreamExt, future, stream};
use queries::{Table, Value, View, sections};
use schema::partition::date_text;
use std::collections::BTreeSet;

/// A view that was asked for.
#[derive(Clone, Debug)]
pub struct Chosen {
    /// The table that the view belongs to, whose parameters it may name.
    pub table: &'static Table,
    /// The view.
    pub view: &'static View,
    /// What the flag was given.
    pub given: Option<Given>,
}

/// The argument of a view.
#[derive(Clone, Debug)]
pub struct Given {
    /// As it was written.
    pub text: String,
    /// As SQL sees it.
    pub parameters: Vec<(String, ScalarValue)>,
}

/// One query of a view, with its parameters bound.
pub(super) struct Query {
    pub section: queries::Section,
    pub parameters: Vec<(String, ScalarValue)>,
}

/// Shows the chosen views, or the summary when none was chosen.
///
/// # Errors
/// As [`answer`].
pub async fn run(options: &Options, chosen: &[Chosen]) -> Result<Exit> {
    let given = chosen.iter().find_map(|chosen| chosen.given.as_ref());
    let nothing = given.map(|given| format!("{} was not seen", given.text));
    answer(options, queries(options, chosen), nothing.as_deref()).await
}

fn queries(options: &Options, chosen: &[Chosen]) -> Vec<Query> {
    let summary = queries::TABLES.iter().filter_map(|table| Some((table, table.summary?, None)));
    let views = chosen.iter().map(|chosen| (chosen.table, chosen.view.sql, chosen.given.as_ref()));
    let parts: Vec<_> = if chosen.is_empty() { summary.collect() } else { views.collect() };
    let mut queries = Vec::new();
    for (table, sql, given) in parts {
        let mut parameters = options.config.bind(table);
        parameters.extend(given.into_iter().flat_map(|given| given.parameters.iter().cloned()));
        queries.extend(sections(sql).map(|section| Query { section, parameters: parameters.clone() }));
    }
    queries
}

/// Shows the answers to `queries`, over the days and with the rows that `options` choose. Where no
/// answer at all is a failure, `nothing` begins the sentence that says so.
///
/// # Errors
/// [`Failure::NoData`] when there is no data on the days asked for, or none at all;
/// [`Failure::Usage`] when no section has the column to sort by; otherwise when a query fails or a
/// derived file cannot be written.
pub(super) async fn answer(options: &Options, queries: Vec<Query>, nothing: Option<&str>) -> Result<Exit> {
    let mut dataset = Dataset::open(&options.data)?;
    let report = loop {
        match report(options, &mut dataset, &queries, nothing).await {
            Err(error) if dataset.recover(&error)? => {}
            report => break report?,
        }
    };
    show(options, &report)?;
    Ok(close(&dataset))
}

/// The answers to `queries` from what can be read of the dataset.
async fn report(
    options: &Options,
    dataset: &mut Dataset,
    queries: &[Query],
    nothing: Option<&str>,
) -> Result<Report> {
    let days = options.period.days(dataset)?;
    let mut wanted = BTreeSet::new();
    for query in queries {
        wanted.extend(plan::sources(query.section.sql).with_context(|| query.section.title)?);
    }
    let context = session::session(&options.config.engine())?;
    Runner::new(&options.config)?.provide(&context, dataset, &wanted, days.as_ref()).await?;
    // Many views look up few rows: the columns of all others are not decoded then. Detectors keep most rows, and
    // would take 6 % longer.
    context.sql("SET datafusion.execution.parquet.pushdown_filters = true").await?;
    // What is looked up is joined to tables of everybody, of which none is to be held in memory then.
    context.sql("SET datafusion.optimizer.default_filter_selectivity = 1").await?;

    let engine = options.config.engine();
    let answers = stream::iter(queries).map(|query| rows(&context, query)).buffered(engine.threads);
    let tests =
        stream::iter(&wanted).map(|source| tested(options, &context, *source)).buffered(engine.threads);
    let (answers, tests): (Vec<_>, Result<Vec<_>>) =
        future::join(answers.collect(), tests.try_collect()).await;
    let mut report = Report::default();
    for (query, answer) in queries.iter().zip(answers) {
        let section = query.section;
        // A picture is shown whole.
        let grid = section.grid.filter(|_| options.format.is_for_people());
        let chosen = if grid.is_some() { &Rows::default() } else { &options.rows };
        let explained = |error: anyhow::Error| {
            let sources = plan::sources(section.sql).unwrap_or_default();
            memory::explain(error.context(section.title), &engine, section.title, dataset.files(&sources))
        };
        let all = match answer.map_err(explained) {
            // What finds no room beside others may find it alone.
            Err(error) if error.is::<TooLittle>() && engine.threads.min(queries.len()) > 1 => {
                rows(&context, query).await.map_err(explained)?
            }
            answer => answer?,
        };
        report.sections.push(Section { grid, ..Section::of(section.title, &all, chosen)? });
    }
    if let Some(nothing) = nothing
        && report.sections.iter().all(|section| section.total + section.hidden == 0)
    {
        let (root, held) = (options.data.display(), dataset.extent());
        return Err(Failure::NoData(format!("{nothing} in {root} ({held})")).into());
    }
    check_columns(options, &mut report)?;
    report.notes.extend(tests?.into_iter().flatten());
    if let Some(days) = days {
        let (first, last) = (date_text(*days.start()), date_text(*days.end()));
        report.notes.push(format!("Computed from whole days, {first} to {last} (UTC)."));
    }
    Ok(report)
}

/// Runs a query in a task of its own, so that several go side by side.
async fn rows(context: &SessionContext, query: &Query) -> Result<RecordBatch> {
    let (context, sql, parameters) = (context.clone(), query.section.sql, query.parameters.clone());
    tokio::spawn(async move {
        let result = context.sql(sql).await?.with_param_values(ParamValues::from(parameters))?;
        report::rows(result).await
    })
    .await?
}

/// One line about the tests behind a scored table: how many there were, and how much of what they found
/// chance lets expect. None for other tables, and where no row was tested.
async fn tested(options: &Options, context: &SessionContext, source: Source) -> Result<Option<String>> {
    let table = queries::table(source.name).filter(|_| source.tier == Tier::Derived);
    let scored = table.and_then(|table| {
        let parameter = table.parameters.iter().find(|parameter| parameter.name == "false_discovery")?;
        Some((table, options.config.threshold(table, parameter).0))
    });
    let Some((table, Value::Real(level))) = scored else {
        return Ok(None);
    };
    let (family, name) = (table.families.unwrap_or("''"), table.name);
    let counts = context
        .sql(&format!(
            "SELECT {family}, max(tests), count(*) FILTER (WHERE {SIGNIFICANT}) \
             FROM derived.{name} WHERE p_value IS NOT NULL GROUP BY 1 ORDER BY 1"
        ))
        .await?
        .collect()
        .await?;
    let (mut families, mut found) = (Vec::new(), 0);
    for batch in counts {
        let names = cast(batch.column(0), &DataType::Utf8)?;
        let [tests, significant] = [1, 2].map(|index: usize| batch.column(index).as_primitive::<Int64Type>());
        for row in 0..batch.num_rows() {
            families.push(
                format!("{} {}", tests.value(row), names.as_string::<i32>().value(row)).trim().to_owned(),
            );
            found += significant.value(row);
        }
    }
    let line = |families: String| {
        let chance = found as f64 * level;
        format!(
            "{name}: tested {families}; {found} findings at q ≤ {level}, of which chance lets expect {chance:.1} or fewer."
        )
    };
    Ok((!families.is_empty()).then(|| line(families.join(", "))))
}

/// Refuses to sort by a column that no section has, and notes the sections that cannot follow a list.
fn check_columns(options: &Options, report: &mut Report) -> Result<()> {
    let tables = report.sections.iter().filter(|section| section.grid.is_none());
    let schemas: Vec<_> = tables.clone().map(|section| section.rows.schema()).collect();
    let columns: BTreeSet<&str> =
        schemas.iter().flat_map(|schema| schema.fields().iter().map(|field| field.name().as_str())).collect();
    if let Some(sort) = &options.rows.sort
        && !columns.contains(sort.column.as_str())
    {
        let known = columns.into_iter().collect::<Vec<_>>().join(", ");
        return Err(Failure::Usage(format!("--sort: no column `{}`; there are {known}", sort.column)).into());
    }
    for name in options.rows.judged_by() {
        // Totals are about nobody, and lists change none.
        let about = |section: &&Section, names: &[&str]| {
            names.iter().any(|name| section.rows.column_by_name(name).is_some())
        };
        let lack =
            tables.clone().filter(|section| about(section, &List::COLUMNS) && !about(section, &[name]));
        let lack: Vec<_> = lack.map(|section| format!("`{}`", section.title)).collect();
        let place = match (columns.contains(name), lack.is_empty()) {
            (false, _) => "any section".to_owned(),
            (true, false) => lack.join(", "),
            (true, true) => continue,
        };
        report.notes.push(format!(
            "There is no column `{name}` in {place}: entries of --hide and --only that are compared with it do \
             nothing there."
        ));
    }
    Ok(())
}
