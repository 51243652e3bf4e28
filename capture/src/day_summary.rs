//! The rows of `captured.day_summaries`, counted while segments are sealed.
//!
//! The lean daemon cannot read Parquet, so what is in a segment is counted on its last day in the
//! spool, and the counts of a day wait in `<data>/spool/<sensor>/day.<YYYY-MM-DD>.json` until the day is
//! over. They name the segments that are in them: one that is sealed twice because of a crash is
//! counted once.

use crate::clock::Micros;
use crate::geo::Geo;
use crate::krpc::Method;
use crate::merge::times;
use crate::sealed::{list, name};
use crate::spool::{Batches, Segment, SpoolError, folder, io_error, rows_error};
use crate::state::replace;
use crate::tables;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow_schema::ArrowError;
use schema::day_summaries::TABLE;
use schema::partition::{DAY, date_text, parse_date};
use schema::{events, floods};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Distinct values below which their number is exact. The standard error from there on is one part in the
/// square root of it: 0.8 %.
const EXACT: usize = 1 << 14;
/// The table with the columns of [`DROPS`].
const METRICS: &str = schema::system_metrics::TABLE.name;
/// What was lost, where somebody measures it.
const DROPS: [&str; 3] = ["kernel_drops", "queue_drops", "storage_drops"];

/// Adds the rows of a segment to the counts of its day, unless they are in them. `geo` says where
/// their addresses belong.
///
/// # Errors
/// When the segment cannot be read or the counts cannot be written.
pub fn count(data: &Path, segment: &Segment, geo: &mut Geo) -> Result<(), SpoolError> {
    if ![events::TABLE.name, floods::TABLE.name, METRICS].contains(&segment.table.name) {
        return Ok(());
    }
    let path = path(data, &segment.name.sensor, segment.hour.day());
    let mut counts = Counts::load(&path)?.unwrap_or_default();
    let spool = segment.spool_path(data);
    if !counts.segments.insert(name(&spool).unwrap_or_default().to_owned()) {
        return Ok(());
    }
    for batch in Batches::open(segment.table, &spool)? {
        let batch = geo.enrich(batch?).map_err(rows_error(segment.table))?;
        counts.add(segment.table.name, &batch);
    }
    let text = serde_json::to_vec(&counts).map_err(io::Error::other).map_err(io_error("write", &path))?;
    replace(&path, &text)
}

/// The row of `sensor` for `day`; without numbers when nobody has counted them.
///
/// # Errors
/// When the counts are there and cannot be read.
pub fn row(data: &Path, sensor: &str, day: i32) -> Result<RecordBatch, SpoolError> {
    let counts = Counts::load(&path(data, sensor, day))?;
    if counts.is_none() {
        tracing::warn!("{}: nobody has counted its events, the summary has no numbers", date_text(day));
    }
    to_row(counts, sensor, day).map_err(rows_error(&TABLE))
}

/// The days of which there are counts.
///
/// # Errors
/// When the spool folder cannot be listed.
pub fn counted(data: &Path, sensor: &str) -> Result<Vec<i32>, SpoolError> {
    let files = list(&folder(data, sensor))?;
    let day = |path: &PathBuf| parse_date(name(path)?.strip_prefix("day.")?.strip_suffix(".json")?);
    Ok(files.iter().filter_map(day).collect())
}

/// Removes the counts of a day whose row is safe.
///
/// # Errors
/// When the file cannot be removed.
pub fn forget(data: &Path, sensor: &str, day: i32) -> Result<(), SpoolError> {
    let path = path(data, sensor, day);
    fs::remove_file(&path).map_err(io_error("remove", &path))
}

fn path(data: &Path, sensor: &str, day: i32) -> PathBuf {
    folder(data, sensor).join(format!("day.{}.json", date_text(day)))
}

/// A day, as far as it has been sealed.
#[derive(Default, Serialize, Deserialize)]
struct Counts {
    /// Names of the segments that are counted.
    segments: BTreeSet<String>,
    events: i64,
    methods: [i64; Method::ALL.len()],
    floods: i64,
    infohashes: Distinct,
    addresses: Distinct,
    first: Option<Micros>,
    last: Option<Micros>,
    countries: BTreeMap<String, i64>,
    drops: [Option<i64>; DROPS.len()],
}

