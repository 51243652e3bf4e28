//! What [`schema::system_metrics`] tells of the host and of this process.
//!
//! Counts come as totals since the start and leave as what was added since the last row that was written:
//! one that was lost, because the disk was full or the writer busy, has its counts in the next.

use crate::counters::{Counters, RowCounters, SocketCounters};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

/// One row without time and sensor; fields as the columns of [`schema::system_metrics`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[expect(missing_docs, reason = "the columns are documented where the table is declared")]
pub struct Sample {
    pub cpu_percent: f64,
    pub memory_percent: f64,
    pub memory_mb: Option<f64>,
    pub disk_usage_percent: Option<f64>,
    pub disk_free_gb: Option<f64>,
    pub network_bytes_sent: u64,
    pub network_bytes_recv: u64,
    pub open_files: Option<u32>,
    pub threads: Option<u32>,
    pub active_connections: u32,
    pub queue_size: u32,
    pub events_per_second: f64,
    pub kernel_drops: u64,
    pub queue_drops: u64,
    pub storage_drops: u64,
}

/// What was measured at one moment. The default is what it was at the start.
#[derive(Clone, Copy, Debug, Default)]
pub struct Measurement {
    /// Counts are those since the start.
    sample: Sample,
    /// Events received since the start.
    events: u64,
    /// Time since the start.
    elapsed: Duration,
}

impl Measurement {
    /// The row about the time since `before`.
    #[must_use]
    pub fn since(&self, before: &Self) -> Sample {
        let (now, then) = (&self.sample, &before.sample);
        let seconds = self.elapsed.saturating_sub(before.elapsed).as_secs_f64();
        Sample {
            network_bytes_sent: now.network_bytes_sent - then.network_bytes_sent,
            network_bytes_recv: now.network_bytes_recv - then.network_bytes_recv,
            events_per_second: (self.events - before.events) as f64 / seconds.max(f64::EPSILON),
            kernel_drops: now.kernel_drops - then.kernel_drops,
            queue_drops: now.queue_drops - then.queue_drops,
            storage_drops: now.storage_drops - then.storage_drops,
            ..*now
        }
    }
}

/// Measures the host and this process.
pub struct Metrics {
    system: System,
    process: Option<Pid>,
    data: PathBuf,
    start: Instant,
}

impl Metrics {
    /// Begins to measure; `data` is the root of the dataset.
    #[must_use]
    pub fn new(data: &Path) -> Self {
        let mut system = System::new();
        // Processor time is a difference: this is what the first row is compared with.
        system.refresh_cpu_usage();
        let process = sysinfo::get_current_pid().ok();
        Self { system, process, data: data.to_owned(), start: Instant::now() }
    }

    /// What is so now; `nodes` is the number of nodes in the routing tables.
    pub fn measure(
        &mut self,
        antenna: &Counters,
        sockets: &SocketCounters,
        rows: &RowCounters,
        nodes: usize,
    ) -> Measurement {
        self.system.refresh_cpu_usage();
        self.system.refresh_memory();
        if let Some(pid) = self.process {
            let kind = ProcessRefreshKind::nothing().with_memory().with_tasks();
            self.system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), true, kind);
        }
        let process = self.process.and_then(|pid| self.system.process(pid));
        let disk = Space::below(&self.data);
        let sample = Sample {
            cpu_percent: f64::from(self.system.global_cpu_usage()),
            memory_percent: percent(self.system.used_memory(), self.system.total_memory()),
            memory_mb: process.map(|process| process.memory() as f64 / 1e6),
            disk_usage_percent: disk.map(|disk| percent(disk.used, disk.used + disk.free)),
            disk_free_gb: disk.map(|disk| disk.free as f64 / 1e9),
            network_bytes_sent: sockets.bytes_sent,
            network_bytes_recv: sockets.bytes_received,
            open_files: process.and_then(sysinfo::Process::open_files).map(clamp),
            // The main thread is not among the tasks.
            threads: process.and_then(sysinfo::Process::tasks).map(|tasks| clamp(tasks.len() + 1)),
            active_connections: clamp(nodes),
            queue_size: clamp(antenna.events.saturating_sub(rows.settled()) as usize),
            events_per_second: 0.0,
            kernel_drops: sockets.kernel_drops,
            queue_drops: rows.lost_queue_full,
            storage_drops: rows.lost_storage,
        };
        Measurement { sample, events: antenna.events, elapsed: self.start.elapsed() }
    }
}

