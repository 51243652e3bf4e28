//! What a query costs the antenna, held against a bare echo and against libtorrent.
//!
//! `cargo bench -p capture` sends the same queries from 32,768 addresses of 127.0.0.0/8 to several
//! programs in turn, each a process of its own: a bare echo and `capture run` on the same 208 sockets,
//! and a libtorrent session with its own limits out of the way, once on one socket, as libtorrent is
//! used and costs least, and once on 208. They take turns several times, so that whatever else the
//! machine does meets all of them. It prints one line a figure:
//! `bench NAME VALUE UNIT ratio R vs REFERENCE`. CPU time is that of all threads: decoding, answering,
//! spool and Parquet are in the antenna's, from its start to its end. At the end more is sent than the
//! antenna can take, and everything must be found again, in a table or in a counter, in bounded memory.
//!
//! Nothing leaves the host, and every phase has a deadline.

mod child;
mod crowd;
mod echo;

use anyhow::{Context as _, ensure};
use child::{Child, Log};
use crowd::{Crowd, Run};
use std::net::Ipv4Addr;
use std::ops::RangeInclusive;

/// Where the programs listen: 208 sockets, away from the ports of real clients.
const HOST: Ipv4Addr = Ipv4Addr::new(127, 83, 0, 1);
const PORTS: RangeInclusive<u16> = 31_000..=31_207;
/// What a libtorrent node has: one socket.
const PORT: RangeInclusive<u16> = 31_000..=31_000;
/// Turns of each program.
const TURNS: u32 = 4;
/// Queries in a turn: a second or two of them.
const QUERIES: u64 = 100_000;
/// Queries of the overload: far more than all receive buffers hold.
const FLOOD: u64 = 600_000;
/// Receive buffer of the antenna at overload, bytes: a small one shows drops sooner.
const SMALL_BUFFER: &str = "65536";
/// Memory that the antenna may have resident at overload, the sealing of what it recorded among it, MiB.
const MOST_RESIDENT: f64 = 96.0;
/// Queries per second that mldht is published to answer on one core.
const MLDHT: f64 = 20_000.0;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.iter().any(|argument| argument == echo::ARGUMENT) {
        return echo::serve(HOST, PORTS);
    }
    // `cargo test` runs benches too, without this flag, and has no time for them.
    if arguments.iter().any(|argument| argument == "--bench") {
        measure()?;
        overload()?;
    }
    Ok(())
}

/// What the conversations with one program came to.
#[derive(Default)]
struct Figures {
    sent: u64,
    answered: u64,
    seconds: f64,
    cpu: f64,
}

impl Figures {
    /// Adds a conversation that took the program `cpu` seconds.
    fn add(&mut self, run: &Run, cpu: f64) {
        self.sent += run.sent;
        self.answered += run.answered;
        self.seconds += run.elapsed.as_secs_f64();
        self.cpu += cpu;
    }

    /// Adds a turn of libtorrent, without the CPU time that Python took to start.
    fn add_libtorrent(&mut self, crowd: &mut Crowd, child: Child) -> anyhow::Result<()> {
        let run = crowd.converse(QUERIES)?;
        let log = child.stop()?.log.context("libtorrent has no log")?;
        self.add(&run, log.get("cpu_us")? as f64 / 1e6);
        Ok(())
    }

    /// Microseconds of CPU for an answered query.
    fn cost(&self) -> f64 {
        1e6 * self.cpu / self.answered as f64
    }

    /// Answers per second of CPU.
    fn per_core(&self) -> f64 {
        self.answered as f64 / self.cpu
    }

    /// Answers per second.
    fn rate(&self) -> f64 {
        self.answered as f64 / self.seconds
    }
}

