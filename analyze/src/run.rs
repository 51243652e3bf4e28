//! Computes derived tables: those that are stale, in the order of their dependencies.
//!
//! A derived file says in its metadata what it was computed from: one digest over the query, its
//! columns and parameters, and the digests of every input. The same digest is computed here from
//! footers alone, top down; where the two agree there is nothing to do.

use crate::config::Config;
use crate::dataset::Dataset;
use crate::digest::Digest;
use crate::plan::{Plan, Source, Tier};
use crate::session;
use anyhow::{Context, Result, bail, ensure};
use capture::partition::writer_properties;
use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Float64Type, Schema, SchemaRef};
use datafusion::common::{ParamValues, ScalarValue};
use datafusion::dataframe::DataFrame;
use datafusion::logical_expr::{Expr, cast, col};
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::file::metadata::KeyValue;
use datafusion::prelude::SessionContext;
use futures::StreamExt;
use indicatif::{ProgressBar, ProgressStyle};
use queries::{Grain, Table};
use schema::{partition, version};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a computation did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// Files computed.
    pub computed: usize,
    /// Files that were up to date.
    pub current: usize,
}

/// One file of a derived table: a day of a day table, or all of a window table.
#[derive(Clone, Copy, Debug)]
struct Part {
    table: &'static Table,
    day: Option<i32>,
}

/// The digest that every file of the tables looked at so far should have, by table and day.
type Expected = BTreeMap<&'static str, BTreeMap<Option<i32>, Digest>>;

/// Brings derived tables up to date.
#[derive(Debug)]
pub struct Runner<'a> {
    config: &'a Config,
    plan: Plan,
}

impl<'a> Runner<'a> {
    /// A runner with the thresholds of `config`.
    ///
    /// # Errors
    /// When the tables do not make a plan; see [`Plan::new`].
    pub fn new(config: &'a Config) -> Result<Self> {
        let plan = Plan::new(&session::session(&config.engine())?, queries::TABLES)?;
        Ok(Self { config, plan })
    }

    /// Brings `wanted` and what they need up to date.
    ///
    /// When a query meets a file that is damaged behind its footer, every file is read through,
    /// the damaged ones are set aside, and the computation starts over without them.
    ///
    /// # Errors
    /// When a query fails for another reason, or a result cannot be written.
    pub async fn compute(&self, dataset: &mut Dataset, wanted: &BTreeSet<&str>) -> Result<Done> {
        loop {
            match self.pass(dataset, wanted).await {
                Err(error) if dataset.set_damaged_aside() == 0 => return Err(error),
                Err(_) => {}
                Ok(done) => return Ok(done),
            }
        }
    }

    /// How many files of `table` are missing or out of date, and how many there should be.
    #[must_use]
    pub fn stale(&self, dataset: &Dataset, table: &'static Table) -> (usize, usize) {
        let mut own = self.survey(dataset, &BTreeSet::from([table.name]));
        own.retain(|(part, _)| part.table.name == table.name);
        let stale = own.iter().filter(|(part, digest)| !is_current(dataset, *part, *digest));
        (stale.count(), own.len())
    }

    /// Every file that `wanted` and what they need should have, with its digest, in the order of
    /// computation.
    fn survey(&self, dataset: &Dataset, wanted: &BTreeSet<&str>) -> Vec<(Part, Digest)> {
        let mut survey = Vec::new();
        let mut expected = Expected::new();
        for table in self.plan.closure(wanted) {
            for part in parts(dataset, table) {
                let digest = self.digest(dataset, part, &expected);
                expected.entry(table.name).or_default().insert(part.day, digest);
                survey.push((part, digest));
            }
        }
        survey
    }

    async fn pass(&self, dataset: &mut Dataset, wanted: &BTreeSet<&str>) -> Result<Done> {
        let mut done = Done::default();
        let survey = self.survey(dataset, wanted);
        let bar = progress(survey.len());
        for (part, digest) in survey {
            if is_current(dataset, part, digest) {
                done.current += 1;
            } else {
                bar.set_message(part.table.name);
                self.materialise(dataset, part, digest).await.with_context(|| match part.day {
                    Some(day) => format!("derived.{} of {}", part.table.name, partition::date_text(day)),
                    None => format!("derived.{}", part.table.name),
                })?;
                done.computed += 1;
            }
            bar.inc(1);
        }
        bar.finish_and_clear();
        Ok(done)
    }

    /// First and last microsecond (exclusive) that the query of `part` may read.
    fn range(&self, part: Part) -> Option<(i64, i64)> {
        let since = i64::from(part.day?) * partition::DAY;
        Some((since - self.config.lookback(part.table), since + partition::DAY))
    }

