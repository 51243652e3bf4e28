//! The thread that turns closed segments into files, and keeps house among the files.
//!
//! Segments are counted and sealed as they come; one that could not be sealed, because the disk is full for
//! example, stays in the spool and is tried again once a minute. Every six hours settled days are
//! summarised, and old ones deleted; see [`retention`](crate::retention).

use crate::clock::{self, HOUR, MINUTE, Micros};
use crate::day_summary;
use crate::geo::Geo;
use crate::partition::seal;
use crate::retention::{Retention, complain, words};
use crate::spool::{Segment, SpoolError, write_segment};
use schema::partition::{Hour, date_text};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// Time after which a segment that could not be sealed is tried again.
const RETRY: Duration = Duration::from_micros(MINUTE.unsigned_abs());
/// Time between two looks at what is old.
const SWEEP: Duration = Duration::from_micros(6 * HOUR.unsigned_abs());

/// What the thread works with.
pub struct Sealer {
    retention: Retention,
    geo: Geo,
    /// Segments that could not be sealed yet.
    failed: Vec<Segment>,
    swept: Option<Instant>,
}

impl Sealer {
    /// A sealer of the files that `retention` is about; `geo` says where addresses belong.
    #[must_use]
    pub fn new(retention: Retention, geo: Geo) -> Self {
        Self { retention, geo, failed: Vec::new(), swept: None }
    }

