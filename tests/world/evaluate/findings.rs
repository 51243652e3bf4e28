//! What the detectors say about a world: for each table and tier, which label is given to what.
//!
//! A detector takes part with one entry in [`FINDINGS`]. The tier `rule` is what crossed stated thresholds
//! and is not explained; where a table also has rows that crossed none, its column `by_rule` says so. A table with
//! the column `significant` has that tier as well.

use super::super::{World, output};
use analyze::config::Config;
use analyze::dataset::Dataset;
use analyze::run::Runner;
use analyze::session;
use anyhow::{Context, Result};
use datafusion::arrow::array::{AsArray, RecordBatch, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::ParamValues;
use datafusion::prelude::SessionContext;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// How a detector's table says what it found.
struct Findings {
    table: &'static str,
    /// What is labelled, and with what, as expressions.
    subject: &'static str,
    label: &'static str,
    /// Which rows label anything, as a condition.
    condition: &'static str,
    /// The table whose labels these are, where it has no tier of its own.
    of: Option<&'static str>,
}

/// Every detector that takes part.
const FINDINGS: &[Findings] = &[
    Findings { label: "unnest(classifications)", ..findings("hash_behavior_profiles", "infohash") },
    Findings { label: "label", of: Some("hash_behavior_profiles"), ..findings("hash_signals", "infohash") },
    Findings {
        label: "classification",
        condition: "classification <> 'MIXED'",
        ..findings("operators", "operator")
    },
    Findings {
        label: "classification",
        condition: "classification NOT IN ('normal_client', 'unknown')",
        ..findings("operator_profiles", "operator")
    },
    Findings { label: "'keyspace_walk'", ..findings("sweep_events", "operator") },
    Findings { label: "'keyspace_walk'", ..findings("prefix_walk_events", "operator") },
    Findings {
        label: "shape",
        condition: "shape <> 'as_expected'",
        ..findings("prefix_entropy", "operator")
    },
    Findings { label: "'family'", ..findings("prefix_families", "unnest(members)") },
    Findings { label: "zone", condition: "zone IS NOT NULL", ..findings("keyspace_heatmap", "cell") },
    Findings {
        label: "kind",
        condition: "kind <> 'RETURN_VISIT'",
        ..findings("rendezvous_events", "concat_ws(' ', operator, infohash)")
    },
    Findings {
        label: "'coordinated'",
        ..findings("coordination", "unnest(make_array(operator_a, operator_b))")
    },
    Findings { label: "'clustered'", ..findings("operator_clusters", "unnest(members)") },
    Findings { label: "kind", ..findings("campaigns", "unnest(members)") },
];

/// Thresholds alone.
pub const RULE: &str = "rule";
/// Would survive chance.
pub const SIGNIFICANT: &str = "significant";

const fn findings(table: &'static str, subject: &'static str) -> Findings {
    Findings { table, subject, label: "", condition: "true", of: None }
}

impl Findings {
    fn has(&self, column: &str) -> bool {
        let table = queries::table(self.table);
        table.is_some_and(|table| table.columns.iter().any(|held| held.name == column))
    }

    /// The condition of each tier that the table has.
    fn tiers(&self) -> Vec<(&'static str, &'static str)> {
        let rule = match (self.has("explained_by"), self.has("by_rule")) {
            (true, true) => "explained_by IS NULL AND by_rule",
            (true, false) => "explained_by IS NULL",
            (false, _) => "true",
        };
        let rule = self.of.is_none().then_some((RULE, rule));
        rule.into_iter().chain(self.has(SIGNIFICANT).then_some((SIGNIFICANT, SIGNIFICANT))).collect()
    }
}

/// Those whose table there is.
fn taking_part() -> impl Iterator<Item = &'static Findings> {
    FINDINGS.iter().filter(|findings| queries::table(findings.table).is_some())
}

/// The tables that are judged, each with its tiers.
pub fn detectors() -> BTreeSet<(&'static str, &'static str)> {
    let tiers = |findings: &'static Findings| findings.tiers().into_iter().map(|(tier, _)| tier);
    let all = taking_part()
        .flat_map(|findings| tiers(findings).map(|tier| (findings.of.unwrap_or(findings.table), tier)));
    all.collect()
}

