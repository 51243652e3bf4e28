//! The running sensor: sockets and time on one side, the antenna in the middle, the writer on the
//! other.
//!
//! One thread receives, decodes, answers and hands rows on; it never waits for anything but the
//! sockets and the clock.

use crate::bootstrap;
use crate::clock::{self, MINUTE, Micros, SECOND};
use crate::config::{Config, micros};
use crate::counters::{self, RowCounters, SocketCounters};
use crate::event::Event;
use crate::geo::Geo;
use crate::keyspace::Keyspace;
use crate::krpc::Packet;
use crate::merge::timestamps;
use crate::metrics::{Measurement, Metrics};
use crate::node::{Antenna, Datagram, Sink};
use crate::retention::Rule;
use crate::saved;
use crate::service::{self, Watchdog};
use crate::socket::{Inbox, Outbox, Socket, untold_drops};
use crate::spool::{Batches, Segment, Spool};
use crate::state::{self, State};
use crate::tables::{self, Gap, Reason};
use crate::writer::{self, Job, Writer};
use anyhow::Context as _;
use arrow_array::RecordBatch;
use schema::Table;
use schema::partition::Hour;
use std::cell::RefCell;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};

/// Time between two ticks of the antenna.
const TICK: Duration = Duration::from_millis(100);
/// Events that are handed over without waiting for the next sync.
const BATCH: usize = 1024;
/// Events handed over after which the sockets are swept, so that the writer can spool them: it holds
/// those that an earlier one may still come before. So few that they stay in the processor's cache until
/// then, and that spooling them keeps a processor from nobody for long.
const SWEEP: usize = 1 << 12;
/// Time between two ticks beyond which the clock was set, or the machine slept.
const STEP: Micros = MINUTE;
/// Time between two savings of the good nodes.
const SAVE_NODES: Micros = 10 * MINUTE;

/// Runs the sensor until SIGTERM or SIGINT, then seals what was recorded.
///
/// # Errors
/// When it cannot start, or not everything could be sealed at the end.
pub fn run(config: Config) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = tokio::task::LocalSet::new();
    let ended = local.block_on(&runtime, serve(config));
    drop(local);
    // A name server that does not answer must not hold up the end.
    runtime.shutdown_background();
    ended
}

