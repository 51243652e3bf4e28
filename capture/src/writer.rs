//! The two threads behind the sockets: one appends rows to the spool, one seals what is closed.
//!
//! Reception never waits for them. A bounded number of events is on its way to the spool; what comes
//! beyond it is lost and counted. While the disk refuses to write, or has less room than the free-space floor, rows are
//! counted as lost too, and the outage becomes a row of `captured.gaps` once it is over.

use crate::clock::{self, HOUR, Micros, SECOND};
use crate::counters::RowCounters;
use crate::event::Event;
use crate::geo::Geo;
use crate::krpc::compact::Contact;
use crate::merge::times;
use crate::metrics::{Measurement, Space};
use crate::retention::{Retention, Rule};
use crate::rows::Rows;
use crate::saved;
use crate::sealer::Sealer;
use crate::spool::{Removed, Segment, Spool, SpoolError, rows_error};
use crate::state::State;
use crate::tables::{self, Gap, Reason};
use arrow_array::RecordBatch;
use schema::Table;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, SyncSender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Jobs that may wait for the writer: what the receiving thread hands over in some seconds.
const QUEUE: usize = 64;
/// Events that may be on their way to the spool, waiting in the queue or for earlier ones: 17 MiB of them.
const MOST_EVENTS: usize = 1 << 16;
/// Time between two notes of how far the recording has come.
const HEARTBEAT: Micros = 10 * SECOND;
/// Time in which the writer shows at least once that it does not hang.
const LONGEST_WAIT: Duration = Duration::from_micros(HEARTBEAT as u64);
/// Time for which a clock that was set ahead has to go on from there before it is believed.
const PROVEN: Micros = HOUR;
/// The share of the free-space floor that must be free beyond it before recording resumes, so that
/// it does not stop again at once: one part in this many.
const CLEARANCE: u64 = 10;

/// Work for the writer.
pub enum Job {
    /// Rows of `captured.events`, in any order.
    Events(Vec<Event>),
    /// All events before the given time have been handed over: they are spooled.
    Complete(Micros),
    /// The same, and everything in the spool is synced.
    Sync(Micros),
    /// Rows of `captured.presences`, which are complete up to the given time.
    Presences(RecordBatch, Micros),
    /// Rows of `captured.floods`, in order of time.
    Floods(RecordBatch),
    /// What was measured at the given time.
    Metrics(Micros, Measurement),
    /// Good nodes, to be saved for the next start.
    Nodes(Vec<Contact>),
    /// The clock was set from the first to the second time, or the machine slept.
    Step(Micros, Micros),
    /// An orderly end: everything before the given time has been handed over.
    Stop(Micros),
}

/// How the writer works.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Root of the dataset.
    pub data: PathBuf,
    /// Name of the sensor.
    pub sensor: String,
    /// Longest time without a sync.
    pub sync_interval: Micros,
    /// Time from the end of an hour to its sealing.
    pub seal_delay: Micros,
    /// Bytes of the disk that recording leaves free; 0 for none.
    pub free_space_floor: u64,
    /// Tables that do not stay for ever.
    pub rules: Vec<Rule>,
}

/// The writer's end that the receiving thread holds.
pub struct Writer {
    jobs: SyncSender<Job>,
    progress: Arc<Progress>,
    thread: JoinHandle<Result<(), SpoolError>>,
    lost_queue_full: u64,
}

/// What the receiving thread may know of the writer.
#[derive(Default)]
struct Progress {
    /// Events handed over and neither recorded nor lost yet.
    under_way: AtomicUsize,
    recorded: AtomicU64,
    lost_storage: AtomicU64,
    floods_recorded: AtomicU64,
    floods_lost_storage: AtomicU64,
    /// Grows at least every [`LONGEST_WAIT`]; that of a writer that hangs stands still.
    beats: AtomicU64,
}

impl Progress {
    fn counters(&self, lost_queue_full: u64) -> RowCounters {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        RowCounters {
            recorded: read(&self.recorded),
            lost_queue_full,
            lost_storage: read(&self.lost_storage),
            floods_recorded: read(&self.floods_recorded),
            floods_lost_storage: read(&self.floods_lost_storage),
        }
    }
}