    /// Works until nobody closes segments any more.
    ///
    /// # Errors
    /// When a segment is left that cannot be sealed: the first failure.
    pub fn run(mut self, closed: &Receiver<Segment>) -> Result<(), SpoolError> {
        loop {
            // Those that wait at the start come first, then the first sweep.
            let patience = if self.swept.is_none() { Duration::ZERO } else { RETRY };
            match closed.recv_timeout(patience) {
                Ok(segment) => self.take(segment),
                Err(RecvTimeoutError::Timeout) => {
                    std::mem::take(&mut self.failed).into_iter().for_each(|segment| self.take(segment));
                    if self.swept.is_none_or(|swept| swept.elapsed() >= SWEEP) {
                        self.sweep(clock::now());
                        self.swept = Some(Instant::now());
                    }
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        std::mem::take(&mut self.failed).iter().try_for_each(|segment| self.seal(segment).map(drop))
    }

    /// Counts a segment for the summary of its day, while it can be read, and seals it. Both see the same
    /// geo files, and addresses that were looked up for the one need not be for the other.
    fn seal(&mut self, segment: &Segment) -> Result<Option<PathBuf>, SpoolError> {
        self.geo.refresh();
        let data = &self.retention.data;
        if !self.retention.is_summarised(segment.hour.day())? {
            day_summary::count(data, segment, &mut self.geo)?;
        }
        seal(data, segment, &mut self.geo)
    }

    fn take(&mut self, segment: Segment) {
        match self.seal(&segment) {
            Ok(Some(path)) => tracing::info!("sealed {}", path.display()),
            Ok(None) => {}
            Err(error) if !segment.spool_path(&self.retention.data).exists() => {
                tracing::error!("{error}; somebody removed the segment, and its rows are lost");
            }
            Err(error) => {
                tracing::error!("{error}; its rows stay in the spool and are tried again");
                self.failed.push(segment);
            }
        }
    }

    /// Summarises and deletes what is due at `now`.
    fn sweep(&mut self, now: Micros) {
        let settled = match self.retention.settled(now) {
            Ok(Some(settled)) => settled,
            Ok(None) => return,
            Err(error) => return complain(error),
        };
        self.summarise(settled, now).unwrap_or_else(complain);
        // Also when a summary could not be written: on a full disk this makes room for it.
        match self.retention.delete(settled) {
            Ok(deleted) if deleted.is_empty() => {}
            Ok(deleted) => tracing::info!("deleted what was old enough: {}", words(&deleted)),
            Err(error) => complain(error),
        }
    }

    /// Summarises the settled days that have no summary. One that cannot be summarised keeps no other.
    fn summarise(&mut self, settled: Micros, now: Micros) -> Result<(), SpoolError> {
        for day in self.retention.unsummarised(settled)? {
            self.summarise_day(day, now).unwrap_or_else(complain);
        }
        let Retention { data, sensor, .. } = &self.retention;
        for day in day_summary::counted(data, sensor)? {
            if self.retention.is_summarised(day)? {
                day_summary::forget(data, sensor, day).unwrap_or_else(complain);
            }
        }
        Ok(())
    }

    fn summarise_day(&mut self, day: i32, now: Micros) -> Result<(), SpoolError> {
        let Retention { data, sensor, summaries, .. } = &self.retention;
        let row = day_summary::row(data, sensor, day)?;
        let hour = Hour(i64::from(day) * 24);
        let segment = write_segment(data, sensor, summaries, hour, &row, now)?;
        tracing::info!("{} is over and summarised", date_text(day));
        self.take(segment);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Event;
    use crate::partition::sample::seal_all;
    use crate::retention::Rule;
    use crate::rows::{Rows, sample};
    use crate::sealed;
    use crate::spool::folder;
    use crate::tables::sample::{HERE, gaps};
    use schema::partition::{CAPTURED, DAY};
    use std::fs;
    use std::path::Path;
    use std::sync::mpsc;

    /// Seals an event of `ts`.
    fn record(data: &Path, ts: Micros) {
        let mut rows = Rows::new(HERE);
        rows.push(Event { ts, ..sample::event() });
        seal_all(data, &schema::events::TABLE, [rows.take()]);
    }

    /// A sealer that keeps events for thirty days, of a dataset in which more than a day is sealed.
    fn sealer(data: &Path, now: Micros) -> Sealer {
        let hours: Vec<_> = (1..30).map(|hour| now - hour * HOUR).collect();
        seal_all(data, &schema::gaps::TABLE, [gaps(&hours)]);
        Sealer::new(
            Retention {
                data: data.to_owned(),
                sensor: HERE.to_owned(),
                rules: vec![Rule { table: schema::events::TABLE.name, days: 30 }],
                summaries: &schema::day_summaries::TABLE,
            },
            Geo::default(),
        )
    }

    #[test]
    fn an_old_day_is_summarised_and_then_deleted() {
        let data = tempfile::tempdir().expect("a folder");
        let now = clock::now();
        let old = now - 40 * DAY;
        record(data.path(), old);
        let sealer = sealer(data.path(), now);
        let (segments, closed) = mpsc::channel();
        let thread = std::thread::spawn(move || sealer.run(&closed));
        let days = |table| sealed::days(data.path(), table).expect("listed");
        let deadline = Instant::now() + Duration::from_secs(10);
        while !days("events").is_empty() {
            assert!(Instant::now() < deadline, "not deleted in ten seconds");
            std::thread::sleep(Duration::from_millis(10));
        }
        assert_eq!(days("day_summaries"), [Hour::of(old).day()]);
        drop(segments);
        thread.join().expect("no panic").expect("nothing is left to be sealed");
    }

    #[test]
    fn what_cannot_be_sealed_waits_in_the_spool_and_is_sealed_when_it_can() {
        let data = tempfile::tempdir().expect("a folder");
        let data = data.path();
        let now = clock::now();
        let mut sealer = sealer(data, now);
        let mut rows = Rows::new(HERE);
        rows.push(Event { ts: now, ..sample::event() });
        let segment = write_segment(data, HERE, &schema::events::TABLE, Hour::of(now), &rows.take(), now);
        let segment = segment.expect("spooled");
        let [spooled, sealed] = [segment.spool_path(data), segment.final_path(data)];
        let blocked = data.join(CAPTURED).join(schema::events::TABLE.name);
        fs::write(&blocked, "").expect("a file where a folder must be");
        sealer.take(segment);
        assert!(spooled.exists() && !sealed.exists(), "nothing is lost");

        fs::remove_file(&blocked).expect("removed");
        let (segments, closed) = mpsc::channel();
        let thread = std::thread::spawn(move || sealer.run(&closed));
        let deadline = Instant::now() + Duration::from_secs(10);
        while spooled.exists() {
            assert!(Instant::now() < deadline, "not sealed in ten seconds");
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(sealed.exists(), "while other segments may still come");
        drop(segments);
        thread.join().expect("no panic").expect("nothing is left to be sealed");
    }

    #[test]
    fn a_day_that_cannot_be_summarised_keeps_no_other() {
        let data = tempfile::tempdir().expect("a folder");
        let now = clock::now();
        let days = |table| sealed::days(data.path(), table).expect("listed");
        let mut sealer = sealer(data.path(), now);
        let [first, second] = [41, 40].map(|ago| now - ago * DAY);
        record(data.path(), first);
        record(data.path(), second);
        let counts = format!("day.{}.json", date_text(Hour::of(first).day()));
        let folder = folder(data.path(), HERE);
        fs::create_dir_all(folder.join(counts)).expect("a folder where a file must be");
        sealer.sweep(now);
        assert_eq!(days("day_summaries"), [Hour::of(second).day()]);
        assert_eq!(days("events"), [Hour::of(first).day()]);
    }
}
