//! Computes derived tables: those that are stale, in the order of their dependencies.
//!
//! A derived file says in its metadata what it was computed from: one digest over the query, its
//! columns and parameters, and the digests of every input, and lists them ([`Inputs`]). The same is
//! made here from footers alone, top down; where the two agree there is nothing to do.

use crate::config::Config;
use crate::dataset::Dataset;
use crate::digest::Digest;
use crate::held::Room;
use crate::inputs::{Change, Inputs};
use crate::job::{self, Job, Left};
use crate::lock::Lock;
use crate::memory::{self, TooLittle};
use crate::once;
use crate::plan::{Plan, Source, Tier};
use crate::session;
use anyhow::{Context, Result};
use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::TimestampMicrosecondType;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::prelude::SessionContext;
use indicatif::{ProgressBar, ProgressStyle};
use queries::{Grain, Table};
use schema::{partition, version};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// How often the elapsed time on the progress bar is drawn again.
const TICK: Duration = Duration::from_millis(200);
/// Window tables that are computed at a time. Each can use all threads, but does not at every moment.
const WINDOW_TABLES: usize = 2;

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

impl Part {
    fn is(self, other: Self) -> bool {
        self.table.name == other.table.name && self.day == other.day
    }
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
        let mut lock = None;
        loop {
            let survey = self.survey(dataset, wanted);
            let all = survey.len();
            let stale: Vec<_> = survey.into_iter().filter(|planned| !planned.changes.is_empty()).collect();
            let retired = dataset.retired().len();
            let done = Done { computed: stale.len(), current: all - stale.len(), retired };
            if stale.is_empty() && retired == 0 {
                return Ok(done);
            }
            if lock.is_none() {
                lock = Some(Lock::take(dataset.root())?);
                // Another may have had it until now, and have computed what is stale here.
                dataset.reopen()?;
                continue;
            }
            dataset.delete_retired()?;
            match self.work(dataset, stale).await {
                Err(error) if dataset.recover(&error)? => {}
                worked => return worked.map(|()| done),
            }
        }
    }

    /// Every file that `wanted` and what they need should have, in the order of computation.
    #[must_use]
    pub fn survey(&self, dataset: &Dataset, wanted: &BTreeSet<&str>) -> Vec<Planned> {
        let (days, held) = (dataset.days(), dataset.on_record());
        let mut survey = Vec::new();
        let mut expected = Expected::new();
        for table in self.plan.closure(wanted) {
            let rules = self.rules(table);
            for part in parts(dataset, table) {
                let inputs = self.inputs(dataset, &held, part, rules, &expected);
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

    /// Computes the `stale` parts, which stand in an order in which they can be computed: as many at
    /// once as there are threads, each as soon as what it reads is there. Where the memory does not reach for
    /// several, they are computed one by one.
    async fn work(&self, dataset: &mut Dataset, mut waiting: Vec<Planned>) -> Result<()> {
        let engine = self.config.engine();
        let runtime = session::runtime(&engine)?;
        let gaps = self.gaps(dataset).await?;
        let held = dataset.on_record();
        // Of tables over all days those come first that most others wait for.
        let parts: Vec<Part> = waiting.iter().map(|planned| planned.part).collect();
        waiting.sort_by_cached_key(|Planned { part, .. }| match part.day {
            Some(_) => Reverse(usize::MAX),
            None => Reverse(parts.iter().filter(|other| self.needs(**other, *part)).count()),
        });
        let bar = progress(waiting.len());
        let mut running = JoinSet::new();
        let mut under_way = Vec::<Planned>::new();
        let mut at_once = engine.threads;
        loop {
            let ready = self.ready(&waiting, &under_way, at_once);
            // Days share the threads; what is computed of one day at a time may use all that it has.
            let beginning = ready.iter().map(|place| &waiting[*place]);
            let days: BTreeSet<_> =
                beginning.chain(&under_way).filter_map(|planned| planned.part.day).collect();
            let share = (engine.threads / days.len().max(1)).max(1);
            // From the back, so that the places of the others stay.
            for place in ready.into_iter().rev() {
                let planned = waiting.remove(place);
                let part = planned.part;
                bar.set_message(part.to_string());
                let threads = part.day.map_or(engine.threads, |_| share);
                let job = self.job(dataset, &held, &planned, &gaps, (&runtime, threads));
                let job = job.with_context(|| part.to_string())?;
                under_way.push(planned);
                let alone = at_once == 1;
                running
                    .spawn(async move { (part, alone, job.run().await.with_context(|| part.to_string())) });
            }
            let Some(finished) = running.join_next().await else { break };
            let (part, alone, path) = finished?;
            let path = path.map_err(|error| {
                let files = dataset.files(self.plan.sources(part.table.name));
                let files = files.filter(|file| self.reads(&held, part, file.day, file.hour));
                memory::explain(error, &engine, &part.to_string(), files)
            });
            let place = under_way.iter().position(|planned| planned.part.is(part));
            let planned = place.map(|place| under_way.remove(place));
            match path {
                Err(error) if error.is::<TooLittle>() && !alone => {
                    at_once = 1;
                    waiting.splice(..0, planned);
                }
                path => {
                    dataset.refresh(part.table.name, path?, part.day)?;
                    bar.inc(1);
                }
            }
        }
        bar.finish_and_clear();
        Ok(())
    }

    /// The places of parts that can be begun beside those `under_way`, to have `at_once` at a time: days first,
    /// then window tables, of which two suffice to keep all threads busy.
    fn ready(&self, waiting: &[Planned], under_way: &[Planned], at_once: usize) -> Vec<usize> {
        let unfinished: Vec<Part> = under_way.iter().chain(waiting).map(|planned| planned.part).collect();
        let waits = |part: Part| unfinished.iter().any(|other| self.needs(part, *other));
        let free = |days: bool, at_once: usize| -> Vec<usize> {
            let parts = waiting.iter().map(|planned| planned.part).enumerate();
            let free = parts.filter(|(_, part)| part.day.is_some() == days && !waits(*part));
            free.map(|(place, _)| place).take(at_once.saturating_sub(under_way.len())).collect()
        };
        let days = free(true, at_once);
        if days.is_empty() { free(false, at_once.min(WINDOW_TABLES)) } else { days }
    }

    /// Whether the query of `part` may read the file `other`.
    fn needs(&self, part: Part, other: Part) -> bool {
        let sources = self.plan.sources(part.table.name);
        sources.iter().any(|source| source.tier == Tier::Derived && source.name == other.table.name)
            && (part.day.is_none() || self.reads(&BTreeSet::new(), part, other.day, None))
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
        let room = Arc::new(Room::new(&context.runtime_env().memory_pool));
        for table in in_memory {
            let source = Source { tier: Tier::Derived, name: table.name };
            let rows =
                async { once::keep(job::query(context, table, self.config.bind(table)).await?, &room).await };
            let rows = rows.await.map_err(|error| {
                let files = dataset.files(self.plan.sources(table.name));
                memory::explain(error, &self.config.engine(), &source.to_string(), files)
            })?;
            session::register(context, source, rows)?;
        }
        Ok(())
    }

    /// First and last microsecond (exclusive) that the query of `part` may read.
    fn range(&self, part: Part) -> Option<(i64, i64)> {
        let since = i64::from(part.day?) * partition::DAY;
        Some((since - self.config.lookback(part.table), since + partition::DAY))
    }

    /// Whether the query of `part` may read a file of that day and hour, where the days `held` are on record.
    fn reads(&self, held: &BTreeSet<i32>, part: Part, day: Option<i32>, hour: Option<i32>) -> bool {
        let Some(day) = day else { return true };
        let Some((from, to)) = self.range(part) else {
            return !part.table.retention.of_held_days() || held.contains(&day);
        };
        let midnight = i64::from(day) * partition::DAY;
        let (start, length) = match hour {
            Some(hour) => (midnight + i64::from(hour) * partition::HOUR, partition::HOUR),
            None => (midnight, partition::DAY),
        };
        start < to && start + length > from
    }

    /// The thresholds that `table` goes by, those of window tables beneath among them: they show in none of its days.
    fn rules(&self, table: &Table) -> Digest {
        let mut all = self.plan.closure(&BTreeSet::from([table.name]));
        all.retain(|other| other.name == table.name || other.grain == Grain::Window);
        let rules: Vec<_> = all.into_iter().map(|table| self.config.digest(table)).collect();
        Digest::of(rules.iter().map(Digest::as_bytes))
    }

    /// What a file of `part` would be computed from, by `rules`.
    fn inputs(
        &self,
        dataset: &Dataset,
        held_days: &BTreeSet<i32>,
        part: Part,
        rules: Digest,
        expected: &Expected,
    ) -> Inputs {
        let columns = format!("{:?}", part.table.columns);
        let day = part.day.unwrap_or_default().to_le_bytes();
        let query: [&[u8]; 4] =
            [env!("CARGO_PKG_VERSION").as_bytes(), part.table.query.as_bytes(), columns.as_bytes(), &day];
        let mut inputs = Inputs::new(Digest::of(query), rules);
        for source in self.plan.sources(part.table.name).iter().flat_map(|source| self.plan.beneath(*source))
        {
            let mut files = BTreeMap::<Option<i32>, Vec<Digest>>::new();
            match (source.tier, source.sums()) {
                // Of sums it counts how they are made, and the days that they add up.
                (_, Some(sums)) => files.entry(None).or_default().push(Digest::of([sums.query.as_bytes()])),
                (Tier::User, _) => files.entry(None).or_default().push(self.config.actors().digest()),
                (Tier::Captured, _) => {
                    let held = dataset.captured(source.name).iter();
                    for file in held.filter(|file| self.reads(held_days, part, file.day, file.hour)) {
                        files.entry(file.day).or_default().push(file.digest);
                    }
                }
                // A derived input counts as what it will be, not as what lies there now.
                (Tier::Derived, None) => {
                    let held = dataset.derived(source.name).iter().map(|file| (file.day, file.digest));
                    let coming = expected.get(source.name).into_iter().flatten();
                    let coming = coming.map(|(day, digest)| (*day, *digest));
                    let all: BTreeMap<_, _> = held.chain(coming).collect();
                    let read = all.into_iter().filter(|(day, _)| self.reads(held_days, part, *day, None));
                    files.extend(read.map(|(day, digest)| (day, vec![digest])));
                }
            }
            for (day, digests) in files {
                inputs.add(source, day, digests);
            }
        }
        inputs
    }

    /// All that it takes to compute `part`, with so many threads.
    fn job(
        &self,
        dataset: &Dataset,
        held: &BTreeSet<i32>,
        planned: &Planned,
        gaps: &Gaps,
        engine: (&Arc<RuntimeEnv>, usize),
    ) -> Result<Job> {
        let Planned { part, inputs, .. } = planned;
        let (part, table) = (*part, part.table);
        let context = session::session_in(engine.0, engine.1)?;
        for source in self.plan.sources(table.name) {
            session::register_source(&context, dataset, self.config, *source, |file| {
                self.reads(held, part, file.day, file.hour)
            })?;
        }
        let mut parameters = self.config.bind(table);
        parameters.extend(part.day.into_iter().flat_map(job::day_parameters));
        let days: Vec<i32> = part.day.map_or_else(|| dataset.days().into_iter().collect(), |day| vec![day]);
        let mut metadata = vec![
            (version::DATASET_VERSION, version::DATASET.to_string()),
            (version::WRITER, concat!("analyze ", env!("CARGO_PKG_VERSION")).to_owned()),
            (version::CONFIG_DIGEST, self.config.digest(table).to_string()),
            (version::INPUT_DIGEST, inputs.digest().to_string()),
            (version::INPUTS, inputs.to_string()),
        ];
        if let (Some(&first), Some(&last)) = (days.first(), days.last()) {
            let range = format!("{}/{}", partition::date_text(first), partition::date_text(last));
            metadata.push((version::TIME_RANGE, range));
            metadata.push((version::GAP_SECONDS, gaps.seconds(first, last).to_string()));
        }
        let mut folder = dataset.root().join(partition::DERIVED).join(table.name);
        folder.extend(part.day.map(partition::date_folder));
        let was = dataset.derived(table.name).iter().find_map(|file| file.inputs.as_ref());
        let was = was.filter(|_| table.retention.of_held_days());
        let left = was.map(|was| Left { held: held.clone(), in_part: inputs.agree(was) });
        if left.is_some() {
            let source = Source { tier: Tier::Derived, name: table.name };
            session::register_source(&context, dataset, self.config, source, |_| true)?;
        }
        let bytes = dataset.files(self.plan.sources(table.name)).map(|file| file.size).sum();
        let slices = memory::slices(&self.config.engine(), bytes);
        Ok(Job { table, context, parameters, slices, left, folder, metadata })
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
}

/// The files that `table` should have.
fn parts(dataset: &Dataset, table: &'static Table) -> Vec<Part> {
    match table.grain {
        Grain::Window => vec![Part { table, day: None }],
        Grain::Day { .. } => dataset.days().into_iter().map(|day| Part { table, day: Some(day) }).collect(),
    }
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
    use std::fs;
    use std::path::Path;

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
            runner.inputs(&dataset, &dataset.days(), part, runner.rules(part.table), &Expected::new())
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
