//! A world into hourly partitions, through the daemon's own rows, spool and sealing.

use super::networks::{Network, network_of};
use super::query::{Caller, Query};
use super::stage::Received;
use super::{SENSOR, World};
use anyhow::{Context, Result, bail};
use arrow_array::{ArrayRef, RecordBatch, StringArray, UInt32Array};
use capture::geo::Geo;
use capture::partition::seal;
use capture::rows::Rows;
use capture::spool::Spool;
use capture::tables::{self, Gap, Reason};
use schema::partition::Hour;
use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
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
    let (spool, left) = Spool::open(data, SENSOR)?;
    if !left.is_empty() {
        bail!(
            "{} holds unsealed rows: name a folder without a dataset",
            capture::spool::folder(data, SENSOR).display()
        );
    }
    let spool = Mutex::new(spool);
    let hours: Vec<_> = world.hours().collect();
    let (next, events) = (AtomicU64::new(0), AtomicU64::new(0));
    let work = || -> Result<()> {
        while let Some(&hour) = hours.get(next.fetch_add(1, Ordering::Relaxed) as usize) {
            let received = world.hour(hour);
            events.fetch_add(received.queries.len() as u64, Ordering::Relaxed);
            write_hour(world, data, &spool, hour, &received)?;
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

fn write_hour(
    world: &World,
    data: &Path,
    spool: &Mutex<Spool>,
    hour: Hour,
    received: &Received,
) -> Result<()> {
    let recorded = world.recorded(hour.start()..hour.end());
    let segments = {
        let mut spool = spool.lock().ok().context("another thread gave up on the spool")?;
        let mut append =
            |table, batch: &RecordBatch, first| spool.append(table, batch, first).map_err(|(_, error)| error);
        let first = received.queries.first().map_or(hour.start(), |query| query.ts);
        for queries in received.queries.chunks(BATCH) {
            append(&schema::events::TABLE, &events(world, &received.callers, queries)?, first)?;
        }
        for part in recorded {
            let presences = tables::presences(SENSOR, &world.keyspace, part.start, part.end)?;
            append(&schema::presences::TABLE, &presences, hour.start())?;
        }
        for (number, outage) in world.outages.iter().enumerate() {
            if Hour::of(outage.start) == hour {
                let reason = if number % 2 == 0 { Reason::Stopped } else { Reason::Killed };
                let gap = Gap { start: outage.start, end: outage.end, reason };
                append(&schema::gaps::TABLE, &tables::gaps(SENSOR, &[gap])?, outage.start)?;
            }
        }
        spool.close_all()?
    };
    for segment in segments {
        seal(data, &segment, &mut Geo::default())?;
    }
    Ok(())
}

/// The rows of `queries`, with the origin that a sensor would find in its geo files.
fn events(world: &World, callers: &[Caller], queries: &[Query]) -> Result<RecordBatch> {
    let mut rows = Rows::new(SENSOR);
    let mut datagram = Vec::new();
    let caller = |query: &Query| &callers[query.caller as usize];
    for query in queries {
        rows.push(query.event(caller(query), &world.keyspace, &mut datagram));
    }
    let batch = rows.take();
    let origins = || queries.iter().map(|query| network_of(caller(query).address.ip()));
    let known: [(&str, ArrayRef); 3] = [
        ("asn", Arc::new(UInt32Array::from_iter_values(origins().map(|network| network.asn)))),
        ("as_organization", Arc::new(StringArray::from_iter_values(origins().map(Network::organization)))),
        ("country", Arc::new(StringArray::from_iter_values(origins().map(|network| network.country)))),
    ];
    let mut columns = batch.columns().to_vec();
    for (name, column) in known {
        columns[batch.schema().index_of(name)?] = column;
    }
    Ok(RecordBatch::try_new(batch.schema(), columns)?)
}