impl Writer {
    /// Starts both threads. `left` are segments of an earlier run, to be sealed first; `past` are
    /// rows about that run, which must be safe before `state` replaces what it left. The state is
    /// kept up to date on disk while the writer lives. `geo` fills in what is known about addresses.
    ///
    /// # Errors
    /// When the system gives no thread, or the state cannot be written.
    pub fn start(
        settings: Settings,
        mut spool: Spool,
        left: Vec<Segment>,
        past: Vec<(&'static Table, RecordBatch)>,
        state: State,
        geo: Geo,
    ) -> Result<Self, SpoolError> {
        for (table, rows) in past {
            spool.append(table, &rows, clock::now()).map_err(|(_, error)| error)?;
        }
        spool.sync()?;
        state.save(&settings.data, &settings.sensor)?;
        let (jobs, queue) = mpsc::sync_channel(QUEUE);
        let progress = Arc::<Progress>::default();
        let thread_error = |cause| SpoolError::Io { action: "start", path: "the writer".to_owned(), cause };
        let (segments, closed) = mpsc::channel();
        for segment in left {
            // The receiver is alive: it stands in this function.
            let _ = segments.send(segment);
        }
        let sealer = Sealer::new(
            Retention {
                data: settings.data.clone(),
                sensor: settings.sensor.clone(),
                rules: settings.rules.clone(),
                summaries: &schema::day_summaries::TABLE,
            },
            geo,
        );
        let sealer = std::thread::Builder::new()
            .name("sealer".to_owned())
            .spawn(move || sealer.run(&closed))
            .map_err(thread_error)?;
        let appender = Appender {
            complete_until: state.recorded_until,
            held: Rows::new(&settings.sensor),
            settings,
            spool,
            state,
            segments,
            progress: progress.clone(),
            full: false,
            outage: None,
            owed: None,
            told: Measurement::default(),
            unsaved: false,
            unsavable: false,
        };
        let thread = std::thread::Builder::new()
            .name("writer".to_owned())
            .spawn(move || appender.run(&queue, sealer))
            .map_err(thread_error)?;
        Ok(Self { jobs, progress, thread, lost_queue_full: 0 })
    }

    /// Hands events over. They are lost and counted when too many are under way.
    pub fn events(&mut self, events: Vec<Event>) {
        let rows = events.len();
        let under_way = &self.progress.under_way;
        // Only this thread adds to them.
        if under_way.load(Ordering::Relaxed) + rows > MOST_EVENTS {
            self.lost_queue_full += rows as u64;
            return;
        }
        under_way.fetch_add(rows, Ordering::Relaxed);
        if self.jobs.try_send(Job::Events(events)).is_err() {
            under_way.fetch_sub(rows, Ordering::Relaxed);
            self.lost_queue_full += rows as u64;
        }
    }

    /// Hands other work over; says whether the queue took it.
    #[must_use]
    pub fn offer(&self, job: Job) -> bool {
        self.jobs.try_send(job).is_ok()
    }

    /// What became of the rows of events so far.
    #[must_use]
    pub fn counters(&self) -> RowCounters {
        self.progress.counters(self.lost_queue_full)
    }

    /// A number that grows at least every ten seconds as long as the writer does not hang.
    #[must_use]
    pub fn beats(&self) -> u64 {
        self.progress.beats.load(Ordering::Relaxed)
    }

    /// Waits for room in the queue, does the `last` jobs, seals everything and ends both threads.
    /// Without [`Job::Stop`] among them the next start will find a killed run.
    ///
    /// # Errors
    /// When not everything could be sealed; it stays in the spool then.
    pub fn finish(self, last: Vec<Job>) -> Result<RowCounters, SpoolError> {
        for job in last {
            if self.jobs.send(job).is_err() {
                break;
            }
        }
        let Self { jobs, progress, thread, lost_queue_full } = self;
        drop(jobs);
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        Ok(progress.counters(lost_queue_full))
    }
}

/// The thread that appends.
struct Appender {
    settings: Settings,
    spool: Spool,
    state: State,
    segments: Sender<Segment>,
    progress: Arc<Progress>,
    /// Events that an earlier one may still come before. Spooling them in order of time means that
    /// a crash loses everything after some moment and nothing before it.
    held: Rows,
    /// All events before this are in the spool.
    complete_until: Micros,
    /// Whether recording has stopped at the free-space floor.
    full: bool,
    /// Since when nothing could be written.
    outage: Option<Micros>,
    /// The first rows of presences that could not be written, and until when they are complete: of the
    /// hour in which the outage began. The hours that lie within it have no events to explain.
    owed: Option<(RecordBatch, Micros)>,
    /// What was measured for the last row of metrics that was written.
    told: Measurement,
    /// Whether the state says something new that a sealed segment must not outrun.
    unsaved: bool,
    /// Whether it could not be saved the last time.
    unsavable: bool,
}

impl Appender {
    fn run(
        mut self,
        queue: &Receiver<Job>,
        sealer: JoinHandle<Result<(), SpoolError>>,
    ) -> Result<(), SpoolError> {
        let interval = Duration::from_micros(self.settings.sync_interval.unsigned_abs());
        let mut synced = Instant::now();
        loop {
            self.progress.beats.fetch_add(1, Ordering::Relaxed);
            let wait = interval.saturating_sub(synced.elapsed()).min(LONGEST_WAIT);
            let job = queue.recv_timeout(wait);
            match job {
                Ok(job) => self.write(job),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    self.release(Micros::MAX);
                    break;
                }
            }
            if synced.elapsed() >= interval {
                self.sync();
                synced = Instant::now();
            }
        }
        self.end(sealer)
    }

