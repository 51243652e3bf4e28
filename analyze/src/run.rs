//! Computes derived tables: those that are stale, in the order of their dependencies.
//!
//! A derived file says in its metadata what it was computed from: one digest over the query, its
//! columns and parameters, and the digests of every input, and lists them ([`Inputs`]). The same is
//! made here from footers alone, top down; where the two agree there is nothing to do.

use crate::config::Config;
use crate::dataset::Dataset;
use crate::digest::Digest;
use crate::inputs::{Change, Inputs};
use crate::lock::Lock;
use crate::plan::{Plan, Source, Tier};
use crate::session;
use anyhow::{Context, Result, bail, ensure};
use capture::partition::writer_properties;
use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Schema, SchemaRef, TimestampMicrosecondType};
use datafusion::common::{ParamValues, ScalarValue};
use datafusion::dataframe::DataFrame;
use datafusion::logical_expr::{
    Expr, JoinType, LogicalPlan, Operator, SortExpr, binary_expr, cast, col, lit,
};
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::file::metadata::KeyValue;
use datafusion::prelude::SessionContext;
use futures::StreamExt;
use indicatif::{ProgressBar, ProgressStyle};
use queries::{Grain, Retention, Table};
use schema::{partition, version};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::{self, File};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How often the elapsed time on the progress bar is drawn again.
const TICK: Duration = Duration::from_millis(200);

/// What a computation did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// Files computed.
    pub computed: usize,
    /// Files that were up to date.
    pub current: usize,
    /// Files deleted because the queries they were computed from are gone.
    pub retired: usize,
}

/// One file of a derived table: a day of a day table, or all of a window table.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// The table.
    pub table: &'static Table,
    /// The day, counted from 1970-01-01; none for a window table.
    pub day: Option<i32>,
}

/// A file that there should be.
#[derive(Clone, Debug)]
pub struct Planned {
    /// Which.
    pub part: Part,
    /// Why it has to be computed; empty when it is up to date.
    pub changes: Vec<Change>,
    inputs: Inputs,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "derived.{}", self.table.name)?;
        self.day.map_or(Ok(()), |day| write!(f, " of {}", partition::date_text(day)))
    }
}

/// Begin and end of every stretch in which a sensor did not record, microseconds.
#[derive(Debug)]
struct Gaps(Vec<(i64, i64)>);

impl Gaps {
    /// Seconds of the days `first` to `last` that lie in gaps, added up over sensors.
    fn seconds(&self, first: i32, last: i32) -> f64 {
        let (since, until) = (i64::from(first) * partition::DAY, i64::from(last + 1) * partition::DAY);
        let inside = |(start, end): &(i64, i64)| (*end.min(&until) - *start.max(&since)).max(0);
        self.0.iter().map(inside).sum::<i64>() as f64 / 1e6
    }
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
        let plan = Plan::new(queries::TABLES)?;
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

    /// Every file that `wanted` and what they need should have, in the order of computation.
    #[must_use]
    pub fn survey(&self, dataset: &Dataset, wanted: &BTreeSet<&str>) -> Vec<Planned> {
        let days = dataset.days();
        let mut survey = Vec::new();
        let mut expected = Expected::new();
        for table in self.plan.closure(wanted) {
            for part in parts(dataset, table) {
                let inputs = self.inputs(dataset, part, &expected);
                let file = dataset.derived(table.name).iter().find(|file| file.day == part.day);
                let changes = match file.map(|file| &file.inputs) {
                    None => vec![Change::Missing],
                    Some(None) => vec![Change::Unknown],
                    // A day stays as it was computed when only the day before it has left.
                    Some(Some(was)) => inputs.changes(was, |day| part.day.is_some() && !days.contains(&day)),
                };
                let kept = file.filter(|_| changes.is_empty()).map(|file| file.digest);
                let digest = kept.unwrap_or_else(|| inputs.digest());
                expected.entry(table.name).or_default().insert(part.day, digest);
                survey.push(Planned { part, changes, inputs });
            }
        }
        survey
    }

