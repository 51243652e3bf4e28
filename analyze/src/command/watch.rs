//! `analyze watch`: says what is found while it happens.

use crate::cli::Options;
use crate::dataset::{Damaged, DataFile, Dataset};
use crate::error::{Exit, Failure};
use crate::lock::Taken;
use crate::plan::{Source, Tier};
use crate::report::{Format, escaped};
use crate::run::Runner;
use crate::session;
use crate::watch::{Finding, Watch};
use anyhow::{Context, Result};
use datafusion::arrow::array::{AsArray, BooleanArray, RecordBatch, new_null_array};
use datafusion::arrow::compute::filter_record_batch;
use datafusion::arrow::datatypes::TimestampMicrosecondType;
use datafusion::arrow::ipc::reader::StreamReader;
use datafusion::arrow::json::writer::{LineDelimited, WriterBuilder};
use datafusion::prelude::col;
use schema::events::TABLE as EVENTS;
use schema::partition::{DAY, HOUR};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{Read, Write, stdin, stdout};
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{self, Sender};
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep_until, timeout};

/// Batches that may wait while a detector looks, and lines while others are printed.
const WAITING: usize = 16;
/// Whoever asks us to end waits no longer than this for a reader that takes nothing.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where rows come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum From {
    /// Standard input: what `capture tail` prints.
    Stdin,
    /// The spool of the daemon of this name on this machine.
    Spool(String),
    /// New files of the dataset, as they are copied there.
    Files,
}

impl FromStr for From {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "-" => Ok(Self::Stdin),
            "files" => Ok(Self::Files),
            _ => match text.strip_prefix("spool:") {
                Some(sensor) if !sensor.is_empty() => Ok(Self::Spool(sensor.to_owned())),
                _ => Err("name `-`, `files`, or `spool:SENSOR`".to_owned()),
            },
        }
    }
}

/// What the command line says.
#[derive(Clone, Debug)]
pub struct Arguments {
    /// Where rows come from.
    pub from: From,
    /// Most rows that are held of today, and again of days that ended.
    pub capacity: usize,
    /// Time between two looks for new files.
    pub poll: Duration,
}

/// Prints findings until the rows end, or SIGINT or SIGTERM.
///
/// # Errors
/// When the rows cannot be read, a query fails, or nobody reads the findings any more.
pub async fn run(options: &Options, arguments: &Arguments) -> Result<Exit> {
    let mut watch = Watch::new(&options.config, queries::TABLES, arguments.capacity)?;
    let mut skipped = Skipped::default();
    if let Some(history) = history(options, &watch).await? {
        watch.look_back_into(history);
    }
    let mut first = true;
    if arguments.from == From::Files {
        let history = watch.history().ok_or_else(|| {
            Failure::NoData(format!("there is no captured file below {}", options.data.display()))
        })?;
        if let Some(today) = history.days().last() {
            recall(&mut watch, options, *today, i64::MAX).await?;
        }
        first = false;
    }
    let (sender, mut rows) = mpsc::channel(WAITING);
    follow(options, arguments, watch.history(), sender)?;
    let paces = watch.paces();
    let mut due: Vec<Instant> = paces.iter().map(|pace| Instant::now() + *pace).collect();
    let mut stop = stop()?;
    let mut printer = Printer::new(options.format);
    loop {
        skipped.see(watch.history().map_or(&[], Dataset::damaged));
        let next = due.iter().min().copied().unwrap_or_else(|| Instant::now() + Duration::from_secs(1));
        tokio::select! {
            biased;
            () = stopped(&mut stop) => break,
            () = sleep_until(next) => {
                for number in (0..due.len()).filter(|number| due[*number] <= next).collect::<Vec<_>>() {
                    let start = Instant::now();
                    let findings = watch.look(number).await?;
                    unless_stopped(&mut stop, printer.tell(&findings)).await?;
                    // A look that takes long leaves as much time to the rows.
                    due[number] = Instant::now() + paces[number].max(start.elapsed());
                }
            }
            news = rows.recv() => match news {
                None => break,
                Some(News::Listed(damaged)) => {
                    skipped.see(&damaged);
                    unless_stopped(&mut stop, catch_up(options, &mut watch)).await?;
                }
                Some(News::Ended(error)) => return Err(error),
                Some(News::Rows(batch)) => {
                    if let (true, Some(ts)) = (first, earliest(&batch)) {
                        recall(&mut watch, options, i32::try_from(ts.div_euclid(DAY))?, ts).await?;
                    }
                    first &= batch.num_rows() == 0;
                    let findings = watch.feed(&batch).await?;
                    unless_stopped(&mut stop, printer.tell(&findings)).await?;
                }
            }
        }
    }
    let findings = watch.finish().await?;
    skipped.see(watch.history().map_or(&[], Dataset::damaged));
    let stopped = *stop.borrow();
    let last = async {
        printer.tell(&findings).await?;
        printer.close().await
    };
    if stopped {
        timeout(PATIENCE, last).await.unwrap_or(Ok(()))?;
    } else {
        unless_stopped(&mut stop, last).await?;
    }
    Ok(if skipped.0.is_empty() { Exit::Ok } else { Exit::Failure })
}