    fn write(&mut self, job: Job) {
        match job {
            Job::Events(events) => self.held.append(events),
            Job::Complete(until) => self.release(until),
            Job::Sync(until) => {
                self.release(until);
                self.sync();
            }
            Job::Presences(batch, until) => self.write_presences(batch, until),
            Job::Floods(batch) => {
                let lost = self.append(&schema::floods::TABLE, &batch);
                // The last rows are the lost ones.
                let counts = tables::counts(&batch);
                let (kept, lost) = counts.split_at(counts.len().saturating_sub(lost));
                let sum = |counts: &[u32]| counts.iter().copied().map(u64::from).sum();
                self.progress.floods_recorded.fetch_add(sum(kept), Ordering::Relaxed);
                self.progress.floods_lost_storage.fetch_add(sum(lost), Ordering::Relaxed);
            }
            Job::Metrics(ts, measurement) => self.write_metrics(ts, measurement),
            Job::Nodes(nodes) => {
                // Without them the next start takes a little longer: no outage.
                if let Err(error) = saved::save(&self.settings.data, &self.settings.sensor, &nodes) {
                    tracing::warn!("{error}; the next start asks the bootstrap hosts");
                }
            }
            Job::Step(from, to) => {
                self.state.note_step(from, to);
                self.unsaved = true;
            }
            Job::Stop(until) => {
                self.release(until);
                self.tell_steps(Micros::MIN);
                self.state.recorded_until = until;
                self.state.stopped = true;
                if let Some(since) = self.outage.take()
                    && !self.note_gap(Gap { start: since, end: until, reason: Reason::Storage })
                {
                    // The next start notes that nothing was recorded from here on.
                    self.state.recorded_until = since;
                }
            }
        }
    }

    fn write_presences(&mut self, batch: RecordBatch, until: Micros) {
        if let Some((owed, owed_until)) = self.owed.take()
            && self.append(&schema::presences::TABLE, &owed) > 0
        {
            self.owed = Some((owed, owed_until));
        } else if self.append(&schema::presences::TABLE, &batch) > 0 {
            self.owed = Some((batch, until));
        } else {
            self.state.presences_until = until;
            self.unsaved = true;
        }
    }

    /// Appends a row about the time since the last one that was written.
    fn write_metrics(&mut self, ts: Micros, measurement: Measurement) {
        match tables::system_metrics(&self.settings.sensor, ts, &measurement.since(&self.told)) {
            Ok(row) if self.append(&schema::system_metrics::TABLE, &row) == 0 => self.told = measurement,
            Ok(_) => {}
            Err(error) => tracing::error!("the row of captured.system_metrics cannot be built: {error}"),
        }
    }

    /// Appends the events before `until`.
    fn release(&mut self, until: Micros) {
        // When the clock was set back, what came before that is as complete as it gets.
        let bound = if until < self.complete_until { Micros::MAX } else { until };
        self.complete_until = until;
        let mut held = std::mem::replace(&mut self.held, Rows::new(&self.settings.sensor));
        held.take_before(bound, |batch| {
            let rows = batch.num_rows();
            let lost = self.append(&schema::events::TABLE, batch);
            self.progress.under_way.fetch_sub(rows, Ordering::Relaxed);
            self.progress.recorded.fetch_add((rows - lost) as u64, Ordering::Relaxed);
            self.progress.lost_storage.fetch_add(lost as u64, Ordering::Relaxed);
        });
        self.held = held;
    }