    /// Whether the query of `part` may read a file of that day and hour.
    fn reads(&self, part: Part, day: Option<i32>, hour: Option<i32>) -> bool {
        let (Some((from, to)), Some(day)) = (self.range(part), day) else { return true };
        let midnight = i64::from(day) * partition::DAY;
        let (start, length) = match hour {
            Some(hour) => (midnight + i64::from(hour) * partition::HOUR, partition::HOUR),
            None => (midnight, partition::DAY),
        };
        start < to && start + length > from
    }

    /// What a file of `part` would be computed from.
    fn digest(&self, dataset: &Dataset, part: Part, expected: &Expected) -> Digest {
        let mut inputs = Vec::new();
        for source in self.plan.sources(part.table.name) {
            match source.tier {
                Tier::Captured => {
                    let files = dataset.captured(source.name).iter();
                    let read = files.filter(|file| self.reads(part, file.day, file.hour));
                    inputs.extend(read.map(|file| file.digest));
                }
                // A derived input counts as what it will be, not as what lies there now.
                Tier::Derived => {
                    let held = dataset.derived(source.name).iter().map(|file| (file.day, file.digest));
                    let coming =
                        expected.get(source.name).into_iter().flatten().map(|(day, digest)| (*day, *digest));
                    let files: BTreeMap<_, _> = held.chain(coming).collect();
                    inputs.extend(
                        files
                            .iter()
                            .filter(|(day, _)| self.reads(part, **day, None))
                            .map(|(_, digest)| *digest),
                    );
                }
            }
        }
        inputs.sort_unstable();
        let columns = format!("{:?}", part.table.columns);
        let config = self.config.digest(part.table);
        let day = part.day.unwrap_or_default().to_le_bytes();
        let own: [&[u8]; 5] = [
            env!("CARGO_PKG_VERSION").as_bytes(),
            part.table.query.as_bytes(),
            columns.as_bytes(),
            &day,
            config.as_bytes(),
        ];
        Digest::of(own.into_iter().chain(inputs.iter().map(Digest::as_bytes)))
    }

    async fn materialise(&self, dataset: &mut Dataset, part: Part, digest: Digest) -> Result<()> {
        let context = session::session(&self.config.engine())?;
        for source in self.plan.sources(part.table.name) {
            session::register_files(&context, dataset, *source, |file| {
                self.reads(part, file.day, file.hour)
            })?;
        }
        let mut parameters = self.config.bind(part.table);
        if let Some(day) = part.day {
            parameters.extend(day_parameters(day));
        }
        let result = query(&context, part.table, parameters).await?;
        let path = self.write(dataset, part, digest, result).await?;
        dataset.refresh(part.table.name, path, part.day)
    }

    /// Seconds of the days `first` to `last` in which a sensor did not record, added up over sensors.
    async fn gap_seconds(&self, dataset: &Dataset, first: i32, last: i32) -> Result<f64> {
        const QUERY: &str =
            "SELECT coalesce(sum(seconds(least(gap_end, $until) - greatest(gap_start, $since))), 0.0)
             FROM captured.gaps WHERE gap_end > $since AND gap_start < $until";
        let context = session::session(&self.config.engine())?;
        let gaps = Source { tier: Tier::Captured, name: schema::gaps::TABLE.name };
        session::register_files(&context, dataset, gaps, |_| true)?;
        let [since, _] = day_parameters(first);
        let [_, until] = day_parameters(last);
        let result = context.sql(QUERY).await?.with_param_values(ParamValues::from(vec![since, until]))?;
        let batches = result.collect().await?;
        let seconds = batches.first().map(|batch| batch.column(0).as_primitive::<Float64Type>().value(0));
        seconds.context("an aggregate has one row")
    }

    /// Writes `result` beside its final name, then moves it there.
    async fn write(
        &self,
        dataset: &Dataset,
        part: Part,
        digest: Digest,
        result: DataFrame,
    ) -> Result<PathBuf> {
        let mut folder = dataset.root().join(partition::DERIVED).join(part.table.name);
        folder.extend(part.day.map(partition::date_folder));
        fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let path = folder.join(partition::DATA_FILE);
        let temporary = folder.join(format!(".{}.{}.tmp", partition::DATA_FILE, std::process::id()));
        let written = self.write_to(&temporary, dataset, part, digest, result).await;
        if let Err(error) = written.and_then(|()| Ok(fs::rename(&temporary, &path)?)) {
            let _ = fs::remove_file(&temporary);
            return Err(error).with_context(|| format!("cannot write {}", path.display()));
        }
        Ok(path)
    }