async fn serve(config: Config) -> anyhow::Result<()> {
    let sensor = config.sensor_name();
    let (spool, left) = Spool::open(&config.data, &sensor)?;
    let seed = state::seed(&config)?;
    let keyspace = config.keyspace(&seed)?;
    let geo = Geo::open(&config.geo_asn, &config.geo_city)?;
    // Before the sockets: whoever sees those may ask for an orderly end.
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let mut hangup = signal(SignalKind::hangup()).context("cannot listen for SIGHUP")?;
    // Taken before the sockets exist: what they receive from the first moment on is not in the gap.
    let now = clock::now();
    let sockets = bind(&keyspace, config.receive_buffer)?;

    let before = State::load(&config.data, &sensor);
    let past = past_rows(&config.data, &sensor, before.as_ref(), &left, now)?;
    let state = State {
        started: now,
        recorded_until: now,
        presences_until: now,
        stopped: false,
        recorded_before: before
            .as_ref()
            .map_or(0, |before| before.recorded_until.max(before.recorded_before)),
        steps: untold_steps(&config.data, before.as_ref(), &left, now)?,
        seed: seed.clone(),
        config: config.clone(),
    };
    let writer = Writer::start(
        writer::Settings {
            data: config.data.clone(),
            sensor: sensor.clone(),
            sync_interval: micros(config.sync_interval),
            seal_delay: micros(config.seal_delay),
            free_space_floor: config.free_space_floor,
            rules: rules(&config),
        },
        spool,
        left,
        past,
        state,
        geo,
    )?;
    tracing::info!(
        "sensor {sensor}: {} presences on {} sockets, writing to {}",
        keyspace.presences(),
        sockets.len(),
        config.data.display()
    );

    let mut antenna = Antenna::new(keyspace.clone(), &state::random()?, config.antenna(), now);
    antenna.set_deny(config.deny_list()?);
    antenna.recall(&saved::load(&config.data, &sensor));
    let sockets: Rc<[Socket]> = sockets.into();
    let daemon = Rc::new(RefCell::new(Daemon {
        antenna,
        inbox: Inbox::default(),
        keyspace,
        presences_from: now,
        ticked: now,
        flushed: now,
        swept: 0,
        floods_noted: now,
        nodes_saved: now,
        metrics: Metrics::new(&config.data),
        measured: now,
        measurement: Measurement::default(),
        metrics_interval: micros(config.metrics_interval),
        watchdog: Watchdog::from_environment(),
        flush_interval: micros(config.sync_interval),
        flush_rows: config.sync_rows,
        shell: Shell {
            events: Vec::new(),
            handed: 0,
            sensor,
            sockets: sockets.clone(),
            outbox: Outbox::default(),
            sender: 0,
            writer,
            counters: SocketCounters::default(),
        },
    }));
    let listeners: Vec<_> = (0..sockets.len())
        .map(|socket| tokio::task::spawn_local(listen(daemon.clone(), sockets.clone(), socket)))
        .collect();
    service::ready();
    let mut resolved = bootstrap::resolve(config.bootstrap.hosts());
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => daemon.borrow_mut().tick(clock::now()),
            Some(addresses) = resolved.recv() => daemon.borrow_mut().antenna.add_bootstrap(addresses),
            _ = hangup.recv() => {
                service::reloading();
                daemon.borrow_mut().read_deny_list(&config);
                service::ready();
            }
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        }
    }
    service::stopping();
    for listener in &listeners {
        listener.abort();
    }
    for listener in listeners {
        // Aborted: the only result is that it has let go of the daemon.
        let _ = listener.await;
    }
    drop(sockets);
    let daemon = Rc::into_inner(daemon).context("a listener outlived its abortion")?;
    daemon.into_inner().finish()
}

/// What is kept for how long. Counts of floods hold addresses as the events do that they continue.
fn rules(config: &Config) -> Vec<Rule> {
    let keep = |table: &Table, days| Rule { table: table.name, days };
    vec![
        keep(&schema::events::TABLE, config.keep_events),
        keep(&schema::floods::TABLE, config.keep_events),
        keep(&schema::system_metrics::TABLE, config.keep_metrics),
    ]
}

/// Binds every socket of the keyspace.
fn bind(keyspace: &Keyspace, receive_buffer: usize) -> anyhow::Result<Vec<Socket>> {
    let sockets: Vec<_> = keyspace
        .sockets()
        .iter()
        .map(|&local| Socket::bind(local, receive_buffer))
        .collect::<Result<_, _>>()?;
    let granted = sockets.iter().map(Socket::receive_buffer).min().unwrap_or(receive_buffer);
    if granted < receive_buffer {
        tracing::warn!(
            "receive buffers have {granted} bytes instead of {receive_buffer}: raise net.core.rmem_max with sysctl"
        );
    }
    Ok(sockets)
}