/// What the thread that brings rows has to say.
enum News {
    /// Rows of `captured.events`.
    Rows(RecordBatch),
    /// The rows of all new files were passed on, but for those that could not be read.
    Listed(Vec<Damaged>),
    /// Nothing more will come, because of this.
    Ended(anyhow::Error),
}

/// The files that were set aside and named.
#[derive(Default)]
struct Skipped(BTreeSet<PathBuf>);

impl Skipped {
    /// Names those that were not.
    fn see(&mut self, damaged: &[Damaged]) {
        let new = damaged.iter().filter(|damaged| self.0.insert(damaged.path.clone()));
        new.for_each(super::skipped);
    }
}

/// Says when to stop: at SIGINT or SIGTERM.
fn stop() -> Result<watch::Receiver<bool>> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let (sender, stop) = watch::channel(false);
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        sender.send_replace(true);
        sender.closed().await;
    });
    Ok(stop)
}

/// Waits until it is time to stop.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    // It is also when nobody says any more.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Waits for what is done, unless it is time to stop.
async fn unless_stopped(
    stop: &mut watch::Receiver<bool>,
    done: impl Future<Output = Result<()>>,
) -> Result<()> {
    tokio::select! {
        biased;
        () = stopped(stop) => Ok(()),
        done = done => done,
    }
}