    async fn write_to(
        &self,
        path: &Path,
        dataset: &Dataset,
        part: Part,
        digest: Digest,
        result: DataFrame,
    ) -> Result<()> {
        let schema = schema::table::arrow(part.table.columns);
        let days: Vec<i32> = part.day.map_or_else(|| dataset.days().into_iter().collect(), |day| vec![day]);
        let mut metadata = vec![
            (version::DATASET_VERSION, version::DATASET.to_string()),
            (version::WRITER, concat!("analyze ", env!("CARGO_PKG_VERSION")).to_owned()),
            (version::CONFIG_DIGEST, self.config.digest(part.table).to_string()),
            (version::INPUT_DIGEST, digest.to_string()),
            (version::TESTS, "0".to_owned()),
        ];
        if let (Some(&first), Some(&last)) = (days.first(), days.last()) {
            let range = format!("{}/{}", partition::date_text(first), partition::date_text(last));
            metadata.push((version::TIME_RANGE, range));
            metadata.push((version::GAP_SECONDS, self.gap_seconds(dataset, first, last).await?.to_string()));
        }
        let file = File::create(path)?;
        let metadata = metadata.into_iter().map(|(key, value)| (key.to_owned(), value));
        let properties = writer_properties(part.table.columns, metadata);
        let mut writer = ArrowWriter::try_new(&file, Arc::clone(&schema), Some(properties))?;
        let mut rows = 0;
        let mut batches = result.execute_stream().await?;
        while let Some(batch) = batches.next().await {
            let batch = batch?;
            rows += batch.num_rows();
            writer.write(&RecordBatch::try_new(Arc::clone(&schema), batch.columns().to_vec())?)?;
        }
        writer.append_key_value_metadata(KeyValue::new(version::ROWS.to_owned(), rows.to_string()));
        writer.close()?;
        file.sync_all()?;
        Ok(())
    }
}

/// The files that `table` should have.
fn parts(dataset: &Dataset, table: &'static Table) -> Vec<Part> {
    match table.grain {
        Grain::Window => vec![Part { table, day: None }],
        Grain::Day { .. } => dataset.days().into_iter().map(|day| Part { table, day: Some(day) }).collect(),
    }
}

fn is_current(dataset: &Dataset, part: Part, digest: Digest) -> bool {
    let mut files = dataset.derived(part.table.name).iter();
    files.any(|file| file.day == part.day && file.digest == digest)
}

/// `$since` and `$until` of a day table.
#[must_use]
pub fn day_parameters(day: i32) -> [(String, ScalarValue); 2] {
    let timestamp = |day: i32| {
        ScalarValue::TimestampMicrosecond(Some(i64::from(day) * partition::DAY), Some("UTC".into()))
    };
    [("since".to_owned(), timestamp(day)), ("until".to_owned(), timestamp(day + 1))]
}

/// The query of `table` with `parameters` bound and its columns as declared.
///
/// # Errors
/// When the query does not plan, a parameter is missing, or its columns are not the declared ones.
pub async fn query(
    context: &SessionContext,
    table: &Table,
    parameters: Vec<(String, ScalarValue)>,
) -> Result<DataFrame> {
    let result = context.sql(table.query).await?.with_param_values(ParamValues::from(parameters))?;
    let declared = schema::table::arrow(table.columns);
    let produced: SchemaRef = Arc::new(result.schema().as_arrow().clone());
    let columns = conform(&produced, &declared)?;
    Ok(result.select(columns)?)
}

/// Expressions that turn the produced columns into the declared ones, where only the width of an
/// integer or the layout of a text differs.
fn conform(produced: &Schema, declared: &Schema) -> Result<Vec<Expr>> {
    let names =
        |schema: &Schema| schema.fields().iter().map(|field| field.name().clone()).collect::<Vec<_>>();
    let (have, want) = (names(produced), names(declared));
    ensure!(have == want, "query.sql produces the columns {have:?}, mod.rs declares {want:?}");
    let pairs = produced.fields().iter().zip(declared.fields());
    pairs
        .map(|(have, want)| {
            let column = col(format!("\"{}\"", have.name()));
            match (have.data_type(), want.data_type()) {
                (from, to) if from == to => Ok(column),
                (DataType::UInt64, to @ DataType::Int64)
                | (DataType::Utf8View, to @ DataType::Utf8)
                | (DataType::BinaryView, to @ DataType::Binary)
                | (DataType::List(_), to @ DataType::List(_))
                | (DataType::Timestamp(..), to @ DataType::Timestamp(..)) => {
                    Ok(cast(column, to.clone()).alias(want.name()))
                }
                (from, to) => {
                    bail!("column {} is {from} in query.sql and {to} in mod.rs", want.name())
                }
            }
        })
        .collect()
}

/// A bar on standard error, when that is a terminal and there is something to wait for.
fn progress(parts: usize) -> ProgressBar {
    let bar = ProgressBar::new(parts as u64);
    if let Ok(style) = ProgressStyle::with_template("{msg:>24} {bar:40} {pos}/{len} {elapsed}") {
        bar.set_style(style);
    }
    bar
}
