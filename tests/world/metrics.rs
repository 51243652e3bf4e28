//! What the sensor says of itself and its host: `captured.system_metrics` of the last day.
//!
//! Datagrams and bytes received are those of the world. The rest is made up, since there is no host: a
//! small server with 2 GB of memory and a disk of 40 GB, on which little else runs.

use super::World;
use super::query::Query;
use super::rows::Rows;
use super::{MINUTE, SECOND, SENSOR};
use anyhow::Result;
use arrow_array::RecordBatch;
use capture::merge::merge;
use capture::metrics::Sample;
use capture::tables;
use schema::partition::{DAY, HOUR, Hour};

/// Bytes that an event takes on disk (README, "Storage").
const STORED: f64 = 27.0;
/// Bytes that are free on the disk when the world begins, and how large it is.
const FREE: f64 = 30e9;
const DISK: f64 = 40e9;
/// Sent for a byte received: an answer is two to three times as long as its query.
const ANSWER: u64 = 2;

/// The rows of `hour`, one a minute; none before the last day, and none while nothing is recorded.
///
/// # Errors
/// When the columns differ from those of [`schema::system_metrics::TABLE`].
pub fn rows(
    world: &World,
    hour: Hour,
    queries: &[Query],
    lengths: &mut Rows<'_>,
) -> Result<Option<RecordBatch>> {
    let time = world.time();
    if hour.start() < time.end - DAY {
        return Ok(None);
    }
    let mut batches = Vec::new();
    for start in (hour.start()..hour.end()).step_by(MINUTE as usize) {
        let end = start + MINUTE;
        if world.recorded(start..end) != [start..end] {
            continue;
        }
        let of_minute = queries.partition_point(|query| query.ts < start)
            ..queries.partition_point(|query| query.ts < end);
        let of_minute = &queries[of_minute];
        let received: u64 = of_minute.iter().map(|query| u64::from(lengths.length(query))).sum();
        let rate = of_minute.len() as f64 / (MINUTE / SECOND) as f64;
        let chance = world.chance.named("host").of(start as u64);
        // As if every hour before had been like this one.
        let hours = ((end - time.start) / HOUR) as f64;
        let free = FREE - STORED * hours * queries.len() as f64;
        let presences = u32::from(world.keyspace.presences());
        let sample = Sample {
            cpu_percent: 1.0 + 2.0 * chance.of(0).unit() + rate / 100.0,
            memory_percent: 21.0 + chance.of(1).unit(),
            memory_mb: Some(10.4 + 0.2 * chance.of(2).unit()),
            disk_usage_percent: Some(100.0 * (1.0 - free / DISK)),
            disk_free_gb: Some(free / 1e9),
            network_bytes_sent: ANSWER * received,
            network_bytes_recv: received,
            open_files: Some(presences + 20),
            threads: Some(3),
            active_connections: presences * 12 + chance.of(3).below(u64::from(presences)) as u32,
            queue_size: 0,
            events_per_second: rate,
            kernel_drops: 0,
            queue_drops: 0,
            storage_drops: 0,
        };
        batches.push(tables::system_metrics(SENSOR, end - 1, &sample)?);
    }
    let rows = (!batches.is_empty()).then(|| merge(&schema::system_metrics::TABLE, &batches));
    Ok(rows.transpose()?)
}
