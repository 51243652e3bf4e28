//! Rows of the small captured tables: presences, gaps, floods and system metrics.

use crate::clock::Micros;
use crate::floods::Flood;
use crate::keyspace::Keyspace;
use crate::krpc::Method;
use crate::metrics::Sample;
use crate::secret::mapped;
use arrow_array::builder::FixedSizeBinaryBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::UInt32Type;
use arrow_array::{
    ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray, UInt16Array,
    UInt32Array,
};
use arrow_schema::ArrowError;
use schema::partition::Hour;
use std::sync::Arc;

/// Why a sensor was not recording; see [`schema::gaps`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It was asked to stop.
    Stopped,
    /// It ended without a goodbye.
    Killed,
    /// It could not write.
    Storage,
    /// The clock was set ahead, or the machine slept.
    Clock,
}

impl Reason {
    fn as_str(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Killed => "killed",
            Self::Storage => "storage",
            Self::Clock => "clock",
        }
    }
}

/// Every presence with every id it had from `from` to `to`, one row for each hour it touches.
///
/// # Errors
/// When the columns differ from those of [`schema::presences::TABLE`].
pub fn presences(
    sensor: &str,
    keyspace: &Keyspace,
    from: Micros,
    to: Micros,
) -> Result<RecordBatch, ArrowError> {
    let mut stretches = Vec::new();
    let mut start = from;
    while start < to {
        let end = Hour::of(start).end().min(to);
        stretches.extend(keyspace.stretches(start, end));
        start = end;
    }
    let mut node_id = FixedSizeBinaryBuilder::new(20);
    let mut local_ip = FixedSizeBinaryBuilder::new(16);
    for stretch in &stretches {
        node_id.append_value(stretch.id.get().0)?;
        local_ip.append_value(mapped(keyspace.sockets()[keyspace.socket_of(stretch.presence)].ip()))?;
    }
    let ports = stretches.iter().map(|s| keyspace.sockets()[keyspace.socket_of(s.presence)].port());
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(std::iter::repeat_n(sensor, stretches.len()))),
        Arc::new(UInt16Array::from_iter_values(stretches.iter().map(|s| s.presence))),
        Arc::new(node_id.finish()),
        Arc::new(local_ip.finish()),
        Arc::new(UInt16Array::from_iter_values(ports)),
        timestamps(stretches.iter().map(|s| s.from)),
        timestamps(stretches.iter().map(|s| s.to)),
    ];
    RecordBatch::try_new(schema::presences::TABLE.arrow(), columns)
}

/// A time in which a sensor was not recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The last moment that is known to be recorded.
    pub start: Micros,
    /// The first moment that is recorded again.
    pub end: Micros,
    /// Why.
    pub reason: Reason,
}

/// The rows of `gaps`.
///
/// # Errors
/// When the columns differ from those of [`schema::gaps::TABLE`].
pub fn gaps(sensor: &str, gaps: &[Gap]) -> Result<RecordBatch, ArrowError> {
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(gaps.iter().map(|_| sensor))),
        timestamps(gaps.iter().map(|gap| gap.start)),
        timestamps(gaps.iter().map(|gap| gap.end)),
        Arc::new(StringArray::from_iter_values(gaps.iter().map(|gap| gap.reason.as_str()))),
    ];
    RecordBatch::try_new(schema::gaps::TABLE.arrow(), columns)
}

/// The rows of `floods`.
///
/// # Errors
/// When the columns differ from those of [`schema::floods::TABLE`].
pub fn floods(sensor: &str, floods: &[Flood]) -> Result<RecordBatch, ArrowError> {
    let mut sources = FixedSizeBinaryBuilder::new(16);
    for flood in floods {
        sources.append_value(mapped(flood.source))?;
    }
    let method = |flood: &Flood| (flood.method != Method::Garbage).then_some(flood.method.as_str());
    let columns: Vec<ArrayRef> = vec![
        timestamps(floods.iter().map(|flood| flood.minute)),
        Arc::new(sources.finish()),
        Arc::new(floods.iter().map(method).collect::<StringArray>()),
        Arc::new(UInt32Array::from_iter_values(floods.iter().map(|flood| flood.count))),
        Arc::new(StringArray::from_iter_values(floods.iter().map(|_| sensor))),
    ];
    RecordBatch::try_new(schema::floods::TABLE.arrow(), columns)
}

/// How many datagrams each row of [`floods`] stands for.
#[must_use]
pub fn counts(floods: &RecordBatch) -> &[u32] {
    let column = floods.column_by_name("count");
    column.and_then(|column| column.as_primitive_opt::<UInt32Type>()).map_or(&[], |column| column.values())
}