impl Counts {
    fn load(path: &Path) -> Result<Option<Self>, SpoolError> {
        let text = match fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            text => text.map_err(io_error("read", path))?,
        };
        let counts = serde_json::from_slice(&text).inspect_err(|error| {
            tracing::error!("{}: not understood, its day is counted from here on: {error}", path.display());
        });
        Ok(counts.ok())
    }

    fn add(&mut self, table: &str, batch: &RecordBatch) {
        match table {
            METRICS => {
                for (column, sum) in DROPS.iter().zip(&mut self.drops) {
                    let drops =
                        batch.column_by_name(column).and_then(|drops| drops.as_primitive_opt::<Int64Type>());
                    *sum.get_or_insert(0) += drops.map_or(0, |drops| drops.values().iter().sum());
                }
            }
            _ if table == floods::TABLE.name => {
                self.floods += tables::counts(batch).iter().copied().map(i64::from).sum::<i64>();
            }
            _ => self.add_events(batch),
        }
    }

    fn add_events(&mut self, batch: &RecordBatch) {
        self.events += batch.num_rows() as i64;
        for method in batch["method"].as_string::<i32>() {
            self.methods[Method::of(method.map(str::as_bytes)) as usize] += 1;
        }
        batch["infohash"]
            .as_fixed_size_binary()
            .iter()
            .flatten()
            .for_each(|hash| self.infohashes.insert(hash));
        batch["peer_ip"].as_fixed_size_binary().iter().flatten().for_each(|ip| self.addresses.insert(ip));
        for &ts in times(&events::TABLE, batch) {
            self.first = Some(self.first.map_or(ts, |first| first.min(ts)));
            self.last = self.last.max(Some(ts));
        }
        for country in batch["country"].as_string::<i32>().iter().flatten() {
            match self.countries.get_mut(country) {
                Some(count) => *count += 1,
                None => _ = self.countries.insert(country.to_owned(), 1),
            }
        }
    }

    /// The country of most events, of several the first in the alphabet.
    fn top_country(&self) -> Option<&str> {
        self.countries.iter().rev().max_by_key(|(_, count)| **count).map(|(country, _)| country.as_str())
    }
}

fn to_row(counts: Option<Counts>, sensor: &str, day: i32) -> Result<RecordBatch, ArrowError> {
    let number = |number: Option<i64>| -> ArrayRef { Arc::new(Int64Array::from(vec![number])) };
    let moment = |ts: Option<Micros>| -> ArrayRef {
        Arc::new(TimestampMicrosecondArray::from(vec![ts]).with_timezone("UTC"))
    };
    let counts = counts.as_ref();
    let mut columns = vec![moment(Some(Micros::from(day) * DAY)), number(counts.map(|day| day.events))];
    columns.extend((0..Method::ALL.len()).map(|method| number(counts.map(|day| day.methods[method]))));
    columns.push(number(counts.map(|day| day.floods)));
    columns.push(number(counts.map(|day| day.infohashes.count())));
    columns.push(number(counts.map(|day| day.addresses.count())));
    columns.push(moment(counts.and_then(|day| day.first)));
    columns.push(moment(counts.and_then(|day| day.last)));
    columns.push(Arc::new(StringArray::from(vec![counts.and_then(Counts::top_country)])));
    columns.extend((0..DROPS.len()).map(|drop| number(counts.and_then(|day| day.drops[drop]))));
    columns.push(Arc::new(StringArray::from(vec![sensor])));
    RecordBatch::try_new(TABLE.arrow(), columns)
}

/// Counts distinct values by the smallest of their hashes: as many as fit are all there are; of more,
/// the largest that is kept tells how dense they lie (Bar-Yossef et al., "Counting distinct elements
/// in a data stream", 2002).
#[derive(Default, Serialize, Deserialize)]
#[serde(transparent)]
struct Distinct(BTreeSet<u64>);

impl Distinct {
    fn insert(&mut self, value: &[u8]) {
        let mut hasher = DefaultHasher::new();
        value.hash(&mut hasher);
        let hash = hasher.finish();
        if self.0.len() < EXACT || self.0.last().is_some_and(|&largest| hash < largest) {
            self.0.insert(hash);
            if self.0.len() > EXACT {
                self.0.pop_last();
            }
        }
    }