    async fn pass(&self, dataset: &mut Dataset, wanted: &BTreeSet<&str>) -> Result<Done> {
        let survey = self.survey(dataset, wanted);
        let all = survey.len();
        let stale: Vec<_> = survey.into_iter().filter(|planned| !planned.changes.is_empty()).collect();
        let retired = dataset.retired().len();
        let done = Done { computed: stale.len(), current: all - stale.len(), retired };
        if stale.is_empty() && retired == 0 {
            return Ok(done);
        }
        let _lock = Lock::take(dataset.root())?;
        dataset.delete_retired()?;
        let gaps = self.gaps(dataset).await?;
        let bar = progress(stale.len());
        for Planned { part, inputs, .. } in stale {
            bar.set_message(part.to_string());
            let materialised = self.materialise(dataset, part, &inputs, &gaps).await;
            materialised.with_context(|| part.to_string())?;
            bar.inc(1);
        }
        bar.finish_and_clear();
        Ok(done)
    }

    /// Makes the tables `wanted` known to `context`, up to date. With `days`, as if these were all the
    /// days there are: day tables show only them, and window tables are computed from them in memory.
    ///
    /// # Errors
    /// As [`Runner::compute`].
    pub async fn provide(
        &self,
        context: &SessionContext,
        dataset: &mut Dataset,
        wanted: &BTreeSet<Source>,
        days: Option<&RangeInclusive<i32>>,
    ) -> Result<()> {
        let derived = wanted.iter().filter(|source| source.tier == Tier::Derived);
        let derived: BTreeSet<&str> = derived.map(|source| source.name).collect();
        let Some(days) = days else {
            self.compute(dataset, &derived).await?;
            for source in wanted {
                session::register_source(context, dataset, self.config, *source, |_| true)?;
            }
            return Ok(());
        };
        let (stored, in_memory): (Vec<&Table>, Vec<&Table>) =
            self.plan.closure(&derived).into_iter().partition(|table| table.grain != Grain::Window);
        self.compute(dataset, &stored.iter().map(|table| table.name).collect()).await?;
        let below = in_memory.iter().flat_map(|table| self.plan.sources(table.name));
        for source in wanted.iter().chain(below).collect::<BTreeSet<_>>() {
            session::register_source(context, dataset, self.config, *source, |file| {
                file.day.is_some_and(|day| days.contains(&day))
            })?;
        }
        for table in in_memory {
            let rows = query(context, table, self.config.bind(table)).await?.cache().await?;
            let source = Source { tier: Tier::Derived, name: table.name };
            session::register(context, source, rows.into_view())?;
        }
        Ok(())
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
    fn inputs(&self, dataset: &Dataset, part: Part, expected: &Expected) -> Inputs {
        let columns = format!("{:?}", part.table.columns);
        let day = part.day.unwrap_or_default().to_le_bytes();
        let query: [&[u8]; 4] =
            [env!("CARGO_PKG_VERSION").as_bytes(), part.table.query.as_bytes(), columns.as_bytes(), &day];
        let mut inputs = Inputs::new(Digest::of(query), self.config.digest(part.table));
        for source in self.plan.sources(part.table.name) {
            let mut files = BTreeMap::<Option<i32>, Vec<Digest>>::new();
            match source.tier {
                Tier::User => files.entry(None).or_default().push(self.config.actors().digest()),
                Tier::Captured => {
                    let held = dataset.captured(source.name).iter();
                    for file in held.filter(|file| self.reads(part, file.day, file.hour)) {
                        files.entry(file.day).or_default().push(file.digest);
                    }
                }
                // A derived input counts as what it will be, not as what lies there now.
                Tier::Derived => {
                    let held = dataset.derived(source.name).iter().map(|file| (file.day, file.digest));
                    let coming = expected.get(source.name).into_iter().flatten();
                    let coming = coming.map(|(day, digest)| (*day, *digest));
                    let all: BTreeMap<_, _> = held.chain(coming).collect();
                    let read = all.into_iter().filter(|(day, _)| self.reads(part, *day, None));
                    files.extend(read.map(|(day, digest)| (day, vec![digest])));
                }
            }
            for (day, digests) in files {
                inputs.add(*source, day, digests);
            }
        }
        inputs
    }

    async fn materialise(
        &self,
        dataset: &mut Dataset,
        part: Part,
        inputs: &Inputs,
        gaps: &Gaps,
    ) -> Result<()> {
        let context = session::session(&self.config.engine())?;
        for source in self.plan.sources(part.table.name) {
            session::register_source(&context, dataset, self.config, *source, |file| {
                self.reads(part, file.day, file.hour)
            })?;
        }
        let mut parameters = self.config.bind(part.table);
        if let Some(day) = part.day {
            parameters.extend(day_parameters(day));
        }
        let result = query(&context, part.table, parameters).await?;
        let result = self.keep(&context, dataset, part.table, result).await?;
        let path = self.write(dataset, part, inputs, gaps, result).await?;
        dataset.refresh(part.table.name, path, part.day)
    }

    /// `computed`, and the rows of the table's present file whose subject has left: see
    /// [`Retention::Subjects`].
    async fn keep(
        &self,
        context: &SessionContext,
        dataset: &Dataset,
        table: &'static Table,
        computed: DataFrame,
    ) -> Result<DataFrame> {
        const LAST_SEEN: &str = "last_seen";
        const COMPUTED: &str = "computed";
        const LEFT: &str = "kept";
        let Retention::Subjects(subject) = table.retention else { return Ok(computed) };
        let Some(&first) = dataset.days().first() else { return Ok(computed) };
        // What the file says is only understood when it has the columns of today.
        let known = dataset.derived(table.name).iter().filter(|file| file.inputs.is_some());
        if known.count() == 0 {
            return Ok(computed);
        }
        let source = Source { tier: Tier::Derived, name: table.name };
        session::register_source(context, dataset, self.config, source, |_| true)?;
        let before = context.table(source.to_string()).await?;
        let [(_, since), _] = day_parameters(first);
        let left = before.filter(col(LAST_SEEN).lt(lit(since)))?.cache().await?;
        if left.clone().count().await? == 0 {
            return Ok(computed);
        }
        let computed = computed.cache().await?;
        let of = |relation: &str, name: &str| col(format!("{relation}.{name}"));
        let again = computed.clone().alias(COMPUTED)?;
        let again = again.select(subject.iter().map(|name| of(COMPUTED, name)).collect::<Vec<_>>())?;
        let same = subject
            .iter()
            .map(|name| binary_expr(of(LEFT, name), Operator::IsNotDistinctFrom, of(COMPUTED, name)));
        let left = left.alias(LEFT)?.join_on(again, JoinType::LeftAnti, same)?;
        let columns = table.columns.iter().map(|column| of(LEFT, column.name).alias(column.name));
        let left = left.select(columns.collect::<Vec<_>>())?;
        let order = subject.iter().map(|name| col(*name).sort(true, false)).collect();
        Ok(computed.union(left)?.sort(order)?)
    }

    /// Every gap of every sensor.
    async fn gaps(&self, dataset: &Dataset) -> Result<Gaps> {
        const QUERY: &str = "SELECT gap_start, gap_end FROM captured.gaps";
        let context = session::session(&self.config.engine())?;
        let source = Source { tier: Tier::Captured, name: schema::gaps::TABLE.name };
        session::register_source(&context, dataset, self.config, source, |_| true)?;
        let mut gaps = Vec::new();
        for batch in context.sql(QUERY).await?.collect().await? {
            let times =
                |column: usize| batch.column(column).as_primitive::<TimestampMicrosecondType>().values();
            gaps.extend(times(0).iter().copied().zip(times(1).iter().copied()));
        }
        Ok(Gaps(gaps))
    }

    /// Writes `result` beside its final name, then moves it there.
    async fn write(
        &self,
        dataset: &Dataset,
        part: Part,
        inputs: &Inputs,
        gaps: &Gaps,
        result: DataFrame,
    ) -> Result<PathBuf> {
        let mut folder = dataset.root().join(partition::DERIVED).join(part.table.name);
        folder.extend(part.day.map(partition::date_folder));
        fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let path = folder.join(partition::DATA_FILE);
        let temporary = folder.join(format!(".{}.tmp", partition::DATA_FILE));
        let written = self.write_to(&temporary, dataset, part, inputs, gaps, result).await;
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
        inputs: &Inputs,
        gaps: &Gaps,
        result: DataFrame,
    ) -> Result<()> {
        let schema = schema::table::arrow(part.table.columns);
        let days: Vec<i32> = part.day.map_or_else(|| dataset.days().into_iter().collect(), |day| vec![day]);
        let mut metadata = vec![
            (version::DATASET_VERSION, version::DATASET.to_string()),
            (version::WRITER, concat!("analyze ", env!("CARGO_PKG_VERSION")).to_owned()),
            (version::CONFIG_DIGEST, self.config.digest(part.table).to_string()),
            (version::INPUT_DIGEST, inputs.digest().to_string()),
            (version::INPUTS, inputs.to_string()),
            (version::TESTS, "0".to_owned()),
        ];
        if let (Some(&first), Some(&last)) = (days.first(), days.last()) {
            let range = format!("{}/{}", partition::date_text(first), partition::date_text(last));
            metadata.push((version::TIME_RANGE, range));
            metadata.push((version::GAP_SECONDS, gaps.seconds(first, last).to_string()));
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
    // Columns that are converted on top of sorted rows may come in the order of the threads: said last, the
    // order holds.
    let order = order(result.logical_plan())?;
    Ok(result.select(columns)?.sort(order)?)
}

/// The order in which a query wants its rows, by the names of its columns.
fn order(plan: &LogicalPlan) -> Result<Vec<SortExpr>> {
    let LogicalPlan::Sort(sort) = plan else {
        bail!("query.sql must end with ORDER BY, over columns that it produces");
    };
    let key = |key: &SortExpr| match &key.expr {
        Expr::Column(column) => Ok(col(format!("\"{}\"", column.name)).sort(key.asc, key.nulls_first)),
        other => bail!("query.sql must be ordered by columns, not by {other}"),
    };
    sort.expr.iter().map(key).collect()
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

/// A bar on standard error, when that is a terminal.
fn progress(parts: usize) -> ProgressBar {
    let bar = ProgressBar::new(parts as u64);
    if let Ok(style) = ProgressStyle::with_template("{wide_msg} {bar:20} {pos}/{len} {elapsed}, {eta} to go")
    {
        bar.set_style(style);
    }
    bar.enable_steady_tick(TICK);
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_that_reads_the_users_labels_is_stale_when_they_change() {
        static TABLES: [Table; 1] =
            [Table { query: "SELECT label FROM user.actors", ..queries::hash_behavior_profiles::TABLE }];
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/sample");
        let dataset = Dataset::open(&root).expect("the sample");
        let part = Part { table: &TABLES[0], day: None };
        let digest = |label: &str| {
            let file = tempfile::NamedTempFile::new().expect("a file");
            fs::write(file.path(), format!("party,label,note\nAS64496,{label},\n")).expect("a file");
            let config = Config::load(None, Some(file.path())).expect("a configuration");
            let runner = Runner { config: &config, plan: Plan::new(&TABLES).expect("a plan") };
            runner.inputs(&dataset, part, &Expected::new())
        };
        assert_eq!(digest("hosting"), digest("hosting"));
        assert_ne!(digest("hosting"), digest("transit"));
    }

    #[test]
    fn gaps_count_where_they_overlap_the_days() {
        let hours = |from: i64, to: i64| (from * partition::HOUR, to * partition::HOUR);
        let gaps = Gaps(vec![hours(23, 25), hours(30, 31), hours(47, 60), hours(72, 73)]);
        assert_eq!(gaps.seconds(0, 0), 3600.0);
        assert_eq!(gaps.seconds(1, 1), 3.0 * 3600.0);
        assert_eq!(gaps.seconds(0, 3), 17.0 * 3600.0);
    }
}
