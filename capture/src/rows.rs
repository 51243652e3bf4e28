//! Events to Arrow.

use crate::clock::Micros;
use crate::event::{Event, Short};
use crate::id::Id;
use crate::krpc::{Flaw, Want};
use crate::secret::mapped;
use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, FixedSizeBinaryArray, RecordBatch, StringArray,
    TimestampMicrosecondArray, UInt8Array, UInt16Array, new_null_array,
};
use arrow_schema::DataType;
use std::sync::Arc;

/// Rows of a batch: one that is being put together stays in the processor's cache.
pub const BATCH: usize = 4096;

/// Collects events and turns them into batches of `captured.events`, in order of time.
pub struct Rows {
    sensor: String,
    /// As they came, so that nothing is moved while there are more and more of them.
    events: Vec<Vec<Event>>,
}

impl Rows {
    /// No rows yet; `sensor` goes into every row.
    #[must_use]
    pub fn new(sensor: &str) -> Self {
        Self { sensor: sensor.to_owned(), events: Vec::new() }
    }

    /// Number of rows waiting.
    #[must_use]
    pub fn len(&self) -> usize {
        self.events.iter().map(Vec::len).sum()
    }

    /// Whether no row waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds a row.
    pub fn push(&mut self, event: Event) {
        match self.events.last_mut().filter(|events| events.len() < BATCH) {
            Some(events) => events.push(event),
            None => self.events.push(vec![event]),
        }
    }

    /// Adds rows, in any order.
    pub fn append(&mut self, events: Vec<Event>) {
        self.events.push(events);
    }

    /// All rows so far, in the columns of [`schema::events::TABLE`]; the collection is empty again.
    #[must_use]
    pub fn take(&mut self) -> RecordBatch {
        let held = std::mem::take(&mut self.events);
        let rows: Vec<_> = in_order(&held).into_iter().map(|(_, event)| event).collect();
        self.batch(&rows)
    }

    /// Hands the rows from before `until` to `write`, [`BATCH`] at a time, and keeps the others.
    pub fn take_before(&mut self, until: Micros, mut write: impl FnMut(&RecordBatch)) {
        let held = std::mem::take(&mut self.events);
        let rows = in_order(&held);
        let (ready, early) = rows.split_at(rows.partition_point(|&(ts, _)| ts < until));
        for part in ready.chunks(BATCH) {
            let part: Vec<_> = part.iter().map(|&(_, event)| event).collect();
            write(&self.batch(&part));
        }
        if !early.is_empty() {
            self.events.push(early.iter().map(|&(_, event)| event.clone()).collect());
        }
    }

    /// # Panics
    /// Never: a test holds the columns and the declaration together.
    fn batch(&self, rows: &[&Event]) -> RecordBatch {
        let length = rows.len();
        let rows = || rows.iter();
        let columns: Vec<ArrayRef> = vec![
            Arc::new(TimestampMicrosecondArray::from_iter_values(rows().map(|e| e.ts)).with_timezone("UTC")),
            Arc::new(StringArray::from_iter(rows().map(|e| e.method.as_ref().map(Short::to_text)))),
            ids(rows().map(|e| &e.infohash)),
            ids(rows().map(|e| &e.target)),
            fixed(16, rows().map(|e| Some(mapped(e.peer.ip())))),
            Arc::new(UInt16Array::from_iter_values(rows().map(|e| e.peer.port()))),
            Arc::new(UInt16Array::from_iter_values(rows().map(|e| e.source_node))),
            Arc::new(UInt16Array::from_iter_values(rows().map(|e| e.local_port))),
            ids(rows().map(|e| &e.querier_id)),
            Arc::new(BinaryArray::from_iter(rows().map(|e| e.client_version.as_ref().map(Short::as_bytes)))),
            Arc::new(BinaryArray::from_iter(rows().map(|e| e.transaction_id.as_ref().map(Short::as_bytes)))),
            Arc::new(BooleanArray::from_iter(rows().map(|e| e.read_only))),
            Arc::new(BooleanArray::from_iter(rows().map(|e| e.implied_port))),
            Arc::new(UInt16Array::from_iter(rows().map(|e| e.announced_port))),
            Arc::new(BooleanArray::from_iter(rows().map(|e| e.seed))),
            Arc::new(BooleanArray::from_iter(rows().map(|e| e.no_seed))),
            Arc::new(BooleanArray::from_iter(rows().map(|e| e.scrape))),
            Arc::new(StringArray::from_iter(rows().map(|e| e.want.and_then(Want::as_str)))),
            Arc::new(BooleanArray::from_iter(rows().map(|e| e.token_valid))),
            Arc::new(StringArray::from_iter_values(rows().map(|e| e.attribution.as_str()))),
            Arc::new(UInt8Array::from_iter(rows().map(|e| e.ttl))),
            Arc::new(UInt16Array::from_iter_values(rows().map(|e| e.length))),
            Arc::new(BooleanArray::from_iter(rows().map(|e| Some(e.canonical)))),
            Arc::new(StringArray::from_iter(rows().map(|e| e.decode_error.map(Flaw::as_str)))),
            // Whoever seals the hour fills asn, organisation and country in from a geo file.
            new_null_array(&DataType::UInt32, length),
            new_null_array(&DataType::Utf8, length),
            new_null_array(&DataType::Utf8, length),
            Arc::new(StringArray::from_iter_values(std::iter::repeat_n(&self.sensor, length))),
        ];
        RecordBatch::try_new(schema::events::TABLE.arrow(), columns).expect("the declared columns")
    }
}

