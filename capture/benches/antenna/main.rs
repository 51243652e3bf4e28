//! What a query costs the antenna, held against a program that does nothing but echo.
//!
//! `cargo bench -p capture` sends the same queries from 32,768 addresses of 127.0.0.0/8 first to a
//! bare echo and then to `capture run`, each a process of its own on the same 208 sockets, and prints
//! one line a figure: `bench NAME VALUE UNIT ratio R vs REFERENCE`. CPU time is that of the whole
//! process from start to end: decoding, answering, spool and Parquet are in it. At the end more is
//! sent than the antenna can take, and everything must be found again: in a table or in a counter.
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

/// Where both programs listen: 208 sockets, away from the ports of real clients.
const HOST: Ipv4Addr = Ipv4Addr::new(127, 83, 0, 1);
const PORTS: RangeInclusive<u16> = 31_000..=31_207;
/// Queries of the measurement: some seconds of them.
const QUERIES: u64 = 300_000;
/// Queries of the overload: far more than all receive buffers hold.
const FLOOD: u64 = 600_000;
/// Receive buffer of the antenna at overload, bytes: a small one shows drops sooner.
const SMALL_BUFFER: &str = "65536";
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

/// The same queries to the echo and to the antenna.
fn measure() -> anyhow::Result<()> {
    let mut crowd = Crowd::new(HOST, PORTS)?;
    let echo = Child::echo()?;
    let bare = crowd.converse(QUERIES)?;
    let bare_cpu = echo.stop()?.0;
    let antenna = Child::antenna(HOST, PORTS, &[])?;
    let run = crowd.converse(QUERIES)?;
    let rows_in = antenna.data();
    let (cpu, log) = antenna.stop()?;
    let log = log.context("the antenna has no log")?;
    ensure!(child::rows(rows_in.path())? == log.get("recorded")?, "the files and the counters differ");
    ensure!(log.get("recorded")? == run.sent, "{} of {} are recorded", log.get("recorded")?, run.sent);
    check(&log)?;

    let per_query = |cpu: f64, run: &Run| 1e6 * cpu / run.sent as f64;
    line("echo_cpu", per_query(bare_cpu, &bare), "us/query", 1.0, "echo");
    let ratio = per_query(cpu, &run) / per_query(bare_cpu, &bare);
    line("capture_cpu", per_query(cpu, &run), "us/query", ratio, "echo");
    line("echo_rate", bare.rate(), "packets/s", 1.0, "echo");
    line("capture_rate", run.rate(), "packets/s", run.rate() / bare.rate(), "echo");
    line("capture_rate_mldht", run.rate(), "packets/s", run.rate() / MLDHT, "mldht");
    let core = QUERIES as f64 / cpu;
    line("capture_core", core, "queries/s of CPU", core / MLDHT, "mldht");
    line("answered", run.answered as f64, "packets", run.answered as f64 / run.sent as f64, "sent");
    Ok(())
}

/// More than can be taken: nothing may be lost without being counted.
fn overload() -> anyhow::Result<()> {
    let mut crowd = Crowd::new(HOST, PORTS)?;
    let antenna = Child::antenna(HOST, PORTS, &["--receive-buffer", SMALL_BUFFER])?;
    let sent = crowd.flood(FLOOD)?;
    let data = antenna.data();
    let log = antenna.stop()?.1.context("the antenna has no log")?;
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
    let digits = if value < 100.0 { 2 } else { 0 };
    println!("bench {name} {value:.digits$} {unit} ratio {ratio:.3} vs {reference}");
}