    /// Appends `batch` and returns how many of its rows were lost. Lost events and events after them
    /// say when the outage began and ended, rows of other tables only that it did.
    fn append(&mut self, table: &'static Table, batch: &RecordBatch) -> usize {
        let rows = batch.num_rows();
        if rows == 0 {
            return 0;
        }
        let now = clock::now();
        let event = |row: usize| match times(table, batch).get(row) {
            Some(&ts) if table.name == schema::events::TABLE.name => Some(ts.min(now)),
            _ => None,
        };
        if self.full {
            self.begin(event(0).unwrap_or(now));
            return rows;
        }
        match self.spool.append(table, batch, now) {
            Ok(()) => {
                if let Some(since) = self.outage.take() {
                    tracing::info!("the spool can be written again");
                    // Events that are held come behind all that are complete, and may not be lost any more.
                    let end = event(0).unwrap_or(self.complete_until.min(now));
                    if !self.note_gap(Gap { start: since, end, reason: Reason::Storage }) {
                        self.begin(since);
                    }
                }
                0
            }
            Err((lost, error)) => {
                self.begin_outage(event(rows - lost).unwrap_or(now), &error);
                lost
            }
        }
    }

    /// Makes what was written safe, notes how far it reaches, and passes ended hours on.
    fn sync(&mut self) {
        let now = clock::now();
        self.look_for_room(now);
        for removed in self.spool.removed() {
            self.count_removed(&removed);
        }
        if self.outage.is_none() {
            self.tell_steps(PROVEN);
        }
        let synced = self.spool.sync();
        let ended = synced.and_then(|()| self.spool.close_ended(now - self.settings.seal_delay, now));
        let ended = ended.unwrap_or_else(|error| {
            self.begin_outage(now, &error);
            Vec::new()
        });
        if self.outage.is_none() {
            let due = (now - self.state.recorded_until).abs() >= HEARTBEAT;
            if due || self.unsaved || !ended.is_empty() {
                self.state.recorded_until = self.complete_until;
                self.unsaved = true;
            }
        }
        // This precedes the sealing of any segment: a start after a crash looks into the state and into what is
        // still in the spool.
        if self.unsaved {
            self.save();
        }
        self.pass_on(ended);
    }

    /// Stops recording at the free-space floor, and lets it go on once there is room above it.
    fn look_for_room(&mut self, now: Micros) {
        let (data, floor) = (&self.settings.data, self.settings.free_space_floor);
        // A system that does not say has the last word when it refuses to write.
        let Some(Space { free, .. }) = Space::below(data) else { return };
        if free < floor {
            let path = data.display().to_string();
            self.full = true;
            self.begin_outage(now, &SpoolError::Full { path, free, floor });
        } else if self.full && free - floor >= floor / CLEARANCE {
            self.full = false;
        }
    }

    /// Rows that were safe until somebody removed them are lost after all.
    fn count_removed(&mut self, removed: &Removed) {
        tracing::error!("{}", removed.error);
        if removed.table.name == schema::events::TABLE.name {
            self.progress.recorded.fetch_sub(removed.rows as u64, Ordering::Relaxed);
            self.progress.lost_storage.fetch_add(removed.rows as u64, Ordering::Relaxed);
            self.begin(removed.since);
        }
    }

    /// Replaces the saved state. When that fails no row is lost, but a kill would leave less known about them.
    fn save(&mut self) {
        let failed = self.state.save(&self.settings.data, &self.settings.sensor).err();
        if let Some(error) = &failed
            && !self.unsavable
        {
            tracing::error!("{error}; until it works again a kill costs more than the last second");
        }
        (self.unsaved, self.unsavable) = (failed.is_some(), failed.is_some());
    }

    fn begin_outage(&mut self, since: Micros, error: &SpoolError) {
        if self.outage.is_none() {
            tracing::error!("{error}; rows are lost and counted until it works again");
        }
        self.begin(since);
    }

    /// Nothing from `since` on can be relied upon.
    fn begin(&mut self, since: Micros) {
        self.outage = Some(self.outage.map_or(since, |outage| outage.min(since)));
    }