/// All of `events` with their times, in order of time; those of one time stay in the order in which they
/// came. Sockets are read one after the other, so neighbours in time come apart.
fn in_order(events: &[Vec<Event>]) -> Vec<(Micros, &Event)> {
    let mut rows: Vec<_> = events.iter().flatten().map(|event| (event.ts, event)).collect();
    rows.sort_by_key(|&(ts, _)| ts);
    rows
}

fn ids<'a>(ids: impl Iterator<Item = &'a Option<Id>>) -> ArrayRef {
    fixed(20, ids.map(|id| id.map(|id| id.0)))
}

/// A column of values that are all `width` bytes long.
fn fixed<T: AsRef<[u8]>>(width: i32, values: impl Iterator<Item = Option<T>>) -> ArrayRef {
    let column = FixedSizeBinaryArray::try_from_sparse_iter_with_size(values, width);
    Arc::new(column.expect("an id has 20 bytes and an address 16"))
}

/// An event for tests.
#[cfg(test)]
pub(crate) mod sample {
    use super::*;
    use crate::event::Attribution;

    /// A get_peers of an ordinary client.
    pub(crate) fn event() -> Event {
        Event {
            ts: 1,
            method: Some(Short::cut(b"get_peers")),
            infohash: Some(Id([1; 20])),
            target: None,
            peer: "192.0.2.1:6881".parse().expect("an address"),
            source_node: 207,
            local_port: 21_194,
            querier_id: Some(Id([2; 20])),
            client_version: Some(Short::cut(&[b'v'; 40])),
            transaction_id: Some(Short::cut(b"aa")),
            read_only: None,
            implied_port: Some(true),
            announced_port: None,
            seed: None,
            no_seed: None,
            scrape: None,
            want: Some(Want { n4: true, n6: true }),
            token_valid: None,
            attribution: Attribution::Exact,
            ttl: Some(57),
            length: 95,
            canonical: true,
            decode_error: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::sample::event;
    use super::*;
    use crate::merge::timestamps;
    use arrow_array::Array;
    use arrow_array::cast::AsArray;
    use arrow_array::types::{UInt8Type, UInt16Type};

    #[test]
    fn rows_have_the_declared_columns() {
        let mut rows = Rows::new("here");
        rows.push(event());
        rows.push(Event { method: None, decode_error: Some(Flaw::Syntax), ..event() });
        let batch = rows.take();
        assert_eq!(batch.schema(), schema::events::TABLE.arrow());
        assert_eq!((batch.num_rows(), rows.len()), (2, 0));
        let text = |name: &str| batch.column_by_name(name).expect(name).as_string::<i32>();
        assert_eq!(text("method").value(0), "get_peers");
        assert!(text("method").is_null(1));
        assert_eq!(text("decode_error").value(1), "not bencoding");
        assert_eq!(text("want").value(0), "n4,n6");
        assert_eq!(text("sensor").value(1), "here");
        let address = batch["peer_ip"].as_fixed_size_binary().value(0);
        assert_eq!(address, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1]);
        assert_eq!(batch["client_version"].as_binary::<i32>().value(0), [b'v'; 16]);
        assert_eq!(batch["source_node"].as_primitive::<UInt16Type>().value(0), 207);
        assert_eq!(batch["ttl"].as_primitive::<UInt8Type>().value(0), 57);
        assert_eq!(rows.take().num_rows(), 0);
    }

    #[test]
    fn rows_are_in_order_of_time_whatever_socket_they_came_from() {
        let mut rows = Rows::new("here");
        for (ts, local_port) in [(3, 1), (5, 1), (1, 2), (3, 2), (4, 2)] {
            rows.push(Event { ts, local_port, ..event() });
        }
        let batch = rows.take();
        let ports = batch["local_port"].as_primitive::<UInt16Type>().values().to_vec();
        assert_eq!(timestamps(&batch, "ts"), [1, 3, 3, 4, 5]);
        assert_eq!(ports, [2, 1, 2, 2, 1], "rows of the same time keep their order");
    }

    #[test]
    fn rows_before_a_moment_leave_in_order_and_the_others_stay() {
        let mut rows = Rows::new("here");
        let events =
            |start: Micros| (0..3 * BATCH as Micros).map(move |i| Event { ts: start + 2 * i, ..event() });
        rows.append(events(1).collect());
        rows.append(events(0).collect());
        let until = 5 * BATCH as Micros;
        let mut times = Vec::new();
        rows.take_before(until, |batch| {
            assert!(batch.num_rows() <= BATCH);
            times.extend_from_slice(timestamps(batch, "ts"));
        });
        assert_eq!(times, (0..until).collect::<Vec<_>>());
        assert_eq!(rows.len(), BATCH);
        rows.push(Event { ts: 0, ..event() });
        assert_eq!(timestamps(&rows.take(), "ts")[..2], [0, until]);
        rows.take_before(Micros::MAX, |_| panic!("nothing is left"));
    }

    #[test]
    fn a_method_that_is_no_text_is_kept_as_far_as_text_goes() {
        let mut rows = Rows::new("here");
        rows.push(Event { method: Some(Short::cut(b"p\xffng")), ..event() });
        assert_eq!(rows.take()["method"].as_string::<i32>().value(0), "p\u{fffd}ng");
    }
}
