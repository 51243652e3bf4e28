//! The detectors on rows that are still coming in.
//!
//! Today's queries are kept in memory, and are one more day to the same SQL that computes the tables: what
//! is found while it happens is what `compute` will find. Days that ended while watching are kept as day
//! tables, days before are read from the dataset. Nothing here knows a particular detector: those that
//! have a [`Live`] take part.
//!
//! Which presences there were is written down hour by hour, and read when watching begins: later hours count as having
//! those of the newest hour that is known.
//!
//! Memory is bounded: when more rows come in than are to be kept, the oldest of today's leave first, then
//! the oldest days.

use crate::config::Config;
use crate::dataset::{DataFile, Dataset};
use crate::held::Room;
use crate::job::{day_parameters, query};
use crate::memory;
use crate::once;
use crate::plan::{Plan, Source, Tier};
use crate::session;
use anyhow::{Context, Result};
use datafusion::arrow::array::{ArrayRef, AsArray, BooleanArray, RecordBatch, TimestampMicrosecondArray};
use datafusion::arrow::compute::{cast, concat_batches, filter_record_batch};
use datafusion::arrow::datatypes::{DataType, TimeUnit, TimestampMicrosecondType};
use datafusion::common::{ParamValues, ScalarValue};
use datafusion::datasource::MemTable;
use datafusion::logical_expr::lit;
use datafusion::prelude::SessionContext;
use queries::{Grain, Live, Table, functions};
use schema::partition::{DAY, HOUR};
use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A finding that goes on changing is told again after so long.
const AGAIN: Duration = Duration::from_secs(3);
/// How long a finding that was told is remembered, in days of the rows' own time.
const REMEMBERED: i64 = 31;
/// Where the presences of an hour stand once it is over.
const PRESENCES: Source = Source { tier: Tier::Captured, name: schema::presences::TABLE.name };

/// Something found while it happens.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The derived table that it will stand in.
    pub table: &'static str,
    /// Time of the newest query that it rests on, microseconds since 1970-01-01 UTC.
    pub at: i64,
    /// For people.
    pub line: String,
    /// What it is called; stays the same while it goes on.
    pub name: String,
    /// For programs: one row, everything that the detector says live. None for something that was told
    /// and no longer holds.
    pub row: Option<RecordBatch>,
}

/// One day of day tables, by name.
type DayTables = BTreeMap<&'static str, RecordBatch>;

/// A detector that takes part.
struct Detector {
    table: &'static Table,
    live: Live,
    /// Operators that were heard of since its last look.
    heard: HashSet<[u8; 16]>,
}

/// What was told of a finding.
struct Told {
    line: String,
    at: i64,
    when: Instant,
}

/// See the module.
pub struct Watch<'a> {
    config: &'a Config,
    plan: Plan,
    detectors: Vec<Detector>,
    capacity: usize,
    /// Where days before today are read; none when nothing is known of them.
    history: Option<Dataset>,
    today: VecDeque<RecordBatch>,
    rows: usize,
    newest: i64,
    /// What is older is known already.
    since: i64,
    ended: BTreeMap<i32, DayTables>,
    /// Days before today of which rows came in late.
    late: BTreeSet<i32>,
    /// By table and name.
    told: BTreeMap<(&'static str, String), Told>,
}

impl<'a> Watch<'a> {
    /// A watch over `tables` that keeps at most `capacity` rows of today, and as many of days that ended.
    ///
    /// # Errors
    /// As [`Plan::new`].
    pub fn new(config: &'a Config, tables: &'static [Table], capacity: usize) -> Result<Self> {
        let detectors = tables.iter().filter_map(|table| {
            let live = table.live?;
            Some(Detector { table, live, heard: HashSet::new() })
        });
        Ok(Self {
            config,
            plan: Plan::new(tables)?,
            detectors: detectors.collect(),
            capacity,
            history: None,
            today: VecDeque::new(),
            rows: 0,
            newest: i64::MIN,
            since: i64::MAX,
            ended: BTreeMap::new(),
            late: BTreeSet::new(),
            told: BTreeMap::new(),
        })
    }