/// Rows about the time before this run: where the presences of a killed run stood, and the gap.
///
/// What such a run had spooled is still in the spool as far as its state does not tell of it,
/// because segments are sealed only after the state was saved.
fn past_rows(
    data: &Path,
    sensor: &str,
    before: Option<&State>,
    left: &[Segment],
    now: Micros,
) -> anyhow::Result<Vec<(&'static Table, RecordBatch)>> {
    use schema::{events, gaps, presences};
    let Some(before) = before else { return Ok(Vec::new()) };
    let mut rows = Vec::new();
    // The state is never further behind: what is later is of a clock that was ahead and has been set back.
    let bound = before.recorded_until + micros(before.config.sync_interval) + STEP;
    // Events are spooled in order of time: up to the last one nothing is missing.
    let last_event = latest(data, left, &events::TABLE, "ts", bound)?.map_or(0, |ts| ts + 1);
    let recorded = if before.stopped { before.recorded_until } else { before.recorded_until.max(last_event) };
    // A run that stopped in order has left nothing to say, unless it could not write.
    let known = latest(data, left, &presences::TABLE, "valid_to", bound)?.unwrap_or(0);
    let keyspace = before.config.keyspace(&before.seed)?;
    let from = known.max(before.presences_until);
    rows.push((&presences::TABLE, tables::presences(sensor, &keyspace, from, recorded)?));
    // A start that was itself interrupted may have noted a part of the gap.
    let start = recorded.max(latest(data, left, &gaps::TABLE, "gap_end", bound.max(now))?.unwrap_or(0));
    if start < now {
        let reason = if before.stopped { Reason::Stopped } else { Reason::Killed };
        rows.push((&gaps::TABLE, tables::gaps(sensor, &[Gap { start, end: now, reason }])?));
    }
    Ok(rows)
}

/// Steps of the clock that the run before has not written down as gaps.
fn untold_steps(
    data: &Path,
    before: Option<&State>,
    left: &[Segment],
    now: Micros,
) -> anyhow::Result<Vec<(Micros, Micros)>> {
    let mut steps = Vec::new();
    for &(start, end) in before.into_iter().flat_map(|before| &before.steps) {
        // Its state may not tell of what it wrote last.
        if latest(data, left, &schema::gaps::TABLE, "gap_start", start)? != Some(start) {
            // If the clock has been set back since, it was ahead.
            steps.push((start, if start < now { end.min(now) } else { end }));
        }
    }
    Ok(steps)
}

/// The latest time up to `bound` in `column` of the segments of `table`.
fn latest(
    data: &Path,
    left: &[Segment],
    table: &'static Table,
    column: &str,
    bound: Micros,
) -> anyhow::Result<Option<Micros>> {
    let mut latest = None;
    for segment in left.iter().filter(|segment| segment.table.name == table.name) {
        for batch in Batches::open(table, &segment.spool_path(data))? {
            latest = latest.max(timestamps(&batch?, column).iter().copied().filter(|&ts| ts <= bound).max());
        }
    }
    Ok(latest)
}

/// Reads one socket whenever there is something to read.
async fn listen(daemon: Rc<RefCell<Daemon>>, sockets: Rc<[Socket]>, socket: usize) {
    sockets[socket].attend(|| daemon.borrow_mut().read(socket)).await;
}

/// Everything that the receiving thread owns.
struct Daemon {
    antenna: Antenna,
    shell: Shell,
    keyspace: Keyspace,
    inbox: Inbox,
    /// From when on presences have not been written down.
    presences_from: Micros,
    /// When the last tick was.
    ticked: Micros,
    /// When the writer was last told to sync.
    flushed: Micros,
    /// Events handed over between then and the last sweep.
    swept: usize,
    /// When the counts of floods were last handed to the writer.
    floods_noted: Micros,
    /// When the good nodes were last saved.
    nodes_saved: Micros,
    metrics: Metrics,
    /// When metrics were measured last, and with what result.
    measured: Micros,
    measurement: Measurement,
    metrics_interval: Micros,
    /// None when nobody watches.
    watchdog: Option<Watchdog>,
    flush_interval: Micros,
    flush_rows: usize,
}

/// The antenna's outlets.
struct Shell {
    sockets: Rc<[Socket]>,
    outbox: Outbox,
    /// The socket that the packets in the outbox leave.
    sender: usize,
    events: Vec<Event>,
    /// Events handed over since the writer was last told to sync.
    handed: usize,
    sensor: String,
    writer: Writer,
    counters: SocketCounters,
}

impl Sink for Shell {
    fn send(&mut self, socket: usize, to: SocketAddr, packet: Packet<'_>) {
        if self.sender != socket {
            self.transmit();
            self.sender = socket;
        }
        self.outbox.push(to, packet);
    }

    fn record(&mut self, event: Event) {
        self.events.push(event);
        if self.events.len() >= BATCH {
            self.flush();
        }
    }
}