/// The row of `system_metrics` for the time up to `ts`.
///
/// # Errors
/// When the columns differ from those of [`schema::system_metrics::TABLE`].
pub fn system_metrics(sensor: &str, ts: Micros, sample: &Sample) -> Result<RecordBatch, ArrowError> {
    let real = |value: Option<f64>| -> ArrayRef { Arc::new(Float64Array::from(vec![value])) };
    let gauge = |value: Option<u32>| -> ArrayRef { Arc::new(UInt32Array::from(vec![value])) };
    let count = |value: u64| -> ArrayRef { Arc::new(Int64Array::from(vec![value as i64])) };
    let columns = vec![
        timestamps([ts]),
        real(Some(sample.cpu_percent)),
        real(Some(sample.memory_percent)),
        real(sample.memory_mb),
        real(sample.disk_usage_percent),
        real(sample.disk_free_gb),
        count(sample.network_bytes_sent),
        count(sample.network_bytes_recv),
        gauge(sample.open_files),
        gauge(sample.threads),
        gauge(Some(sample.active_connections)),
        gauge(Some(sample.queue_size)),
        real(Some(sample.events_per_second)),
        count(sample.kernel_drops),
        count(sample.queue_drops),
        count(sample.storage_drops),
        Arc::new(StringArray::from_iter_values([sensor])),
    ];
    RecordBatch::try_new(schema::system_metrics::TABLE.arrow(), columns)
}

fn timestamps(values: impl IntoIterator<Item = Micros>) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::from_iter_values(values).with_timezone("UTC"))
}

/// Rows for tests of what knows tables but not their columns.
#[cfg(test)]
pub(crate) mod sample {
    use super::*;

    /// Name of the sensor that the rows come from.
    pub(crate) const HERE: &str = "here";

    /// A batch with a row for each of `starts`.
    pub(crate) fn gaps(starts: &[Micros]) -> RecordBatch {
        let gap = |&start| Gap { start, end: start + 1, reason: Reason::Killed };
        super::gaps(HERE, &starts.iter().map(gap).collect::<Vec<_>>()).expect("rows")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merge::timestamps as column;
    use arrow_array::types::{Float64Type, Int64Type};
    use schema::partition::HOUR;

    #[test]
    fn a_presence_has_a_row_for_every_hour_it_touches() {
        let here = std::net::Ipv4Addr::LOCALHOST.into();
        let keyspace = Keyspace::new("s", &[here], &[1, 2, 3], 1, 0.0).expect("a valid keyspace");
        let batch = presences("here", &keyspace, HOUR / 2, 3 * HOUR).expect("rows");
        assert_eq!(batch.num_rows(), 9);
        let (from, to) = (column(&batch, "valid_from"), column(&batch, "valid_to"));
        assert!(from.iter().zip(to).all(|(from, to)| from < to && Hour::of(*from) == Hour::of(to - 1)));
        assert_eq!(from.iter().min(), Some(&(HOUR / 2)));
        assert_eq!(to.iter().max(), Some(&(3 * HOUR)));
    }

    #[test]
    fn floods_name_the_method_as_events_do() {
        let flood = |method| Flood { minute: 0, source: [192, 0, 2, 1].into(), method, count: 7 };
        let rows = floods("here", &[flood(Method::Ping), flood(Method::Garbage)]).expect("rows");
        assert_eq!(counts(&rows), [7, 7]);
        let methods: Vec<_> = rows["method"].as_string::<i32>().iter().collect();
        assert_eq!(methods, [Some("ping"), None]);
    }

    #[test]
    fn metrics_stand_in_the_columns_of_their_names() {
        let sample = Sample {
            cpu_percent: 1.0,
            memory_percent: 2.0,
            memory_mb: Some(3.0),
            disk_usage_percent: Some(4.0),
            disk_free_gb: None,
            network_bytes_sent: 5,
            network_bytes_recv: 6,
            open_files: Some(7),
            threads: None,
            active_connections: 8,
            queue_size: 9,
            events_per_second: 10.0,
            kernel_drops: 11,
            queue_drops: 12,
            storage_drops: 13,
        };
        let row = system_metrics("here", 0, &sample).expect("a row");
        let reals = ["cpu_percent", "memory_percent", "memory_mb", "disk_usage_percent", "events_per_second"];
        assert_eq!(
            reals.map(|name| row[name].as_primitive::<Float64Type>().value(0)),
            [1.0, 2.0, 3.0, 4.0, 10.0]
        );
        let gauges = ["open_files", "active_connections", "queue_size"];
        assert_eq!(gauges.map(|name| row[name].as_primitive::<UInt32Type>().value(0)), [7, 8, 9]);
        let counts =
            ["network_bytes_sent", "network_bytes_recv", "kernel_drops", "queue_drops", "storage_drops"];
        assert_eq!(counts.map(|name| row[name].as_primitive::<Int64Type>().value(0)), [5, 6, 11, 12, 13]);
        assert!(row["disk_free_gb"].is_null(0) && row["threads"].is_null(0));
    }

    #[test]
    fn no_time_gives_no_rows() {
        let here = std::net::Ipv4Addr::LOCALHOST.into();
        let keyspace = Keyspace::new("s", &[here], &[1], 1, 0.0).expect("a valid keyspace");
        assert_eq!(presences("here", &keyspace, 5, 5).expect("rows").num_rows(), 0);
    }
}
