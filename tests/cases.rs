//! Every `case.toml` beside a detector: given these rows, expect those.
//!
//! Dependencies are given, not computed: a case shows one query. Only where it reads sums over days, as of
//! `pairs`, the days may be given instead. Rows come in the order of the query; a case names only the columns that
//! matter to it.

use analyze::config::Config;
use analyze::plan::{Source, Tier, sources};
use analyze::{job, session};
use anyhow::{Context, Result, bail, ensure};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::compute::concat_batches;
use datafusion::common::ScalarValue;
use datafusion::datasource::MemTable;
use queries::Grain;
use schema::Column;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use tests::given::{self, DAY};

/// Slices of the keyspace that a table which can be sliced is computed in.
const SLICES: usize = 8;
/// Floats agree to this, relative to the larger of the value and 1.
const TOLERANCE: f64 = 1e-9;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cases {
    case: Vec<Case>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    #[serde(default)]
    parameters: toml::Table,
    given: BTreeMap<String, Vec<toml::Table>>,
    expect: Vec<toml::Table>,
}

#[tokio::test]
async fn every_detector_answers_its_cases() {
    let mut shown = 0;
    for table in queries::TABLES {
        let path =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../queries").join(table.name).join("case.toml");
        let text =
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let cases: Cases =
            toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(!cases.case.is_empty(), "{} has no case", table.name);
        for case in &cases.case {
            if let Err(error) = check(table, case).await {
                panic!("derived.{}, {}: {error:#}", table.name, case.name);
            }
            shown += 1;
        }
    }
    println!("cases: {shown} given/expect cases of {} tables", queries::TABLES.len());
}

async fn check(table: &'static queries::Table, case: &Case) -> Result<()> {
    let section =
        toml::Table::from_iter([(table.name.to_owned(), toml::Value::Table(case.parameters.clone()))]);
    let config =
        if case.parameters.is_empty() { Config::default() } else { Config::parse(&section.to_string())? };
    let context = session::session(&config.engine())?;
    let known = sources(table.query)?;
    let is_given = |source: &Source| case.given.contains_key(&source.to_string());
    let (mut read, mut sums) = (known.clone(), Vec::new());
    for sum in known.iter().filter(|source| !is_given(source)).filter_map(|source| source.sums()) {
        let days = sources(sum.query)?;
        if days.iter().all(is_given) {
            read.extend(days);
            sums.push(sum);
        }
    }
    for name in case.given.keys() {
        ensure!(read.iter().any(|source| source.to_string() == *name), "the query does not read {name}");
    }
    for source in read {
        let rows = case.given.get(&source.to_string()).map_or(&[][..], Vec::as_slice);
        let batch = given::batch(source.columns(), rows).with_context(|| source.to_string())?;
        let table = MemTable::try_new(batch.schema(), vec![vec![batch]])?;
        session::register(&context, source, Arc::new(table))?;
    }
    for sum in sums {
        let rows = job::query(&context, sum, config.bind(sum)).await?.cache().await?;
        let source = Source { tier: Tier::Derived, name: sum.name };
        session::register(&context, source, rows.into_view())?;
    }
    let mut parameters = config.bind(table);
    if let Grain::Day { .. } = table.grain {
        parameters.extend(job::day_parameters(DAY));
    }
    let mut batches = Vec::new();
    for slice in job::slices(&context, table, &parameters, SLICES).await? {
        batches.extend(slice.collect().await?);
    }
    let declared = schema::table::arrow(table.columns);
    let schema = batches.first().map_or(declared, RecordBatch::schema);
    let result = concat_batches(&schema, &batches)?;
    compare(table.columns, &result, &case.expect)
}

fn compare(columns: &[Column], result: &RecordBatch, expect: &[toml::Table]) -> Result<()> {
    ensure!(
        result.num_rows() == expect.len(),
        "expected {} rows, got {}: {result:?}",
        expect.len(),
        result.num_rows()
    );
    for (row, wanted) in expect.iter().enumerate() {
        for (name, value) in wanted {
            let column = columns.iter().find(|column| column.name == name);
            let column = column.with_context(|| format!("there is no column `{name}`"))?;
            let got = ScalarValue::try_from_array(result.column_by_name(name).context("a column")?, row)?;
            // TOML has no null: the text `null` stands for it.
            let fits = match value.as_str() {
                Some("null") => got.is_null(),
                _ => same(&got, &given::value(column, value)?),
            };
            if !fits {
                bail!("row {row}, {name}: expected {value}, got {got}");
            }
        }
    }
    Ok(())
}

fn same(got: &ScalarValue, wanted: &ScalarValue) -> bool {
    match (got, wanted) {
        (ScalarValue::Float64(Some(got)), ScalarValue::Float64(Some(wanted))) => {
            (got - wanted).abs() <= TOLERANCE * wanted.abs().max(1.0)
        }
        _ => got == wanted,
    }
}