impl Shell {
    /// Sends what is in the outbox.
    fn transmit(&mut self) {
        self.sockets[self.sender].send(&mut self.outbox, &mut self.counters);
    }

    /// Hands the events so far to the writer.
    fn flush(&mut self) {
        if !self.events.is_empty() {
            self.handed += self.events.len();
            let events = std::mem::replace(&mut self.events, Vec::with_capacity(BATCH));
            self.writer.events(events);
        }
    }
}

impl Daemon {
    /// Takes what waits at a socket, but no more than its fair share: one batch. Says whether there may
    /// be more.
    fn read(&mut self, socket: usize) -> bool {
        let may_be_more = match self.shell.sockets[socket].receive(&mut self.inbox) {
            Ok(may_be_more) => may_be_more,
            Err(error) => return error.kind() != ErrorKind::WouldBlock,
        };
        let now = clock::now();
        self.take(now, socket, Micros::MAX);
        if self.shell.handed - self.swept >= SWEEP {
            self.hand_over(now, Job::Complete);
        }
        may_be_more
    }

    /// Takes everything that had arrived before `until` at any socket. At the end what came later is
    /// left out: it came after the end.
    fn sweep(&mut self, until: Micros, end: bool) {
        for socket in 0..self.shell.sockets.len() {
            while self.shell.sockets[socket].receive(&mut self.inbox).is_ok() {
                self.take(until, socket, if end { until } else { Micros::MAX });
                if self.inbox.datagrams().any(|(received, _)| received.ts.is_none_or(|ts| ts >= until)) {
                    break;
                }
            }
        }
    }

    /// Takes the datagrams in the inbox that arrived before `end` at `socket`, and sends the answers.
    fn take(&mut self, now: Micros, socket: usize, end: Micros) {
        self.inbox.datagrams().for_each(|(received, _)| self.antenna.expect(received.source));
        for (received, payload) in self.inbox.datagrams() {
            self.shell.counters.kernel_drops += u64::from(received.dropped);
            let ts = received.ts.unwrap_or(now);
            if ts < end {
                self.shell.counters.bytes_received += payload.len() as u64;
                let datagram = Datagram { ts, socket, source: received.source, payload, ttl: received.ttl };
                self.antenna.receive(now, &datagram, &mut self.shell);
            }
        }
        self.shell.transmit();
    }

    /// Hands over all rows before `now`, and tells the writer by the job that `say` makes.
    fn hand_over(&mut self, now: Micros, say: fn(Micros) -> Job) {
        self.sweep(now, false);
        self.shell.flush();
        self.swept = self.shell.handed;
        // If there is no room for it now, the next one says more.
        let _ = self.shell.writer.offer(say(now));
    }

    /// Everything that is due at `now`.
    fn tick(&mut self, now: Micros) {
        if (now - self.ticked).abs() <= STEP || self.note_step(self.ticked, now) {
            self.ticked = now;
        }
        self.antenna.tick(now, &mut self.shell);
        self.shell.transmit();
        let unsynced = self.shell.handed + self.shell.events.len();
        if unsynced >= self.flush_rows || (now - self.flushed).abs() >= self.flush_interval {
            self.hand_over(now, Job::Sync);
            (self.shell.handed, self.swept) = (0, 0);
            self.flushed = now;
        }
        if (now - self.floods_noted).abs() >= self.flush_interval {
            self.note_floods();
            self.floods_noted = now;
        }
        if (now - self.nodes_saved).abs() >= SAVE_NODES {
            // Without room for it now, the next tick tries again.
            let nodes = nodes_to_save(&self.antenna);
            if nodes.is_none_or(|job| self.shell.writer.offer(job)) {
                self.nodes_saved = now;
            }
        }
        if (now - self.measured).abs() >= self.metrics_interval {
            self.measure(now);
        }
        if let Some(watchdog) = &mut self.watchdog {
            watchdog.tick(Instant::now(), self.shell.writer.beats());
        }
        let hour = Hour::of(self.presences_from);
        if hour < Hour::of(now) && self.note_presences(hour.end(), hour.end()) {
            self.log("hour ended");
        }
    }