    /// Writes down the gaps of the steps from which the clock has gone on for `time`.
    fn tell_steps(&mut self, time: Micros) {
        let now = clock::now();
        for (start, end) in std::mem::take(&mut self.state.steps) {
            let is_proven = now - end >= time;
            if is_proven && self.note_gap(Gap { start, end, reason: Reason::Clock }) {
                self.unsaved = true;
            } else {
                self.state.steps.push((start, end));
            }
        }
    }

    /// Writes down that nothing was recorded in a gap; says whether that was possible.
    fn note_gap(&mut self, gap: Gap) -> bool {
        if gap.end <= gap.start {
            // What could not be written was no event.
            return true;
        }
        let rows = tables::gaps(&self.settings.sensor, &[gap]).map_err(rows_error(&schema::gaps::TABLE));
        let noted = rows.and_then(|rows| {
            self.spool.append(&schema::gaps::TABLE, &rows, clock::now()).map_err(|(_, error)| error)
        });
        if let Err(error) = &noted {
            tracing::error!("{error}; the gap could not be noted");
        }
        noted.is_ok()
    }

    fn pass_on(&self, segments: Vec<Segment>) {
        for segment in segments {
            // The sealer outlives this thread; if it is gone, the spool keeps the segment.
            let _ = self.segments.send(segment);
        }
    }

