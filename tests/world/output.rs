//! A world into hourly partitions, through the daemon's own files.

use super::rows::Rows;
use super::stage::Received;
use super::{Micros, SECOND, SENSOR, World, metrics};
use anyhow::{Result, bail};
use arrow_array::RecordBatch;
use capture::partition::PartitionFile;
use capture::spool::Segment;
use capture::tables::{self, Gap, Reason};
use schema::Table;
use schema::partition::{FileName, Hour};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// Rows in a batch: what is held in memory besides the hour's queries.
const BATCH: usize = 1 << 16;

/// Writes the captured tables of `world` below `data` and returns the number of events. The hours are
/// shared among the processors; what comes out does not depend on it.
///
/// # Errors
/// When `data` holds captured files already, or a file cannot be written.
pub fn write(world: &World, data: &Path) -> Result<u64> {
    let captured = data.join(schema::partition::CAPTURED);
    if captured.exists() {
        bail!("{} exists: name a folder without a dataset, or remove it first", captured.display());
    }
    let hours: Vec<_> = world.hours().collect();
    let (next, events) = (AtomicU64::new(0), AtomicU64::new(0));
    let work = || -> Result<()> {
        while let Some(&hour) = hours.get(next.fetch_add(1, Ordering::Relaxed) as usize) {
            let received = world.hour(hour);
            events.fetch_add(received.queries.len() as u64, Ordering::Relaxed);
            write_hour(world, data, hour, &received)?;
        }
        Ok(())
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers
            .into_iter()
            .try_for_each(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })?;
    Ok(events.into_inner())
}

fn write_hour(world: &World, data: &Path, hour: Hour, received: &Received) -> Result<()> {
    let begin = |table: &'static Table, first: Micros| {
        let name = FileName { sensor: SENSOR.to_owned(), start: first.div_euclid(SECOND), part: 0 };
        // What can be made again need not survive a crash; the file would sync folders that it creates.
        std::fs::create_dir_all(data.join(hour.folder(table.name)))?;
        anyhow::Ok(PartitionFile::create(data, &Segment { table, hour, name })?)
    };
    let write = |table, first, rows: &[RecordBatch]| -> Result<()> {
        if !rows.is_empty() {
            let mut file = begin(table, first)?;
            rows.iter().try_for_each(|rows| file.write(rows))?;
            file.finish_unsynced()?;
        }
        Ok(())
    };
    let mut rows = Rows::new(&world.keyspace, &received.callers);
    if let Some(first) = received.queries.first() {
        let mut file = begin(&schema::events::TABLE, first.ts)?;
        for queries in received.queries.chunks(BATCH) {
            file.write(&rows.take(queries))?;
        }
        file.finish_unsynced()?;
    }
    let presences: Vec<_> = world
        .recorded(hour.start()..hour.end())
        .into_iter()
        .map(|part| tables::presences(SENSOR, &world.keyspace, part.start, part.end))
        .collect::<Result<_, _>>()?;
    write(&schema::presences::TABLE, hour.start(), &presences)?;
    let metrics = metrics::rows(world, hour, &received.queries, &mut rows)?;
    write(&schema::system_metrics::TABLE, hour.start(), metrics.as_slice())?;
    let outages = world.outages.iter().enumerate().filter(|(_, outage)| Hour::of(outage.start) == hour);
    let gaps: Vec<_> = outages
        .map(|(number, outage)| {
            let reason = if number % 2 == 0 { Reason::Stopped } else { Reason::Killed };
            Gap { start: outage.start, end: outage.end, reason }
        })
        .collect();
    if let [first, ..] = &gaps[..] {
        write(&schema::gaps::TABLE, first.start, &[tables::gaps(SENSOR, &gaps)?])?;
    }
    Ok(())
}