/// Space on a file system, bytes.
#[derive(Clone, Copy, Debug)]
pub struct Space {
    /// What files take up.
    pub used: u64,
    /// What this process may still use; there may be a reserve that only root may.
    pub free: u64,
}

impl Space {
    /// The space of the file system that `path` is on; none when it cannot be read.
    #[must_use]
    pub fn below(path: &Path) -> Option<Self> {
        let stat = nix::sys::statvfs::statvfs(path).ok()?;
        let bytes = |blocks: u64| blocks * stat.fragment_size();
        Some(Self {
            used: bytes(stat.blocks().saturating_sub(stat.blocks_free())),
            free: bytes(stat.blocks_available()),
        })
    }
}

fn percent(part: u64, whole: u64) -> f64 {
    100.0 * part as f64 / whole.max(1) as f64
}

fn clamp(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// Measurements for tests of what becomes of them.
#[cfg(test)]
pub(crate) mod sample {
    use super::*;

    /// One by which so many events were lost since the start because they could not be written.
    pub(crate) fn measurement(storage_drops: u64) -> Measurement {
        Measurement { sample: Sample { storage_drops, ..Sample::default() }, ..Measurement::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measure(metrics: &mut Metrics, events: u64, rows: RowCounters) -> Measurement {
        let antenna = Counters { events, ..Counters::default() };
        let sockets = SocketCounters { bytes_sent: 100 * events, ..SocketCounters::default() };
        metrics.measure(&antenna, &sockets, &rows, 5)
    }

    #[test]
    fn a_row_tells_what_was_added_since_the_one_it_follows() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut metrics = Metrics::new(folder.path());
        let first = measure(&mut metrics, 3, RowCounters::default());
        let lost = RowCounters { lost_queue_full: 1, lost_storage: 2, ..RowCounters::default() };
        let second = measure(&mut metrics, 7, lost);
        assert_eq!(first.since(&Measurement::default()).network_bytes_sent, 300);
        let row = second.since(&first);
        assert_eq!((row.network_bytes_sent, row.queue_drops, row.storage_drops), (400, 1, 2));
        assert_eq!(row.active_connections, 5);
        let seconds = (second.elapsed - first.elapsed).as_secs_f64();
        assert_eq!(row.events_per_second, 4.0 / seconds);
    }

    #[test]
    fn the_process_is_this_one_and_the_disk_the_one_of_the_dataset() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut metrics = Metrics::new(folder.path());
        let status = std::fs::read_to_string("/proc/self/status").expect("a status");
        let field = |name| status.lines().find_map(|line| line.strip_prefix(name)).expect("a field").trim();
        let sample = measure(&mut metrics, 0, RowCounters::default()).sample;
        let resident: f64 = field("VmRSS:").trim_end_matches(" kB").parse().expect("a number");
        let told = sample.memory_mb.expect("readable") * 1e6 / 1024.0;
        assert!((0.5..2.0).contains(&(told / resident)), "{told} instead of {resident} kB");
        assert!((0.0..=100.0).contains(&sample.cpu_percent) && (0.0..100.0).contains(&sample.memory_percent));
        assert!(sample.threads.is_some_and(|threads| threads >= 1) && sample.open_files.is_some());
        assert!(sample.disk_free_gb.is_some() && sample.disk_usage_percent.is_some_and(|used| used <= 100.0));
        metrics.data = "/nowhere".into();
        assert_eq!(measure(&mut metrics, 0, RowCounters::default()).sample.disk_free_gb, None);
    }

    #[test]
    fn the_queue_is_what_was_received_and_has_no_fate_yet() {
        let folder = tempfile::tempdir().expect("a folder");
        let rows = RowCounters { recorded: 4, lost_queue_full: 2, lost_storage: 1, ..RowCounters::default() };
        assert_eq!(measure(&mut Metrics::new(folder.path()), 10, rows).sample.queue_size, 3);
    }
}