    fn count(&self) -> i64 {
        match self.0.last() {
            Some(&largest) if self.0.len() == EXACT => {
                ((EXACT - 1) as f64 / (largest as f64 / u64::MAX as f64)).round() as i64
            }
            _ => self.0.len() as i64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Event, Short};
    use crate::floods::Flood;
    use crate::id::Id;
    use crate::rows::{Rows, sample};
    use crate::spool::Spool;
    use arrow_array::types::TimestampMicrosecondType;
    use schema::Table;
    use schema::partition::HOUR;

    const HERE: &str = "here";
    /// 2026-11-21.
    const TODAY: i32 = 20_778;
    const START: Micros = TODAY as Micros * DAY;

    /// Spools rows and counts them, each segment twice, as after a crash.
    fn record(data: &Path, table: &'static Table, batch: &RecordBatch) {
        let (mut spool, _) = Spool::open(data, HERE).expect("opened");
        spool.append(table, batch, 0).map_err(|(_, error)| error).expect("appended");
        for segment in spool.close_all().expect("closed") {
            count(data, &segment, &mut Geo::default()).expect("counted");
            count(data, &segment, &mut Geo::default()).expect("counted already");
        }
    }

    /// Rows for `events`, all from one country.
    fn rows(events: &[Event], country: &str) -> RecordBatch {
        let mut rows = Rows::new(HERE);
        events.iter().for_each(|event| rows.push(event.clone()));
        let batch = rows.take();
        let mut columns = batch.columns().to_vec();
        let countries = StringArray::from(vec![country; events.len()]);
        columns[batch.schema().index_of("country").expect("a column")] = Arc::new(countries);
        RecordBatch::try_new(batch.schema(), columns).expect("rows")
    }

    fn event(ts: Micros, method: Option<&str>, infohash: u8, host: u8) -> Event {
        Event {
            ts,
            method: method.map(|method| Short::cut(method.as_bytes())),
            infohash: (infohash > 0).then_some(Id([infohash; 20])),
            peer: ([192, 0, 2, host], 6881).into(),
            ..sample::event()
        }
    }

    fn number(row: &RecordBatch, column: &str) -> Option<i64> {
        row[column].as_primitive::<Int64Type>().iter().next().flatten()
    }

    fn moment(row: &RecordBatch, column: &str) -> Option<Micros> {
        row[column].as_primitive::<TimestampMicrosecondType>().iter().next().flatten()
    }

    #[test]
    fn a_day_is_what_was_sealed_of_it_each_segment_once() {
        let data = tempfile::tempdir().expect("a folder");
        let day = [
            event(START, Some("get_peers"), 1, 1),
            event(START + 1, Some("get_peers"), 1, 2),
            event(START + HOUR, Some("announce_peer"), 2, 2),
            event(START + 23 * HOUR, Some("find_node"), 0, 3),
            event(START + 23 * HOUR, Some("vote"), 0, 3),
            event(START + DAY - 1, None, 0, 3),
        ];
        record(data.path(), &events::TABLE, &rows(&day, "NL"));
        let other_days = [event(START - 1, Some("ping"), 0, 9), event(START + DAY, None, 0, 9)];
        record(data.path(), &events::TABLE, &rows(&other_days, "DE"));
        record(data.path(), &events::TABLE, &rows(&[event(START + 2, Some("ping"), 0, 1)], "DE"));
        let flood =
            |count| Flood { minute: START, source: [192, 0, 2, 1].into(), method: Method::Ping, count };
        let floods = tables::floods(HERE, &[flood(7), flood(u32::MAX)]).expect("rows");
        record(data.path(), &floods::TABLE, &floods);

        let row = row(data.path(), HERE, TODAY).expect("counted");
        assert_eq!(row.num_rows(), 1);
        let counts = [
            ("events", 7),
            ("ping", 1),
            ("find_node", 1),
            ("get_peers", 2),
            ("announce_peer", 1),
            ("other", 1),
            ("garbage", 1),
            ("floods", 7 + i64::from(u32::MAX)),
            ("infohashes", 2),
            ("addresses", 3),
        ];
        for (column, count) in counts {
            assert_eq!(number(&row, column), Some(count), "{column}");
        }
        assert_eq!(number(&row, "kernel_drops"), None, "nobody measured");
        assert_eq!(moment(&row, "day"), Some(START));
        assert_eq!(moment(&row, "first_ts"), Some(START));
        assert_eq!(moment(&row, "last_ts"), Some(START + DAY - 1));
        assert_eq!(row["top_country"].as_string::<i32>().value(0), "NL");

        let mut days = counted(data.path(), HERE).expect("listed");
        days.sort_unstable();
        assert_eq!(days, [TODAY - 1, TODAY, TODAY + 1]);
        forget(data.path(), HERE, TODAY).expect("removed");
        assert_eq!(counted(data.path(), HERE).expect("listed").len(), 2);
    }

    #[test]
    fn a_day_that_nobody_counted_has_no_numbers() {
        let data = tempfile::tempdir().expect("a folder");
        let row = row(data.path(), HERE, TODAY).expect("a row");
        assert_eq!((number(&row, "events"), number(&row, "floods")), (None, None));
        assert_eq!(moment(&row, "day"), Some(START));
    }

    #[test]
    fn of_several_top_countries_the_first_is_named() {
        let countries = [("SE", 2), ("FI", 2), ("NO", 1)].map(|(country, count)| (country.to_owned(), count));
        let counts = Counts { countries: countries.into(), ..Counts::default() };
        assert_eq!(counts.top_country(), Some("FI"));
    }

    #[test]
    fn few_distinct_values_are_counted_exactly_and_many_are_estimated() {
        let mut distinct = Distinct::default();
        for value in 0..EXACT - 1 {
            (0..2).for_each(|_| distinct.insert(&value.to_le_bytes()));
        }
        assert_eq!(distinct.count(), EXACT as i64 - 1);
        let many = 40 * EXACT;
        (0..many).for_each(|value| distinct.insert(&value.to_le_bytes()));
        let error = distinct.count() as f64 / many as f64 - 1.0;
        assert!(error.abs() < 4.0 / (EXACT as f64).sqrt(), "{error}");
        assert_eq!(distinct.0.len(), EXACT, "memory is bounded");
    }
}
