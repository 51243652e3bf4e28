//! Rows of the small captured tables: presences, gaps and floods.

use crate::clock::Micros;
use crate::floods::Flood;
use crate::keyspace::Keyspace;
use crate::krpc::Method;
use crate::secret::mapped;
use arrow_array::builder::FixedSizeBinaryBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::UInt32Type;
use arrow_array::{ArrayRef, RecordBatch, StringArray, TimestampMicrosecondArray, UInt16Array, UInt32Array};
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
}

impl Reason {
    fn as_str(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Killed => "killed",
            Self::Storage => "storage",
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
    fn no_time_gives_no_rows() {
        let here = std::net::Ipv4Addr::LOCALHOST.into();
        let keyspace = Keyspace::new("s", &[here], &[1], 1, 0.0).expect("a valid keyspace");
        assert_eq!(presences("here", &keyspace, 5, 5).expect("rows").num_rows(), 0);
    }
}
