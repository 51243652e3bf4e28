//! The two threads behind the sockets: one appends rows to the spool, one seals what is closed.
//!
//! Reception never waits for them. Rows arrive through a bounded queue; what does not fit is lost
//! and counted. While the disk refuses to write, rows are counted as lost too, and the outage
//! becomes a row of `captured.gaps` once it is over.

use crate::clock::{self, MINUTE, Micros, SECOND};
use crate::counters::RowCounters;
use crate::krpc::compact::Contact;
use crate::merge::{merge, times};
use crate::partition::seal;
use crate::saved;
use crate::spool::{Segment, Spool, SpoolError, rows_error};
use crate::state::State;
use crate::tables::{self, Gap, Reason};
use arrow_array::RecordBatch;
use schema::Table;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, SyncSender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Batches that may wait for the writer.
const QUEUE: usize = 16;
/// Time between two notes of how far the recording has come.
const HEARTBEAT: Micros = 10 * SECOND;
/// Time after which a segment that could not be sealed is tried again.
const RETRY: Duration = Duration::from_micros(MINUTE as u64);

/// Work for the writer.
pub enum Job {
    /// Rows of `captured.events`, in any order.
    Events(RecordBatch),
    /// All events before the given time have been handed over: they are spooled and synced.
    Complete(Micros),
    /// Rows of `captured.presences`, which are complete up to the given time.
    Presences(RecordBatch, Micros),
    /// Rows of `captured.floods`, in order of time.
    Floods(RecordBatch),
    /// Good nodes, to be saved for the next start.
    Nodes(Vec<Contact>),
    /// Rows of `captured.gaps`.
    Gaps(RecordBatch),
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
    recorded: AtomicU64,
    lost_storage: AtomicU64,
    floods_recorded: AtomicU64,
    floods_lost_storage: AtomicU64,
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
    /// kept up to date on disk while the writer lives.
    ///
    /// # Errors
    /// When the system gives no thread, or the state cannot be written.
    pub fn start(
        settings: Settings,
        mut spool: Spool,
        left: Vec<Segment>,
        past: Vec<(&'static Table, RecordBatch)>,
        state: State,
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
        let data = settings.data.clone();
        let sealer = std::thread::Builder::new()
            .name("sealer".to_owned())
            .spawn(move || seal_all(&data, &closed))
            .map_err(thread_error)?;
        let appender = Appender {
            settings,
            spool,
            state,
            segments,
            progress: progress.clone(),
            held: Vec::new(),
            complete_until: Micros::MIN,
            outage: None,
            unsaved: false,
        };
        let thread = std::thread::Builder::new()
            .name("writer".to_owned())
            .spawn(move || appender.run(&queue, sealer))
            .map_err(thread_error)?;
        Ok(Self { jobs, progress, thread, lost_queue_full: 0 })
    }

    /// Hands rows of events over. They are lost and counted when the queue is full.
    pub fn events(&mut self, batch: RecordBatch) {
        let rows = batch.num_rows() as u64;
        if self.jobs.try_send(Job::Events(batch)).is_err() {
            self.lost_queue_full += rows;
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
    held: Vec<RecordBatch>,
    /// All events before this are in the spool.
    complete_until: Micros,
    /// Since when nothing could be written.
    outage: Option<Micros>,
    /// Whether the state says something new that a sealed segment must not outrun.
    unsaved: bool,
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
            let job = queue.recv_timeout(interval.saturating_sub(synced.elapsed()));
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
            Job::Events(batch) => self.held.push(batch),
            Job::Complete(until) => {
                self.release(until);
                self.sync();
            }
            Job::Presences(batch, until) => {
                if self.append(&schema::presences::TABLE, &batch) == 0 {
                    self.state.presences_until = until;
                    self.unsaved = true;
                }
            }
            Job::Floods(batch) => {
                let lost = self.append(&schema::floods::TABLE, &batch);
                // The last rows are the lost ones.
                let counts = tables::counts(&batch);
                let (kept, lost) = counts.split_at(counts.len().saturating_sub(lost));
                let sum = |counts: &[u32]| counts.iter().copied().map(u64::from).sum();
                self.progress.floods_recorded.fetch_add(sum(kept), Ordering::Relaxed);
                self.progress.floods_lost_storage.fetch_add(sum(lost), Ordering::Relaxed);
            }
            Job::Nodes(nodes) => {
                // Without them the next start takes a little longer: no outage.
                if let Err(error) = saved::save(&self.settings.data, &self.settings.sensor, &nodes) {
                    tracing::warn!("{error}; the next start asks the bootstrap hosts");
                }
            }
            Job::Gaps(batch) => {
                self.append(&schema::gaps::TABLE, &batch);
            }
            Job::Stop(until) => {
                self.release(until);
                self.state.recorded_until = until;
                self.state.stopped = true;
            }
        }
    }

    /// Appends the events before `until`.
    fn release(&mut self, until: Micros) {
        self.complete_until = until;
        let table = &schema::events::TABLE;
        let held = std::mem::take(&mut self.held);
        let rows: usize = held.iter().map(RecordBatch::num_rows).sum();
        if rows == 0 {
            return;
        }
        let (ready, lost) = match merge(table, &held) {
            Ok(merged) => {
                let ready = times(table, &merged).partition_point(|&ts| ts < until);
                self.held.push(merged.slice(ready, rows - ready));
                (ready, self.append(table, &merged.slice(0, ready)))
            }
            Err(error) => {
                self.begin_outage(until, &rows_error(table)(error));
                (rows, rows)
            }
        };
        self.progress.recorded.fetch_add((ready - lost) as u64, Ordering::Relaxed);
        self.progress.lost_storage.fetch_add(lost as u64, Ordering::Relaxed);
    }

    /// Appends `batch` and returns how many of its rows were lost.
    fn append(&mut self, table: &'static Table, batch: &RecordBatch) -> usize {
        let now = clock::now();
        match self.spool.append(table, batch, now) {
            Ok(()) => {
                if let Some(since) = self.outage.take() {
                    self.end_outage(since, now);
                }
                0
            }
            Err((lost, error)) => {
                self.begin_outage(now, &error);
                lost
            }
        }
    }

    /// Makes what was written safe, notes how far it reaches, and passes ended hours on.
    fn sync(&mut self) {
        let now = clock::now();
        let ended = self.spool.sync().and_then(|()| self.spool.close_ended(now - self.settings.seal_delay));
        let ended = ended.unwrap_or_else(|error| {
            self.begin_outage(now, &error);
            Vec::new()
        });
        if self.outage.is_none() {
            let due = (now - self.state.recorded_until).abs() >= HEARTBEAT;
            if due || self.unsaved || !ended.is_empty() {
                self.note();
            }
        }
        self.pass_on(ended);
    }

    /// Notes how far the recording has come. This precedes the sealing of any segment: a start after
    /// a crash looks into the state and into what is still in the spool.
    fn note(&mut self) {
        self.state.recorded_until = self.state.recorded_until.max(self.complete_until);
        match self.state.save(&self.settings.data, &self.settings.sensor) {
            Ok(()) => self.unsaved = false,
            Err(error) => self.begin_outage(clock::now(), &error),
        }
    }

    fn pass_on(&self, segments: Vec<Segment>) {
        for segment in segments {
            // The sealer outlives this thread; if it is gone, the spool keeps the segment.
            let _ = self.segments.send(segment);
        }
    }

    fn begin_outage(&mut self, now: Micros, error: &SpoolError) {
        if self.outage.is_none() {
            tracing::error!("{error}; rows are lost and counted until it works again");
            self.outage = Some(now);
        }
    }

    fn end_outage(&mut self, since: Micros, now: Micros) {
        tracing::info!("the spool can be written again");
        let gap = Gap { start: since, end: now, reason: Reason::Storage };
        match tables::gaps(&self.settings.sensor, &[gap]) {
            Ok(row) => {
                self.append(&schema::gaps::TABLE, &row);
            }
            Err(error) => tracing::error!("a gap could not be noted: {error}"),
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

/// Seals segments as they come, and those that failed again once a minute. At the end the first
/// failure that is left is the result.
fn seal_all(data: &Path, closed: &Receiver<Segment>) -> Result<(), SpoolError> {
    let mut failed: Vec<Segment> = Vec::new();
    loop {
        let mut due = match closed.recv_timeout(RETRY) {
            Ok(segment) => vec![segment],
            Err(RecvTimeoutError::Timeout) => std::mem::take(&mut failed),
            Err(RecvTimeoutError::Disconnected) => break,
        };
        due.retain(|segment| {
            let sealed = seal(data, segment);
            match &sealed {
                Ok(Some(path)) => tracing::info!("sealed {}", path.display()),
                Ok(None) => {}
                Err(error) => tracing::error!("{error}; its rows stay in the spool and are tried again"),
            }
            sealed.is_err()
        });
        failed.append(&mut due);
    }
    failed.iter().try_for_each(|segment| seal(data, segment).map(drop))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::floods::Flood;
    use crate::krpc::Method;
    use crate::spool::Batches;

    const HERE: &str = "here";

    fn gap(start: Micros) -> RecordBatch {
        tables::gaps(HERE, &[Gap { start, end: start + 1, reason: Reason::Killed }]).expect("a row")
    }

    fn start(data: &Path) -> Writer {
        let (spool, left) = Spool::open(data, HERE).expect("opened");
        let settings = Settings {
            data: data.to_owned(),
            sensor: HERE.to_owned(),
            sync_interval: SECOND / 50,
            seal_delay: 0,
        };
        let now = clock::now();
        let state = State {
            started: now,
            recorded_until: now,
            presences_until: now,
            stopped: false,
            seed: String::new(),
            config: Config::default(),
        };
        Writer::start(settings, spool, left, Vec::new(), state).expect("started")
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
        assert!(writer.offer(Job::Gaps(gap(0))));
        let deadline = Instant::now() + Duration::from_secs(10);
        while sealed(data.path()).iter().all(|path| path.extension().is_none_or(|ending| ending != "parquet"))
        {
            assert!(Instant::now() < deadline, "not sealed in ten seconds");
            std::thread::sleep(Duration::from_millis(10));
        }
        writer.finish(Vec::new()).expect("finished");
    }

    #[test]
    fn an_orderly_end_seals_the_running_hour_and_says_so() {
        let data = tempfile::tempdir().expect("a folder");
        let now = clock::now();
        let writer = start(data.path());
        writer.finish(vec![Job::Gaps(gap(now)), Job::Stop(now + 1)]).expect("finished");
        assert_eq!(sealed(data.path()).len(), 1);
        let state = State::load(data.path(), HERE).expect("a state");
        assert_eq!((state.stopped, state.recorded_until), (true, now + 1));
    }

    #[test]
    fn floods_are_sealed_like_every_table_and_their_datagrams_counted() {
        let data = tempfile::tempdir().expect("a folder");
        let now = clock::now();
        let writer = start(data.path());
        let flood =
            Flood { minute: now, source: [192, 0, 2, 1].into(), method: Method::Ping, count: 1_000_000 };
        let rows = tables::floods(HERE, &[flood, flood]).expect("rows");
        let counters = writer.finish(vec![Job::Floods(rows), Job::Stop(now + 1)]).expect("finished");
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
}