    /// Takes the deny list as it stands in its file now; a broken one changes nothing.
    fn read_deny_list(&mut self, config: &Config) {
        match config.deny_list() {
            Ok(deny) => {
                tracing::info!("the deny list has {} networks", deny.len());
                self.antenna.set_deny(deny);
            }
            Err(error) => tracing::warn!("{error}; the list that was read before stays in force"),
        }
    }

    /// Hands over the counts of floods; without room for them they wait.
    fn note_floods(&mut self) {
        let floods = self.antenna.floods().held();
        if floods.is_empty() {
            return;
        }
        match tables::floods(&self.shell.sensor, &floods) {
            Ok(batch) => {
                if self.shell.writer.offer(Job::Floods(batch)) {
                    self.antenna.floods().clear();
                }
            }
            Err(error) => tracing::error!("the rows of captured.floods cannot be built: {error}"),
        }
    }

    /// Hands over the rows of presences up to `until`; the next ones begin at `next`. Says whether the
    /// writer had room for them.
    fn note_presences(&mut self, until: Micros, next: Micros) -> bool {
        let Shell { writer, sensor, .. } = &self.shell;
        let offered = match tables::presences(sensor, &self.keyspace, self.presences_from, until) {
            Ok(batch) => writer.offer(Job::Presences(batch, next)),
            Err(error) => {
                tracing::error!("the rows of captured.presences cannot be built: {error}");
                true
            }
        };
        if offered {
            self.presences_from = next;
        }
        offered
    }

    /// Hands over what metrics say, and tells those who look at the service or debug it.
    fn measure(&mut self, now: Micros) {
        self.measured = now;
        self.shell.counters.kernel_drops += untold_drops(&self.shell.sockets);
        let Shell { writer, counters, .. } = &self.shell;
        let (antenna, rows) = (self.antenna.counters(), writer.counters());
        let measurement = self.metrics.measure(antenna, counters, &rows, self.antenna.nodes());
        let sample = measurement.since(&self.measurement);
        self.measurement = measurement;
        tracing::debug!("{sample:?}");
        service::status(&format!(
            "{:.1} events/s, {} since the start, {} lost; {} nodes",
            sample.events_per_second,
            antenna.events,
            counters.kernel_drops + rows.lost(),
            sample.active_connections
        ));
        // If there is no room for it now, the next one has its counts.
        let _ = writer.offer(Job::Metrics(now, measurement));
    }

    /// Writes down that no time has passed between `from` and `to`: no presences, and a gap if it seems to
    /// have. Says whether the writer had room for that.
    fn note_step(&mut self, from: Micros, to: Micros) -> bool {
        tracing::warn!(
            "the clock moved {} s at once: it was set, or the machine slept",
            (to - from) / SECOND
        );
        self.note_presences(from, to) && self.shell.writer.offer(Job::Step(from, to))
    }

    /// Says where everything went.
    fn log(&mut self, occasion: &str) {
        self.shell.counters.kernel_drops += untold_drops(&self.shell.sockets);
        log(occasion, &self.antenna, &self.shell.counters, &self.shell.writer.counters());
    }

    /// Writes down what arrived before this moment and ends.
    fn finish(mut self) -> anyhow::Result<()> {
        let until = clock::now();
        self.sweep(until, true);
        self.shell.flush();
        self.measure(until);
        service::status("sealing what was recorded");
        let Self { mut antenna, shell, keyspace, presences_from, .. } = self;
        let Shell { sockets, sensor, writer, mut counters, .. } = shell;
        counters.kernel_drops += untold_drops(&sockets);
        // From here on whoever sends us something is told that nobody listens.
        drop(sockets);
        tracing::info!("sealing what was recorded");
        let presences = tables::presences(&sensor, &keyspace, presences_from, until)?;
        let floods = tables::floods(&sensor, &antenna.floods().held())?;
        let mut last = vec![Job::Presences(presences, until), Job::Floods(floods)];
        last.extend(nodes_to_save(&antenna));
        last.push(Job::Stop(until));
        let rows = writer.finish(last)?;
        log("stopped", &antenna, &counters, &rows);
        Ok(())
    }
}

