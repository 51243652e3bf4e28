//! What [`schema::system_metrics`] tells of the host and of this process.
//!
//! Counts come as totals since the start and leave as what was added since the row before. A row
//! that found no room in the writer's queue is measured again: its counts are in the next one.

use crate::counters::{Counters, RowCounters, SocketCounters};
use std::path::{Path, PathBuf};
use std::time::Instant;
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

/// What has been counted since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    events: u64,
    unsettled: u64,
    bytes_sent: u64,
    bytes_received: u64,
    kernel_drops: u64,
    queue_drops: u64,
    storage_drops: u64,
}

impl Totals {
    /// The part of the counters that the table has.
    #[must_use]
    pub fn new(antenna: &Counters, sockets: &SocketCounters, rows: &RowCounters) -> Self {
        Self {
            events: antenna.events,
            unsettled: antenna.events.saturating_sub(rows.settled()),
            bytes_sent: sockets.bytes_sent,
            bytes_received: sockets.bytes_received,
            kernel_drops: sockets.kernel_drops,
            queue_drops: rows.lost_queue_full,
            storage_drops: rows.lost_storage,
        }
    }
}

/// One row without time and sensor; fields as the columns of [`schema::system_metrics`].
#[derive(Clone, Debug, PartialEq)]
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

/// Measures the host and this process, and remembers what was told before.
pub struct Metrics {
    system: System,
    process: Option<Pid>,
    data: PathBuf,
    /// What rows have told of so far, and up to when.
    told: Totals,
    until: Instant,
}

impl Metrics {
    /// Begins to measure; `data` is the root of the dataset.
    #[must_use]
    pub fn new(data: &Path) -> Self {
        let mut system = System::new();
        // Processor time is a difference: this is what the first row is compared with.
        system.refresh_cpu_usage();
        let process = sysinfo::get_current_pid().ok();
        Self { system, process, data: data.to_owned(), told: Totals::default(), until: Instant::now() }
    }

    /// Everything since [`Metrics::tell`]; `nodes` is the number of nodes in the routing tables.
    pub fn sample(&mut self, totals: &Totals, nodes: usize) -> Sample {
        self.system.refresh_cpu_usage();
        self.system.refresh_memory();
        if let Some(pid) = self.process {
            let kind = ProcessRefreshKind::nothing().with_memory().with_tasks();
            self.system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), true, kind);
        }
        let process = self.process.and_then(|pid| self.system.process(pid));
        let disk = Space::below(&self.data);
        let events = totals.events - self.told.events;
        Sample {
            cpu_percent: f64::from(self.system.global_cpu_usage()),
            memory_percent: percent(self.system.used_memory(), self.system.total_memory()),
            memory_mb: process.map(|process| process.memory() as f64 / 1e6),
            disk_usage_percent: disk.map(|disk| percent(disk.used, disk.used + disk.free)),
            disk_free_gb: disk.map(|disk| disk.free as f64 / 1e9),
            network_bytes_sent: totals.bytes_sent - self.told.bytes_sent,
            network_bytes_recv: totals.bytes_received - self.told.bytes_received,
            open_files: process.and_then(sysinfo::Process::open_files).map(clamp),
            // The main thread is not among the tasks.
            threads: process.and_then(sysinfo::Process::tasks).map(|tasks| clamp(tasks.len() + 1)),
            active_connections: clamp(nodes),
            queue_size: clamp(totals.unsettled as usize),
            events_per_second: events as f64 / self.until.elapsed().as_secs_f64().max(f64::EPSILON),
            kernel_drops: totals.kernel_drops - self.told.kernel_drops,
            queue_drops: totals.queue_drops - self.told.queue_drops,
            storage_drops: totals.storage_drops - self.told.storage_drops,
        }
    }

    /// A row has told of everything up to `totals`.
    pub fn tell(&mut self, totals: Totals) {
        self.told = totals;
        self.until = Instant::now();
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

#[cfg(test)]
mod tests {
    use super::*;

    fn totals(events: u64) -> Totals {
        Totals { events, bytes_sent: 100 * events, ..Totals::default() }
    }

    #[test]
    fn a_row_tells_what_was_added_since_the_last_one_that_was_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut metrics = Metrics::new(folder.path());
        assert_eq!(metrics.sample(&totals(2), 0).network_bytes_sent, 200);
        assert_eq!(metrics.sample(&totals(3), 0).network_bytes_sent, 300, "the row before was not kept");
        metrics.tell(totals(3));
        let sample = metrics.sample(&totals(7), 5);
        assert_eq!((sample.network_bytes_sent, sample.active_connections), (400, 5));
        assert!(sample.events_per_second > 0.0);
    }

    #[test]
    fn the_process_is_this_one_and_the_disk_the_one_of_the_dataset() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut metrics = Metrics::new(folder.path());
        let status = std::fs::read_to_string("/proc/self/status").expect("a status");
        let field = |name| status.lines().find_map(|line| line.strip_prefix(name)).expect("a field").trim();
        let sample = metrics.sample(&Totals::default(), 0);
        let resident: f64 = field("VmRSS:").trim_end_matches(" kB").parse().expect("a number");
        let told = sample.memory_mb.expect("readable") * 1e6 / 1024.0;
        assert!((0.5..2.0).contains(&(told / resident)), "{told} instead of {resident} kB");
        assert!((0.0..=100.0).contains(&sample.cpu_percent) && (0.0..100.0).contains(&sample.memory_percent));
        assert!(sample.threads.is_some_and(|threads| threads >= 1) && sample.open_files.is_some());
        assert!(sample.disk_free_gb.is_some() && sample.disk_usage_percent.is_some_and(|used| used <= 100.0));
        metrics.data = "/nowhere".into();
        assert_eq!(metrics.sample(&Totals::default(), 0).disk_free_gb, None);
    }

    #[test]
    fn the_queue_is_what_was_received_and_has_no_fate_yet() {
        let antenna = Counters { events: 10, ..Counters::default() };
        let rows = RowCounters { recorded: 4, lost_queue_full: 2, lost_storage: 1, ..RowCounters::default() };
        let totals = Totals::new(&antenna, &SocketCounters::default(), &rows);
        assert_eq!(totals.unsettled, 3);
    }
}