/// The dataset, with what the watch needs of it computed; none when there is none.
async fn history(options: &Options, watch: &Watch<'_>) -> Result<Option<Dataset>> {
    match Dataset::open(&options.data) {
        Ok(mut dataset) => {
            Runner::new(&options.config)?.compute(&mut dataset, &watch.needs()).await?;
            Ok(Some(dataset))
        }
        Err(error) if matches!(error.downcast_ref(), Some(Failure::NoData(_))) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Gives the watch a newer history when it is behind; later, when another command is computing.
async fn catch_up(options: &Options, watch: &mut Watch<'_>) -> Result<()> {
    if watch.is_behind() {
        match history(options, watch).await {
            Ok(newer) => newer.into_iter().for_each(|newer| watch.look_back_into(newer)),
            Err(error) if error.is::<Taken>() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Gives the watch what its history holds of `day` before `until`, and of the hours before that day.
async fn recall(watch: &mut Watch<'_>, options: &Options, day: i32, until: i64) -> Result<()> {
    let Some(history) = watch.history() else { return Ok(()) };
    let from = i64::from(day) * DAY - watch.lookback();
    let before = read(options, history, |file| file.begins().is_some_and(|at| at + HOUR > from)).await?;
    watch.begin(day);
    for rows in before {
        let times = rows.column_by_name(EVENTS.time).context("rows without a time")?;
        let earlier = times.as_primitive::<TimestampMicrosecondType>().iter();
        let earlier = earlier.map(|ts| ts.map(|ts| ts < until)).collect::<BooleanArray>();
        let rows = filter_record_batch(&rows, &earlier)?;
        if rows.num_rows() > 0 {
            watch.recall(&rows).await?;
        }
    }
    Ok(())
}

/// The rows of those files of `captured.events` that `keep` accepts.
async fn read(
    options: &Options,
    dataset: &Dataset,
    keep: impl Fn(&DataFile) -> bool,
) -> Result<Vec<RecordBatch>> {
    let context = session::session(&options.config.engine())?;
    let source = Source { tier: Tier::Captured, name: EVENTS.name };
    session::register_source(&context, dataset, &options.config, source, keep)?;
    let rows = context.table(source.to_string()).await?.sort(vec![col(EVENTS.time).sort(true, false)])?;
    let rows = rows.collect().await?;
    rows.iter().map(conform).collect()
}

/// Starts the thread that brings rows.
fn follow(
    options: &Options,
    arguments: &Arguments,
    history: Option<&Dataset>,
    sender: Sender<News>,
) -> Result<()> {
    match &arguments.from {
        From::Stdin => {
            thread::spawn(move || stream(stdin().lock(), &sender));
        }
        From::Spool(sensor) => {
            let (reader, writer) = std::io::pipe().context("cannot make a pipe")?;
            let (data, sensor, ends) = (options.data.clone(), sensor.clone(), sender.clone());
            thread::spawn(move || {
                if let Err(error) = capture::tail::follow(&data, &sensor, &EVENTS, true, writer) {
                    let _ = ends.blocking_send(News::Ended(error));
                }
            });
            thread::spawn(move || stream(reader, &sender));
        }
        From::Files => {
            let known = history.into_iter().flat_map(paths).collect();
            let (options, poll) = (options.clone(), arguments.poll);
            tokio::spawn(async move {
                if let Err(error) = poll_files(&options, poll, known, &sender).await {
                    let _ = sender.send(News::Ended(error)).await;
                }
            });
        }
    }
    Ok(())
}

/// Passes on what comes in as an Arrow IPC stream.
fn stream(from: impl Read, sender: &Sender<News>) {
    let pass = || -> Result<()> {
        let reader =
            StreamReader::try_new(from, None).context("no Arrow IPC stream: is it `capture tail`?")?;
        for batch in reader {
            if sender.blocking_send(News::Rows(conform(&batch?)?)).is_err() {
                return Ok(());
            }
        }
        Ok(())
    };
    if let Err(error) = pass() {
        let _ = sender.blocking_send(News::Ended(error));
    }
}

/// The files of `captured.events`.
fn paths(dataset: &Dataset) -> impl Iterator<Item = PathBuf> {
    dataset.captured(EVENTS.name).iter().map(|file| file.path.clone())
}

/// Passes on the rows of files that were not there before, in order of their hours.
async fn poll_files(
    options: &Options,
    poll: Duration,
    mut known: BTreeSet<PathBuf>,
    sender: &Sender<News>,
) -> Result<()> {
    loop {
        tokio::time::sleep(poll).await;
        let mut dataset = Dataset::open(&options.data)?;
        // With damaged ones, which would be read at every poll.
        let found: Vec<_> = paths(&dataset).collect();
        let rows = loop {
            match read(options, &dataset, |file| !known.contains(&file.path)).await {
                Err(error) if dataset.recover(&error)? => {}
                rows => break rows?,
            }
        };
        known.extend(found.into_iter().chain(paths(&dataset)));
        let listed = News::Listed(dataset.damaged().to_vec());
        for news in rows.into_iter().map(News::Rows).chain([listed]) {
            if sender.send(news).await.is_err() {
                return Ok(());
            }
        }
    }
}

/// The columns of `captured.events`: one that an older sensor does not send is null.
fn conform(rows: &RecordBatch) -> Result<RecordBatch> {
    let schema = EVENTS.arrow();
    let columns = schema.fields().iter().map(|field| {
        let column = rows.column_by_name(field.name());
        column.map_or_else(|| new_null_array(field.data_type(), rows.num_rows()), Arc::clone)
    });
    let columns = columns.collect();
    RecordBatch::try_new(schema, columns).context("these are not rows of captured.events")
}

fn earliest(rows: &RecordBatch) -> Option<i64> {
    let times = rows.column_by_name(EVENTS.time)?.as_primitive_opt::<TimestampMicrosecondType>()?;
    times.values().iter().copied().min()
}

/// Prints findings on a thread of its own, because whoever reads them may take none for a while.
struct Printer {
    format: Format,
    lines: Sender<String>,
    ended: oneshot::Receiver<Result<()>>,
}

impl Printer {
    fn new(format: Format) -> Self {
        let (lines, mut waiting) = mpsc::channel::<String>(WAITING);
        let (end, ended) = oneshot::channel();
        thread::spawn(move || {
            let mut print = || -> Result<()> {
                while let Some(line) = waiting.blocking_recv() {
                    let mut out = stdout().lock();
                    writeln!(out, "{line}")?;
                    if waiting.is_empty() {
                        out.flush()?;
                    }
                }
                Ok(())
            };
            // Nobody may be waiting for it any more.
            let _ = end.send(print());
        });
        Self { format, lines, ended }
    }

    /// Prints findings, one line each.
    async fn tell(&mut self, findings: &[Finding]) -> Result<()> {
        for finding in findings {
            let line = match self.format {
                Format::Json => escaped(&object(finding)?.to_string()),
                _ => format!("{} {}", clock(finding.at), finding.line),
            };
            if self.lines.send(line).await.is_err() {
                return (&mut self.ended).await?;
            }
        }
        Ok(())
    }

    /// Waits until everything is printed.
    async fn close(self) -> Result<()> {
        drop(self.lines);
        self.ended.await?
    }
}

fn object(finding: &Finding) -> Result<Value> {
    let Some(row) = &finding.row else {
        return Ok(json!({
            "table": finding.table,
            "finding": finding.name,
            "line": finding.line,
            "over": true,
        }));
    };
    let mut buffer = Vec::new();
    let mut writer = WriterBuilder::new().with_explicit_nulls(true).build::<_, LineDelimited>(&mut buffer);
    writer.write(row)?;
    writer.finish()?;
    let mut row: Value = serde_json::from_slice(&buffer)?;
    row["table"] = json!(finding.table);
    Ok(row)
}

/// Time of day, UTC.
fn clock(at: i64) -> String {
    let seconds = at.rem_euclid(DAY) / 1_000_000;
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_named_in_one_word() {
        assert_eq!("-".parse(), Ok(From::Stdin));
        assert_eq!("spool:vps1".parse(), Ok(From::Spool("vps1".to_owned())));
        assert!("spool:".parse::<From>().is_err() && "vps1".parse::<From>().is_err());
        assert_eq!(clock(DAY + 3_723_000_000), "01:02:03");
    }
}