/// The good nodes as work for the writer. When there is none, those saved before are of more use.
fn nodes_to_save(antenna: &Antenna) -> Option<Job> {
    let nodes = antenna.good_nodes(saved::MOST);
    (!nodes.is_empty()).then_some(Job::Nodes(nodes))
}

fn log(occasion: &str, antenna: &Antenna, sockets: &SocketCounters, rows: &RowCounters) {
    let antenna_counters = antenna.counters();
    let line = counters::line(&[antenna_counters.list(), sockets.list(), rows.list()]);
    tracing::info!(
        "{occasion}: {line} unaccounted={} nodes={}",
        antenna_counters.unaccounted(),
        antenna.nodes()
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::HOUR;
    use crate::rows::{Rows, sample};
    use crate::state::sample::state;
    use crate::tables::sample::HERE;

    #[test]
    fn a_killed_run_ended_when_its_state_says_whatever_the_clock_said_before_it_was_set_back() {
        let data = tempfile::tempdir().expect("a folder");
        let killed = 500_000 * HOUR + 50 * MINUTE;
        let began = killed - 50 * MINUTE;
        let config = Config { ports: "1-2".parse().expect("ports"), rotate_share: 0.0, ..Config::default() };
        let keyspace = config.keyspace("seed").expect("a keyspace");
        // Two hours ahead in its first minute.
        let ahead = began + 2 * HOUR;
        let mut events = Rows::new(HERE);
        [ahead, began + MINUTE, killed].iter().for_each(|&ts| events.push(Event { ts, ..sample::event() }));
        let presences = tables::presences(HERE, &keyspace, ahead, ahead + MINUTE).expect("rows");
        let (mut spool, _) = Spool::open(data.path(), HERE).expect("opened");
        for (table, rows) in [(&schema::events::TABLE, events.take()), (&schema::presences::TABLE, presences)]
        {
            spool.append(table, &rows, killed).map_err(|(_, error)| error).expect("appended");
        }
        let left = spool.close_all().expect("closed");
        let before = State {
            recorded_until: killed - SECOND,
            presences_until: began + MINUTE,
            config,
            ..state(ahead)
        };
        // Early enough that the wrong times are still to come, and late enough that they are over.
        for now in [killed + HOUR, killed + 10 * HOUR] {
            let rows = past_rows(data.path(), HERE, Some(&before), &left, now).expect("rows");
            let times = |table: usize, column| timestamps(&rows[table].1, column).to_vec();
            assert_eq!(times(0, "valid_from"), [began + MINUTE; 2]);
            assert_eq!(times(0, "valid_to"), [killed + 1; 2]);
            assert_eq!((times(1, "gap_start"), times(1, "gap_end")), (vec![killed + 1], vec![now]));
        }
    }

    #[test]
    fn a_killed_run_leaves_the_steps_that_it_has_not_written_down() {
        let data = tempfile::tempdir().expect("a folder");
        let (mut spool, _) = Spool::open(data.path(), HERE).expect("opened");
        let written = tables::sample::gaps(&[10]);
        spool.append(&schema::gaps::TABLE, &written, 10).map_err(|(_, error)| error).expect("appended");
        let left = spool.close_all().expect("closed");
        let before = State { steps: vec![(10, 20), (30, 40), (50, 5000)], ..state(0) };
        let untold = |now| untold_steps(data.path(), Some(&before), &left, now).expect("steps");
        assert_eq!(untold(6000), [(30, 40), (50, 5000)]);
        assert_eq!(untold(100), [(30, 40), (50, 100)], "it was ahead");
        assert_eq!(untold(5), [(30, 40), (50, 5000)], "it is behind");
    }
}