    /// Closes the spool, notes the end and waits until everything is sealed.
    fn end(mut self, sealer: JoinHandle<Result<(), SpoolError>>) -> Result<(), SpoolError> {
        let closed = self.spool.close_all()?;
        // Before the sealing: should it be interrupted, the next start goes on with it.
        self.state.save(&self.settings.data, &self.settings.sensor)?;
        self.pass_on(closed);
        drop(self.segments);
        sealer.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::floods::Flood;
    use crate::krpc::Method;
    use crate::metrics::sample::measurement;
    use crate::rows::sample;
    use crate::spool::{Batches, SPOOL, folder};
    use crate::state::sample::state;
    use arrow_array::cast::AsArray;
    use arrow_array::types::{ArrowPrimitiveType, Int64Type, TimestampMicrosecondType};
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
    use schema::partition::Hour;
    use std::path::Path;

    const HERE: &str = "here";

    fn gap(start: Micros) -> RecordBatch {
        tables::gaps(HERE, &[Gap { start, end: start + 1, reason: Reason::Killed }]).expect("a row")
    }

    /// Two floods of `count` datagrams each.
    fn floods(minute: Micros, count: u32) -> Job {
        let flood = Flood { minute, source: [192, 0, 2, 1].into(), method: Method::Ping, count };
        Job::Floods(tables::floods(HERE, &[flood, flood]).expect("rows"))
    }

    fn start(data: &Path) -> Writer {
        start_with(data, |_| {})
    }

    fn start_with(data: &Path, change: impl FnOnce(&mut Settings)) -> Writer {
        let (spool, left) = Spool::open(data, HERE).expect("opened");
        let mut settings = Settings {
            data: data.to_owned(),
            sensor: HERE.to_owned(),
            sync_interval: SECOND / 50,
            seal_delay: 0,
            free_space_floor: 0,
            rules: Vec::new(),
        };
        change(&mut settings);
        Writer::start(settings, spool, left, Vec::new(), state(clock::now()), Geo::default())
            .expect("started")
    }

    /// Puts a file in the place of the spool, so that nothing can be written until it is removed.
    fn obstruct(data: &Path) -> PathBuf {
        let spool = data.join(SPOOL);
        std::fs::remove_dir_all(&spool).expect("removed");
        std::fs::write(&spool, "a file where a folder must be").expect("written");
        spool
    }

    fn wait_until(is_true: impl Fn() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !is_true() {
            assert!(Instant::now() < deadline, "not in half a minute");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Events at the times `ts`.
    fn events(ts: impl IntoIterator<Item = Micros>) -> Vec<Event> {
        ts.into_iter().map(|ts| Event { ts, ..sample::event() }).collect()
    }

    /// What is in the sealed files of `table`: file by file the values of a column.
    fn values_of<T: ArrowPrimitiveType>(data: &Path, table: &Table, column: &str) -> Vec<Vec<T::Native>> {
        let mut files: Vec<_> = sealed(data)
            .into_iter()
            .filter(|path| path.starts_with(data.join("captured").join(table.name)) && is_final(path))
            .collect();
        files.sort();
        let rows = |path: &PathBuf| {
            let file = std::fs::File::open(path).expect("opened");
            let reader = ParquetRecordBatchReaderBuilder::try_new(file).expect("Parquet").build();
            let batches = reader.expect("a reader").map(|batch| batch.expect("a batch"));
            batches.flat_map(|batch| batch[column].as_primitive::<T>().values().to_vec()).collect()
        };
        files.iter().map(rows).collect()
    }

    fn times_of(data: &Path, table: &Table, column: &str) -> Vec<Vec<Micros>> {
        values_of::<TimestampMicrosecondType>(data, table, column)
    }

    fn is_final(path: &Path) -> bool {
        path.extension().is_some_and(|ending| ending == "parquet")
    }

    fn sealed(data: &Path) -> Vec<PathBuf> {
        let mut folders = vec![data.join("captured")];
        let mut files = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten() {
                let path = entry.expect("an entry").path();
                if path.is_dir() { folders.push(path) } else { files.push(path) }
            }
        }
        files
    }

    #[test]
    fn an_hour_that_has_ended_is_sealed_while_the_writer_runs() {
        let data = tempfile::tempdir().expect("a folder");
        let writer = start(data.path());
        assert!(writer.offer(floods(0, 1)));
        wait_until(|| sealed(data.path()).iter().any(|path| is_final(path)));
        writer.finish(Vec::new()).expect("finished");
    }

    #[test]
    fn an_orderly_end_seals_the_running_hour_and_says_so() {
        let data = tempfile::tempdir().expect("a folder");
        let now = clock::now();
        let writer = start(data.path());
        writer.finish(vec![floods(now, 1), Job::Stop(now + 1)]).expect("finished");
        assert_eq!(sealed(data.path()).len(), 1);
        let state = State::load(data.path(), HERE).expect("a state");
        assert_eq!((state.stopped, state.recorded_until), (true, now + 1));
    }

    #[test]
    fn floods_are_sealed_like_every_table_and_their_datagrams_counted() {
        let data = tempfile::tempdir().expect("a folder");
        let now = clock::now();
        let writer = start(data.path());
        let counters = writer.finish(vec![floods(now, 1_000_000), Job::Stop(now + 1)]).expect("finished");
        assert_eq!((counters.floods_recorded, counters.floods_lost_storage), (2_000_000, 0));
        let files = sealed(data.path());
        assert!(files.len() == 1 && files[0].starts_with(data.path().join("captured/floods")), "{files:?}");
    }

    #[test]
    fn what_was_synced_survives_without_an_orderly_end() {
        let data = tempfile::tempdir().expect("a folder");
        let now = clock::now();
        let (mut spool, _) = Spool::open(data.path(), HERE).expect("opened");
        spool.append(&schema::gaps::TABLE, &gap(now), now).map_err(|(_, error)| error).expect("appended");
        spool.sync().expect("synced");
        drop(spool);
        let (spool, left) = Spool::open(data.path(), HERE).expect("opened");
        let path = left[0].spool_path(data.path());
        let rows: Vec<_> = Batches::open(&schema::gaps::TABLE, &path)
            .expect("opened")
            .flat_map(|batch| times(&schema::gaps::TABLE, &batch.expect("a batch")).to_vec())
            .collect();
        assert_eq!(rows, [now]);
        drop(spool);
        start(data.path()).finish(Vec::new()).expect("finished");
        assert_eq!(sealed(data.path()), [left[0].final_path(data.path())]);
    }

    #[test]
    fn an_hour_that_ends_in_the_middle_of_a_burst_is_two_files_with_every_row_once() {
        let data = tempfile::tempdir().expect("a folder");
        let mut writer = start(data.path());
        let hour = Hour::of(clock::now()).start() - HOUR;
        // Batches overlap, and each is handed over a little before all of its rows are complete.
        for burst in 0..20 {
            let first = hour + (burst - 10) * SECOND;
            writer.events(events((0..100).map(|row| first + row * 20_000)));
            assert!(writer.offer(Job::Complete(first + SECOND)));
            wait_until(|| writer.counters().recorded as i64 >= 100 * burst + 50);
        }
        let counters = writer.finish(vec![Job::Stop(clock::now())]).expect("finished");
        assert_eq!((counters.recorded, counters.lost_queue_full, counters.lost_storage), (2000, 0, 0));
        let files = times_of(data.path(), &schema::events::TABLE, "ts");
        let before = files.concat().iter().filter(|&&ts| ts < hour).count();
        assert_eq!((before, files.concat().len() - before), (950, 1050));
        assert!(
            files.iter().all(|file| file.is_sorted() && Hour::of(file[0]) == Hour::of(file[file.len() - 1]))
        );
    }

    #[test]
    fn events_beyond_the_bound_are_lost_and_counted_until_there_is_room_again() {
        const { assert!(MOST_EVENTS * size_of::<Event>() <= 17 << 20) };
        let data = tempfile::tempdir().expect("a folder");
        let mut writer = start(data.path());
        let now = clock::now();
        let part = MOST_EVENTS / 16;
        (0..17).for_each(|_| writer.events(events((0..part as i64).map(|i| now - i))));
        assert_eq!(writer.counters().lost_queue_full, part as u64);
        assert!(writer.offer(Job::Complete(now + 1)));
        wait_until(|| writer.counters().recorded == MOST_EVENTS as u64);
        writer.events(events([now + 1]));
        let counters = writer.finish(vec![Job::Stop(now + 2)]).expect("finished");
        assert_eq!((counters.recorded, counters.lost_queue_full), (MOST_EVENTS as u64 + 1, part as u64));
    }

    #[test]
    fn rows_from_before_the_clock_was_set_back_do_not_wait_for_it() {
        let data = tempfile::tempdir().expect("a folder");
        let mut writer = start(data.path());
        let now = clock::now();
        writer.events(events([now - 1, now + SECOND]));
        assert!(writer.offer(Job::Complete(now)));
        writer.events(events([now + SECOND + 1]));
        assert!(writer.offer(Job::Complete(now - 24 * HOUR)));
        wait_until(|| writer.counters().recorded == 3);
        writer.finish(Vec::new()).expect("finished");
    }

    #[test]
    fn below_the_free_space_floor_rows_are_counted_as_lost_and_a_gap_says_when() {
        let data = tempfile::tempdir().expect("a folder");
        let mut writer = start_with(data.path(), |settings| settings.free_space_floor = u64::MAX);
        std::thread::sleep(Duration::from_millis(200));
        let now = clock::now();
        writer.events(events([now - 5, now - 3, now - 4]));
        let counters = writer.finish(vec![Job::Complete(now), Job::Stop(now)]).expect("finished");
        assert_eq!((counters.recorded, counters.lost_storage), (0, 3));
        assert!(times_of(data.path(), &schema::events::TABLE, "ts").is_empty());
        let [start] = times_of(data.path(), &schema::gaps::TABLE, "gap_start").concat()[..] else {
            panic!("one gap");
        };
        assert!(start <= now - 5, "the gap begins with the first row that is lost");
        assert_eq!(times_of(data.path(), &schema::gaps::TABLE, "gap_end").concat(), [now]);
    }

    /// Presences that are complete up to `until`.
    fn no_presences(until: Micros) -> Job {
        Job::Presences(RecordBatch::new_empty(schema::presences::TABLE.arrow()), until)
    }

    #[test]
    fn what_the_state_says_outruns_sealing_in_an_outage_too() {
        let data = tempfile::tempdir().expect("a folder");
        let writer = start_with(data.path(), |settings| settings.free_space_floor = u64::MAX);
        std::thread::sleep(Duration::from_millis(200));
        let recorded = State::load(data.path(), HERE).expect("a state").recorded_until;
        assert!(writer.offer(no_presences(7)));
        wait_until(|| State::load(data.path(), HERE).is_some_and(|state| state.presences_until == 7));
        assert_eq!(State::load(data.path(), HERE).expect("a state").recorded_until, recorded);
        writer.finish(Vec::new()).expect("finished");
    }

    #[test]
    fn a_state_that_cannot_be_saved_is_no_outage() {
        let data = tempfile::tempdir().expect("a folder");
        let mut writer = start(data.path());
        let obstacle = folder(data.path(), HERE).join("state.toml.tmp");
        std::fs::create_dir(&obstacle).expect("a folder where a file must be");
        assert!(writer.offer(no_presences(clock::now())));
        for _ in 0..3 {
            std::thread::sleep(Duration::from_millis(100));
            writer.events(events([clock::now()]));
            assert!(writer.offer(Job::Complete(clock::now())));
        }
        std::fs::remove_dir(&obstacle).expect("removed");
        let counters = writer.finish(vec![Job::Stop(clock::now())]).expect("finished");
        assert_eq!((counters.recorded, counters.lost_storage), (3, 0));
        assert!(times_of(data.path(), &schema::gaps::TABLE, "gap_start").is_empty());
    }

    #[test]
    fn what_an_outage_lost_is_in_the_first_row_of_metrics_after_it() {
        let data = tempfile::tempdir().expect("a folder");
        let mut writer = start(data.path());
        let spool = obstruct(data.path());
        let now = clock::now();
        writer.events(events([now - 1]));
        assert!(writer.offer(Job::Complete(now)));
        wait_until(|| writer.counters().lost_storage == 1);
        assert!(writer.offer(Job::Metrics(now, measurement(1))));
        writer.events(events([now]));
        assert!(writer.offer(Job::Complete(now + 1)));
        wait_until(|| writer.counters().lost_storage == 2);
        std::fs::remove_file(&spool).expect("removed");
        let rows = [2, 2, 3].map(|lost| Job::Metrics(now + 1, measurement(lost)));
        writer.finish(rows.into_iter().chain([Job::Stop(now + 2)]).collect()).expect("finished");
        let lost = values_of::<Int64Type>(data.path(), &schema::system_metrics::TABLE, "storage_drops");
        assert_eq!(lost.concat(), [2, 0, 1]);
    }

    #[test]
    fn an_outage_that_a_row_of_another_table_ends_covers_no_event_that_is_recorded_later() {
        let data = tempfile::tempdir().expect("a folder");
        let mut writer = start(data.path());
        let spool = obstruct(data.path());
        let now = clock::now();
        writer.events(events([now, now + 5]));
        assert!(writer.offer(Job::Complete(now + 3)));
        wait_until(|| writer.counters().lost_storage == 1);
        std::fs::remove_file(&spool).expect("removed");
        let last = vec![Job::Metrics(now + 6, measurement(1)), Job::Stop(clock::now())];
        assert_eq!(writer.finish(last).expect("finished").recorded, 1);
        assert_eq!(gaps_of(data.path()), [(now, now + 3)]);
    }

    /// The gaps that are sealed.
    fn gaps_of(data: &Path) -> Vec<(Micros, Micros)> {
        let [starts, ends] =
            ["gap_start", "gap_end"].map(|column| times_of(data, &schema::gaps::TABLE, column));
        starts.concat().into_iter().zip(ends.concat()).collect()
    }

    #[test]
    fn a_step_of_the_clock_is_a_gap_once_the_clock_has_kept_to_it() {
        let data = tempfile::tempdir().expect("a folder");
        let writer = start(data.path());
        let now = clock::now();
        let [slept, recent] = [(now - 9 * HOUR, now - HOUR), (now - HOUR / 2, now)];
        assert!(writer.offer(Job::Step(slept.0, slept.1)) && writer.offer(Job::Step(recent.0, recent.1)));
        wait_until(|| gaps_of(data.path()) == [slept]);
        writer.finish(Vec::new()).expect("finished");
        assert_eq!(gaps_of(data.path()), [slept]);
        assert_eq!(State::load(data.path(), HERE).expect("a state").steps, [recent]);
    }

    #[test]
    fn a_clock_that_was_ahead_for_a_second_left_out_no_more_than_that() {
        let data = tempfile::tempdir().expect("a folder");
        let writer = start(data.path());
        let (now, ahead) = (clock::now(), 9000 * HOUR);
        let steps = [Job::Step(now, now + ahead), Job::Step(now + ahead + SECOND, now + SECOND)];
        writer.finish(steps.into_iter().chain([Job::Stop(now + 2 * SECOND)]).collect()).expect("finished");
        assert_eq!(gaps_of(data.path()), [(now, now + SECOND)]);
    }

    #[test]
    fn what_cannot_be_sealed_stays_in_the_spool_until_it_can() {
        let data = tempfile::tempdir().expect("a folder");
        let obstacle = data.path().join("captured");
        std::fs::write(&obstacle, "a file where a folder must be").expect("written");
        let mut writer = start(data.path());
        let now = clock::now();
        writer.events(events([now]));
        let refused = writer.finish(vec![Job::Stop(now + 1)]).expect_err("not sealed").to_string();
        assert!(refused.contains("captured"), "{refused}");
        std::fs::remove_file(&obstacle).expect("removed");
        start(data.path()).finish(vec![Job::Stop(now + 2)]).expect("finished");
        assert_eq!(times_of(data.path(), &schema::events::TABLE, "ts").concat(), [now]);
    }
}