/// Whether `tier` is the strictest that `table` has.
#[must_use]
pub fn is_strictest(table: &str, tier: &str) -> bool {
    tier == SIGNIFICANT || !detectors().contains(&(table, SIGNIFICANT))
}

/// What was found in a world.
#[derive(Debug, Default)]
pub struct Found {
    /// By table and tier, the subjects of each label.
    pub labels: BTreeMap<(&'static str, &'static str), BTreeMap<String, BTreeSet<String>>>,
    /// The class of each operator.
    pub profiles: BTreeMap<String, String>,
    /// Whether the plain report raises an alarm, all detectors together.
    pub alarm: bool,
}

/// Looks at `world` with the defaults of `analyze`, on one thread.
///
/// # Errors
/// When the world cannot be written to the temporary folder, or a detector fails.
pub fn find(world: &World) -> Result<Found> {
    let data = tempfile::tempdir()?;
    output::write(world, data.path())?;
    let config = Config::parse("[engine]\nthreads = 1")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut dataset = Dataset::open(data.path())?;
        let wanted = taking_part().map(|findings| findings.table).chain(["daily_summaries"]).collect();
        Runner::new(&config)?.compute(&mut dataset, &wanted).await?;
        let context = session::session(&config.engine())?;
        session::register_all(&context, &dataset, &config)?;
        let mut found = Found::default();
        for findings in taking_part() {
            let Findings { table, subject, label, condition, of } = findings;
            for (tier, of_tier) in findings.tiers() {
                let labels = found.labels.entry((of.unwrap_or(table), tier)).or_default();
                let query = format!(
                    "SELECT {subject} AS subject, {label} AS label FROM derived.{table} \
                     WHERE {condition} AND {of_tier}"
                );
                for (subject, label) in pairs(&context, &query).await? {
                    labels.entry(label).or_default().insert(subject);
                }
            }
        }
        found.alarm = is_alarmed(&context, &config).await?;
        const PROFILES: &str =
            "SELECT operator AS subject, classification AS label FROM derived.operator_profiles";
        found.profiles = pairs(&context, PROFILES).await?.into_iter().collect();
        Ok(found)
    })
}

/// Whether the part of the plain report called "Alarms" has a row.
async fn is_alarmed(context: &SessionContext, config: &Config) -> Result<bool> {
    let table = &queries::daily_summaries::TABLE;
    let mut parts = queries::sections(table.summary.context("no summary")?);
    let alarms = parts.find(|part| part.title == "Alarms").context("no alarms in the report")?;
    let parameters = ParamValues::from(config.bind(table));
    Ok(context.sql(alarms.sql).await?.with_param_values(parameters)?.count().await? > 0)
}

/// The columns `subject` and `label` of what `query` gives.
async fn pairs(context: &SessionContext, query: &str) -> Result<Vec<(String, String)>> {
    let mut pairs = Vec::new();
    for batch in context.sql(query).await?.collect().await? {
        let (subjects, labels) = (text(&batch, "subject")?, text(&batch, "label")?);
        let both = subjects.iter().zip(&labels).filter_map(|(subject, label)| subject.zip(label));
        pairs.extend(both.map(|(subject, label)| (subject.to_owned(), label.to_owned())));
    }
    Ok(pairs)
}

fn text(batch: &RecordBatch, name: &str) -> Result<StringArray> {
    let column = batch.column_by_name(name).with_context(|| format!("no column {name}"))?;
    if let Some(addresses) = column.as_fixed_size_binary_opt().filter(|column| column.value_length() == 16) {
        let text = |bytes: &[u8]| {
            let octets: Option<[u8; 16]> = bytes.try_into().ok();
            octets.map(|octets| IpAddr::from(octets).to_canonical().to_string())
        };
        return Ok(addresses.iter().map(|bytes| bytes.and_then(text)).collect());
    }
    Ok(cast(column, &DataType::Utf8)?.as_string::<i32>().clone())
}