/// The same queries to all programs.
fn measure() -> anyhow::Result<()> {
    let python = child::python()?;
    let mut crowd = Crowd::new(HOST, PORTS)?;
    let mut crowd_of_one = Crowd::new(HOST, PORT)?;
    let [mut echo, mut antenna, mut libtorrent, mut libtorrent_208]: [Figures; 4] = Default::default();
    for _ in 0..TURNS {
        let child = Child::echo()?;
        let run = crowd.converse(QUERIES)?;
        echo.add(&run, child.stop()?.cpu);

        let child = Child::antenna(HOST, PORTS, &[])?;
        let run = crowd.converse(QUERIES)?;
        let data = child.data();
        let ended = child.stop()?;
        let log = ended.log.context("the antenna has no log")?;
        let recorded = log.get("recorded")?;
        ensure!(child::rows(data.path())? == recorded, "the files and the counters differ");
        ensure!(recorded == run.sent, "{recorded} of {} are recorded", run.sent);
        check(&log)?;
        antenna.add(&run, ended.cpu);

        libtorrent.add_libtorrent(&mut crowd_of_one, Child::libtorrent(&python, HOST, PORT)?)?;
        libtorrent_208.add_libtorrent(&mut crowd, Child::libtorrent(&python, HOST, PORTS)?)?;
    }

    let programs = [
        ("echo", &echo),
        ("capture", &antenna),
        ("libtorrent", &libtorrent),
        ("libtorrent_208_sockets", &libtorrent_208),
    ];
    for (name, figures) in programs {
        let ratio = |figure: fn(&Figures) -> f64| figure(figures) / figure(&echo);
        line(&format!("{name}_cpu"), figures.cost(), "us/query", ratio(Figures::cost), "echo");
        line(&format!("{name}_core"), figures.per_core(), "queries/CPU-s", ratio(Figures::per_core), "echo");
        line(&format!("{name}_rate"), figures.rate(), "packets/s", ratio(Figures::rate), "echo");
        let answered = figures.answered as f64;
        line(&format!("{name}_answered"), answered, "packets", answered / figures.sent as f64, "sent");
    }
    let (core, rate) = (antenna.per_core(), antenna.rate());
    for (name, other) in [("libtorrent", &libtorrent), ("libtorrent_208_sockets", &libtorrent_208)] {
        line("capture_core", core, "queries/CPU-s", core / other.per_core(), name);
        line("capture_rate", rate, "packets/s", rate / other.rate(), name);
    }
    line("capture_core", core, "queries/CPU-s", core / MLDHT, "mldht");
    line("capture_rate", rate, "packets/s", rate / MLDHT, "mldht");
    Ok(())
}

/// More than can be taken: nothing may be lost without being counted.
fn overload() -> anyhow::Result<()> {
    let mut crowd = Crowd::new(HOST, PORTS)?;
    let antenna = Child::antenna(HOST, PORTS, &["--receive-buffer", SMALL_BUFFER])?;
    let sent = crowd.flood(FLOOD)?;
    let data = antenna.data();
    let ended = antenna.stop()?;
    let log = ended.log.context("the antenna has no log")?;
    let (recorded, dropped) = (log.get("recorded")?, log.get("kernel_drops")?);
    let lost = log.get("lost_queue_full")? + log.get("lost_storage")?;
    line("overload_recorded", recorded as f64, "packets", recorded as f64 / sent as f64, "sent");
    line(
        "overload_counted_drops",
        (dropped + lost) as f64,
        "packets",
        (dropped + lost) as f64 / sent as f64,
        "sent",
    );
    let found = recorded + dropped + lost;
    line("overload_accounted", found as f64, "packets", found as f64 / sent as f64, "sent");
    line("overload_resident", ended.resident, "MiB", ended.resident / MOST_RESIDENT, "limit");
    ensure!(ended.resident <= MOST_RESIDENT, "it held {:.1} MiB", ended.resident);
    ensure!(child::rows(data.path())? == recorded, "the files and the counters differ");
    ensure!(found == sent, "{sent} were sent, {found} are recorded or counted: {log}");
    check(&log)
}

/// The sum that must hold in every log.
fn check(log: &Log) -> anyhow::Result<()> {
    let rows = log.get("recorded")? + log.get("lost_queue_full")? + log.get("lost_storage")?;
    ensure!(log.get("events")? == rows, "rows are missing: {log}");
    ensure!(log.get("unaccounted")? == 0, "datagrams are missing: {log}");
    Ok(())
}

fn line(name: &str, value: f64, unit: &str, ratio: f64, reference: &str) {
    let digits = if value < 1000.0 { 2 } else { 0 };
    println!("bench {name} {value:.digits$} {unit} ratio {ratio:.3} vs {reference}");
}