    /// The derived tables that are needed of days before today.
    #[must_use]
    pub fn needs(&self) -> BTreeSet<&'static str> {
        let wanted = self.detectors.iter().map(|detector| detector.table.name).collect();
        let needed = self.plan.closure(&wanted).into_iter().filter(|table| table.grain != Grain::Window);
        needed.map(|table| table.name).collect()
    }

    /// How often each detector looks, in their order.
    #[must_use]
    pub fn paces(&self) -> Vec<Duration> {
        self.detectors.iter().map(|detector| Duration::from_secs(detector.live.every)).collect()
    }

    /// Rows that are held: of today, and of day tables.
    #[must_use]
    pub fn held(&self) -> (usize, usize) {
        let ended = self.ended.values().flat_map(BTreeMap::values).map(RecordBatch::num_rows).sum();
        (self.rows, ended)
    }

    /// The day of the newest row, counted from 1970-01-01.
    fn day(&self) -> i32 {
        i32::try_from(self.newest.div_euclid(DAY)).unwrap_or(i32::MAX)
    }

    /// Says where days before today are read, with what [`Watch::needs`] says. What came in late is in it.
    pub fn look_back_into(&mut self, history: Dataset) {
        for day in mem::take(&mut self.late) {
            self.ended.remove(&day);
        }
        self.history = Some(history);
    }

    /// Whether rows of days before today came in late, which no finding counts until a newer history has them.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        !self.late.is_empty()
    }

    /// Where days before today are read.
    #[must_use]
    pub fn history(&self) -> Option<&Dataset> {
        self.history.as_ref()
    }

    /// Says what day it is, before anything of it has come in: rows of days before are what it looks back to.
    pub fn begin(&mut self, day: i32) {
        self.newest = self.newest.max(i64::from(day) * DAY);
    }

    /// Takes rows of `captured.events` that were there before watching began: what is found in them alone
    /// is not told.
    ///
    /// # Errors
    /// As [`Watch::feed`].
    pub async fn recall(&mut self, rows: &RecordBatch) -> Result<()> {
        self.take(rows).await?;
        self.since = self.newest.saturating_add(1);
        self.detectors.iter_mut().for_each(|detector| detector.heard.clear());
        Ok(())
    }

    /// Takes new rows of `captured.events`, in order of receipt. When they begin a new day, the one that
    /// ended is looked at once more as a whole, and what that finds is returned.
    ///
    /// # Errors
    /// When a query fails.
    pub async fn feed(&mut self, rows: &RecordBatch) -> Result<Vec<Finding>> {
        let is_late = |ts: &i64| self.newest > i64::MIN && *ts < i64::from(self.day()) * DAY;
        let times = times(rows)?.values();
        let late = times.iter().copied().filter(is_late).map(|ts| i32::try_from(ts.div_euclid(DAY)));
        let late: BTreeSet<i32> = late.collect::<Result<_, _>>()?;
        // What comes in late belongs to what is known.
        let first = times.iter().copied().min();
        if let Some(first) = first.filter(|ts| self.today.is_empty() || !is_late(ts)) {
            self.since = self.since.min(first);
        }
        self.late.extend(late);
        self.take(rows).await
    }

    async fn take(&mut self, rows: &RecordBatch) -> Result<Vec<Finding>> {
        let mut findings = Vec::new();
        let days: BTreeSet<i64> = times(rows)?.values().iter().map(|ts| ts.div_euclid(DAY)).collect();
        for day in days {
            let mine = times(rows)?.iter().map(|ts| ts.map(|ts| ts.div_euclid(DAY) == day));
            let rows = filter_record_batch(rows, &mine.collect::<BooleanArray>())?;
            if !self.today.is_empty() && day > i64::from(self.day()) {
                findings.extend(self.end_day().await?);
            }
            self.push(rows)?;
        }
        Ok(findings)
    }

    fn push(&mut self, rows: RecordBatch) -> Result<()> {
        let newest = times(&rows)?.values().iter().copied().max().unwrap_or(i64::MIN);
        self.newest = self.newest.max(newest);
        let addresses = rows.column_by_name("peer_ip").context("no column peer_ip")?;
        for address in addresses.as_fixed_size_binary().iter().flatten() {
            let operator = functions::operator(address.try_into()?);
            for detector in &mut self.detectors {
                detector.heard.insert(operator);
            }
        }
        self.rows += rows.num_rows();
        self.today.push_back(rows);
        while self.rows > self.capacity && self.today.len() > 1 {
            self.rows -= self.today.pop_front().map_or(0, |oldest| oldest.num_rows());
        }
        Ok(())
    }

    /// Lets the detector of that number (see [`Watch::paces`]) look at what came in since its last look.
    ///
    /// # Errors
    /// When a query fails.
    pub async fn look(&mut self, number: usize) -> Result<Vec<Finding>> {
        let Some(detector) = self.detectors.get_mut(number) else { return Ok(Vec::new()) };
        let heard = mem::take(&mut detector.heard);
        if heard.is_empty() {
            return Ok(Vec::new());
        }
        let (table, live) = (detector.table, detector.live);
        let only = live.by_operator.then_some(&heard);
        let (found, _) = self.ask(&[(table, live)], only).await?;
        let (told, held_back) = self.tell(&[table], found, false);
        if held_back && let Some(detector) = self.detectors.get_mut(number) {
            detector.heard.extend(heard);
        }
        Ok(told)
    }

    /// What is not told yet, at the end of the rows.
    ///
    /// # Errors
    /// When a query fails.
    pub async fn finish(&mut self) -> Result<Vec<Finding>> {
        if self.today.is_empty() { Ok(Vec::new()) } else { self.end_day().await }
    }

    /// How far day tables look back before their day, microseconds.
    #[must_use]
    pub fn lookback(&self) -> i64 {
        let wanted = self.detectors.iter().map(|detector| detector.table.name).collect();
        let all = self.plan.closure(&wanted).into_iter().map(|table| self.config.lookback(table));
        all.max().unwrap_or(0)
    }

    /// Looks at today as a whole, keeps its day tables, and begins the next day with as much of it as that
    /// looks back.
    async fn end_day(&mut self) -> Result<Vec<Finding>> {
        let all: Vec<_> = self.detectors.iter().map(|detector| (detector.table, detector.live)).collect();
        let (found, tables) = self.ask(&all, None).await?;
        self.detectors.iter_mut().for_each(|detector| detector.heard.clear());
        let looked: Vec<_> = all.iter().map(|(table, _)| *table).collect();
        let (told, _) = self.tell(&looked, found, true);
        let today = self.day();
        self.ended.insert(today, tables);
        while self.ended.len() > 1 && self.held().1 > self.capacity {
            self.ended.pop_first();
        }
        let from = (i64::from(today) + 1) * DAY - self.lookback();
        for rows in mem::take(&mut self.today) {
            let late = times(&rows)?.iter().map(|ts| ts.map(|ts| ts >= from)).collect::<BooleanArray>();
            let rows = filter_record_batch(&rows, &late)?;
            if rows.num_rows() > 0 {
                self.today.push_back(rows);
            }
        }
        self.rows = self.today.iter().map(RecordBatch::num_rows).sum();
        let oldest = self.newest - REMEMBERED * DAY;
        self.told.retain(|_, told| told.at >= oldest);
        Ok(told)
    }

    /// What `detectors` find today, of `only` these operators, when given; and today's part of the day tables. Asks
    /// again when other commands meanwhile replaced or deleted files of the history, or one turns out to be damaged.
    async fn ask(
        &mut self,
        detectors: &[(&'static Table, Live)],
        only: Option<&HashSet<[u8; 16]>>,
    ) -> Result<(Vec<Finding>, DayTables)> {
        let wanted = detectors.iter().map(|(table, _)| table.name).collect();
        loop {
            let answer = async {
                let (context, tables) = self.evaluate(&wanted, only).await?;
                let mut all = Vec::new();
                for (table, live) in detectors {
                    all.extend(found(&context, self.config, table, live).await?);
                }
                Ok((all, tables))
            };
            match (answer.await, &mut self.history) {
                (Err(error), Some(history)) => {
                    if !history.recover(&error)? {
                        return Err(error);
                    }
                }
                (answer, _) => return answer,
            }
        }
    }

    /// Runs the queries of `wanted` and what they need with today as one more day; of `only` these
    /// operators, when given. Returns a session that knows the tables, and today's part of the day tables.
    async fn evaluate(
        &self,
        wanted: &BTreeSet<&str>,
        only: Option<&HashSet<[u8; 16]>>,
    ) -> Result<(SessionContext, DayTables)> {
        let history = self.history.as_ref();
        let context = session::session(&self.config.engine())?;
        let today = self.day();
        let closure = self.plan.closure(wanted);
        // Day tables look back no further than into the day before, and what is looked at by operator was
        // told on the days before.
        let first = if only.is_some() || closure.iter().all(|table| table.grain != Grain::Window) {
            today - 1
        } else {
            i32::MIN
        };
        let mut known = BTreeSet::new();
        for source in closure.iter().flat_map(|table| self.plan.sources(table.name)) {
            if source.tier != Tier::Derived && known.insert(*source) {
                self.provide(&context, *source, only)?;
                if let Some(history) = history.filter(|_| *source == PRESENCES) {
                    self.assume_presences(&context, history).await?;
                }
            }
        }
        let held = history.map(Dataset::on_record);
        let mut parts = BTreeMap::new();
        let room = Arc::new(Room::new(&context.runtime_env().memory_pool));
        for table in closure {
            let source = Source { tier: Tier::Derived, name: table.name };
            let too_little = |error: anyhow::Error| {
                let sources = self.plan.sources(table.name);
                let files = history.into_iter().flat_map(|held| held.files(sources));
                memory::explain(error, &self.config.engine(), &source.to_string(), files)
            };
            let mut parameters = self.config.bind(table);
            if table.grain == Grain::Window {
                let held = held.as_ref().filter(|_| table.retention.of_held_days());
                for source in self.plan.sources(table.name) {
                    if let Some(rows) = parts.get(source.name) {
                        self.register_days(&context, *source, Some(first), held, rows).await?;
                    }
                }
                let rows = async { once::keep(query(&context, table, parameters).await?, &room).await };
                session::register(&context, source, rows.await.map_err(&too_little)?)?;
                continue;
            }
            // What is still going on counts as it is: the day's end is put off.
            let [since, until] = day_parameters(today);
            parameters.extend(if only.is_some() {
                [since, day_parameters(today + 1)[1].clone()]
            } else {
                [since, until]
            });
            let rows = query(&context, table, parameters).await.map_err(&too_little)?;
            let rows = rows.collect().await.map_err(|error| too_little(error.into()))?;
            let rows = concat_batches(&schema::table::arrow(table.columns), &rows)?;
            // What a detector said before today was told then.
            let before = !(wanted.contains(table.name) && table.live.is_some());
            self.register_days(&context, source, before.then_some(first), None, &rows).await?;
            parts.insert(table.name, rows);
        }
        Ok((context, parts))
    }

    /// Registers a table that is not derived.
    fn provide(
        &self,
        context: &SessionContext,
        source: Source,
        only: Option<&HashSet<[u8; 16]>>,
    ) -> Result<()> {
        let columns = schema::table::arrow(source.columns());
        let events = source.tier == Tier::Captured && source.name == schema::events::TABLE.name;
        if !events && let Some(history) = &self.history {
            return session::register_source(context, history, self.config, source, |_| true);
        }
        let mut batches = match (source.tier, events) {
            (Tier::User, _) => vec![self.config.actors().rows()?],
            (_, false) => Vec::new(),
            (_, true) => {
                self.today.iter().map(|rows| of_operators(rows, only)).collect::<Result<Vec<_>>>()?
            }
        };
        batches.retain(|rows| rows.num_rows() > 0);
        let table = MemTable::try_new(columns, vec![batches])?;
        session::register(context, source, Arc::new(table))
    }

    /// Adds the presences of the hours that no file tells of yet.
    async fn assume_presences(&self, context: &SessionContext, history: &Dataset) -> Result<()> {
        let starts = history.captured(PRESENCES.name).iter().filter_map(DataFile::begins);
        let Some(newest) = starts.filter(|start| *start <= self.newest).max() else { return Ok(()) };
        let midnight = i64::from(self.day()) * DAY;
        let mut all = context.table(PRESENCES.to_string()).await?;
        // One sensor may be an hour behind another. To be named twice does a presence no harm.
        for known in [newest - HOUR, newest] {
            let session = session::session(&self.config.engine())?;
            session::register_source(&session, history, self.config, PRESENCES, |file| {
                file.begins() == Some(known)
            })?;
            let rows = session.table(PRESENCES.to_string()).await?.collect().await?;
            for hour in ((known + HOUR).max(midnight)..=self.newest).step_by(HOUR as usize) {
                for rows in &rows {
                    all = all.union(context.read_batch(later(rows, hour - known)?)?)?;
                }
            }
        }
        session::register(context, PRESENCES, all.into_view())
    }

    /// Registers a day table: `today`, days that ended, and those of `history` from `before` on, perhaps of `held` days
    /// alone.
    async fn register_days(
        &self,
        context: &SessionContext,
        source: Source,
        before: Option<i32>,
        held: Option<&BTreeSet<i32>>,
        today: &RecordBatch,
    ) -> Result<()> {
        let dated = |day: i32, rows: &RecordBatch| -> Result<_> {
            let rows = context.read_batch(rows.clone())?;
            Ok(rows.with_column("date", lit(ScalarValue::Date32(Some(day))))?)
        };
        let mut all = dated(self.day(), today)?;
        if let Some(first) = before {
            let ended =
                self.ended.range(first..).filter_map(|(day, tables)| Some((*day, tables.get(source.name)?)));
            for (day, rows) in ended {
                all = all.union(dated(day, rows)?)?;
            }
            if let Some(history) = &self.history {
                let is_held = |day| held.is_none_or(|held| held.contains(&day));
                session::register_source(context, history, self.config, source, |file| {
                    file.day.is_some_and(|day| {
                        (first..self.day()).contains(&day) && !self.ended.contains_key(&day) && is_held(day)
                    })
                })?;
                all = all.union(context.table(source.to_string()).await?)?;
            }
        }
        session::register(context, source, all.into_view())
    }

    /// What is new in `found`, which is what `tables` say now; and whether there is more, which will be told
    /// later. `all` holds nothing back.
    fn tell(&mut self, tables: &[&'static Table], found: Vec<Finding>, all: bool) -> (Vec<Finding>, bool) {
        let mut news = Vec::new();
        let mut held_back = false;
        let mut named = BTreeSet::new();
        for finding in found {
            if finding.at < self.since {
                continue;
            }
            let name = (finding.table, finding.name.clone());
            named.insert(name.clone());
            match self.told.get(&name) {
                Some(told) if told.line == finding.line => continue,
                Some(told) if !all && told.when.elapsed() < AGAIN => {
                    held_back = true;
                    continue;
                }
                _ => {}
            }
            let (line, at) = (finding.line.clone(), finding.at);
            self.told.insert(name, Told { line, at, when: Instant::now() });
            news.push(finding);
        }
        // A window table that is seen as a whole at every look: what is not there no longer holds.
        let is_whole =
            |table: &Table| table.grain == Grain::Window && table.live.is_some_and(|live| !live.by_operator);
        let whole = |name: &str| tables.iter().any(|table| table.name == name && is_whole(table));
        let over = self.told.extract_if(.., |name, _| whole(name.0) && !named.contains(name));
        news.extend(over.map(|((table, name), told)| Finding {
            table,
            at: self.newest,
            line: format!("no longer: {}", told.line),
            name,
            row: None,
        }));
        news.sort_by(|one, other| (one.at, &one.line).cmp(&(other.at, &other.line)));
        (news, held_back)
    }
}

/// The rows of `captured.presences`, so much later.
fn later(rows: &RecordBatch, micros: i64) -> Result<RecordBatch> {
    let columns =
        rows.columns().iter().map(|column| match column.as_primitive_opt::<TimestampMicrosecondType>() {
            Some(times) => {
                let later = times.unary::<_, TimestampMicrosecondType>(|ts| ts + micros);
                Arc::new(later.with_timezone_opt(times.timezone())) as ArrayRef
            }
            None => Arc::clone(column),
        });
    Ok(RecordBatch::try_new(rows.schema(), columns.collect())?)
}

/// What the live query of a detector says.
async fn found(
    context: &SessionContext,
    config: &Config,
    table: &'static Table,
    live: &Live,
) -> Result<Vec<Finding>> {
    let parameters = config.bind(table);
    let rows = context.sql(live.sql).await?.with_param_values(ParamValues::from(parameters))?;
    let rows = rows.collect().await.with_context(|| table.name)?;
    let mut found = Vec::new();
    for batch in rows {
        let text = |name: &str| -> Result<_> {
            let column = batch.column_by_name(name);
            let column = column.with_context(|| format!("{}: no column {name} in live.sql", table.name))?;
            Ok(cast(column, &DataType::Utf8)?.as_string::<i32>().clone())
        };
        let (names, lines) = (text("finding")?, text("line")?);
        let at = batch
            .column_by_name("at")
            .with_context(|| format!("{}: no column at in live.sql", table.name))?;
        let at = cast(at, &DataType::Timestamp(TimeUnit::Microsecond, None))?;
        let at = at.as_primitive::<TimestampMicrosecondType>();
        for row in 0..batch.num_rows() {
            found.push(Finding {
                table: table.name,
                at: at.value(row),
                line: lines.value(row).to_owned(),
                name: names.value(row).to_owned(),
                row: Some(batch.slice(row, 1)),
            });
        }
    }
    Ok(found)
}

fn times(rows: &RecordBatch) -> Result<&TimestampMicrosecondArray> {
    let column = rows.column_by_name(schema::events::TABLE.time).context("rows without a time")?;
    column.as_primitive_opt::<TimestampMicrosecondType>().context("times in another unit than microseconds")
}

fn of_operators(rows: &RecordBatch, only: Option<&HashSet<[u8; 16]>>) -> Result<RecordBatch> {
    let Some(only) = only else { return Ok(rows.clone()) };
    let addresses = rows.column_by_name("peer_ip").context("no column peer_ip")?;
    let wanted = addresses.as_fixed_size_binary().iter().map(|address| {
        let address: Option<[u8; 16]> = address.and_then(|address| address.try_into().ok());
        Some(address.is_some_and(|address| only.contains(&functions::operator(address))))
    });
    Ok(filter_record_batch(rows, &wanted.collect::<BooleanArray>())?)
}
