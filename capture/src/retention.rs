//! What is kept, and for how long: whole days of a table go when they are old enough and summarised.
//!
//! Age is counted in what was recorded, not by the clock of this moment. A day is *settled* when
//! [`SETTLING`] sealed hours of this sensor lie behind it, and only settled days are summarised and
//! deleted. While a sensor records without a break this is the same as the age behind the newest
//! sealed hour. But when the clock jumps, a year ahead, say, the hours that are sealed with the
//! wrong date are too few to settle anything before somebody notices, and once the clock is right
//! again, hours in the future count for nothing. A clock that stays wrong for a whole day of recording
//! is believed.
//!
//! Several sensors may write into one dataset: each deletes its own files. A day that is this
//! sensor's alone is renamed first, so that readers see all of it or nothing.
//!
//! Nothing here knows what the columns mean; who summarises a day says so in a function.

use crate::clock::Micros;
use crate::sealed::{self, Sealed, list, name};
use crate::spool::{Segment, SpoolError, folder, io_error};
use schema::Table;
use schema::partition::{CAPTURED, DAY, Hour, date_text};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Sealed hours behind a day that settle it.
pub const SETTLING: usize = 24;

/// Says why something is still there.
pub(crate) fn complain(error: SpoolError) {
    tracing::error!("{error}; old files are looked at again in six hours");
}

/// How long a table is kept.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Name of the table.
    pub table: &'static str,
    /// Days between the end of a day and its deletion.
    pub days: u16,
}

/// What one sensor keeps of its files.
#[derive(Clone, Debug)]
pub struct Retention {
    /// Root of the dataset.
    pub data: PathBuf,
    /// Name of the sensor.
    pub sensor: String,
    /// Tables that do not stay for ever.
    pub rules: Vec<Rule>,
    /// The table with one row for every day that may be deleted.
    pub summaries: &'static Table,
}

impl Retention {
    /// The start of the newest hour with [`SETTLING`] sealed hours from it on, none of them in the
    /// future of `now`: what lies before it is settled.
    ///
    /// # Errors
    /// When a folder cannot be listed.
    pub fn settled(&self, now: Micros) -> Result<Option<Micros>, SpoolError> {
        let mut hours = BTreeSet::new();
        for table in schema::CAPTURED {
            let mut newest = BTreeSet::new();
            for day in sealed::days(&self.data, table.name)?.into_iter().rev() {
                let files = self.own(table.name, day)?;
                newest.extend(files.iter().map(|file| file.hour).filter(|hour| hour.end() <= now));
                if newest.len() >= SETTLING {
                    break;
                }
            }
            hours.append(&mut newest);
        }
        Ok(hours.iter().nth_back(SETTLING - 1).map(|hour| hour.start()))
    }

    /// Settled days that have no summary yet, in order.
    ///
    /// # Errors
    /// When a folder cannot be listed.
    pub fn unsummarised(&self, settled: Micros) -> Result<BTreeSet<i32>, SpoolError> {
        let mut days = BTreeSet::new();
        for rule in &self.rules {
            for day in sealed::days(&self.data, rule.table)? {
                let due = end(day) <= settled && !self.is_summarised(day)? && !self.is_waiting(day)?;
                if due && !self.own(rule.table, day)?.is_empty() {
                    days.insert(day);
                }
            }
        }
        Ok(days)
    }

    /// Deletes what is older than its rule says and summarised. Returns the days, table by table. A day that
    /// cannot be deleted is named in the log, and keeps no other.
    ///
    /// # Errors
    /// When a folder cannot be listed.
    pub fn delete(&self, settled: Micros) -> Result<Vec<(&'static str, i32)>, SpoolError> {
        let mut deleted = Vec::new();
        for rule in &self.rules {
            remove_leftovers(&self.data.join(CAPTURED).join(rule.table))?;
            // The hours that settle a day are the first of its age.
            let age = (i64::from(rule.days) - 1) * DAY;
            for day in sealed::days(&self.data, rule.table)? {
                let old = end(day) + age <= settled;
                if old && self.is_summarised(day)? && !self.own(rule.table, day)?.is_empty() {
                    match remove_day(&sealed::day_folder(&self.data, rule.table, day), &self.sensor) {
                        Ok(()) => deleted.push((rule.table, day)),
                        Err(error) => complain(error),
                    }
                }
            }
        }
        Ok(deleted)
    }

    /// Whether the row for `day` is in a sealed file.
    ///
    /// # Errors
    /// When a folder cannot be listed.
    pub fn is_summarised(&self, day: i32) -> Result<bool, SpoolError> {
        Ok(!self.own(self.summaries.name, day)?.is_empty())
    }

    /// Whether the summary of `day` waits in the spool to be sealed.
    fn is_waiting(&self, day: i32) -> Result<bool, SpoolError> {
        let segments = list(&folder(&self.data, &self.sensor))?;
        let mut segments = segments.iter().filter_map(|path| Segment::parse(name(path)?));
        Ok(segments.any(|segment| segment.table.name == self.summaries.name && segment.hour.day() == day))
    }

    fn own(&self, table: &str, day: i32) -> Result<Vec<Sealed>, SpoolError> {
        let mut files = sealed::files(&self.data, table, day)?;
        files.retain(|file| file.sensor == self.sensor);
        Ok(files)
    }
}

/// The first moment after a day.
fn end(day: i32) -> Micros {
    Hour((i64::from(day) + 1) * 24).start()
}

/// Removes the files of `sensor` below the folder of a day, and the folder with the last of them.
fn remove_day(day: &Path, sensor: &str) -> Result<(), SpoolError> {
    let mut ours = Vec::new();
    // What stands beside the hours is not ours.
    let (hours, others): (Vec<_>, Vec<_>) = list(day)?.into_iter().partition(|path| path.is_dir());
    let mut alone = others.is_empty();
    for path in hours.iter().map(|hour| list(hour)).collect::<Result<Vec<_>, _>>()?.into_iter().flatten() {
        let file: Option<schema::partition::FileName> =
            name(&path).and_then(|name| name.trim_start_matches('.').rsplit_once('.')?.0.parse().ok());
        if file.is_some_and(|file| file.sensor == sensor) {
            ours.push(path);
        } else {
            alone = false;
        }
    }
    if alone && let Some(hidden) = name(day).map(|name| day.with_file_name(format!(".{name}"))) {
        fs::rename(day, &hidden).map_err(io_error("rename", day))?;
        return fs::remove_dir_all(&hidden).map_err(io_error("remove", &hidden));
    }
    for path in &ours {
        fs::remove_file(path).map_err(io_error("remove", path))?;
    }
    for hour in &hours {
        // Refused where another sensor has files.
        let _ = fs::remove_dir(hour);
    }
    Ok(())
}

/// Removes days that were renamed and, because of a crash, not removed.
fn remove_leftovers(table: &Path) -> Result<(), SpoolError> {
    for path in list(table)? {
        if name(&path).is_some_and(|name| name.starts_with(".date=")) {
            let removed = fs::remove_dir_all(&path).map_err(io_error("remove", &path));
            removed.unwrap_or_else(complain);
        }
    }
    Ok(())
}

/// What was deleted, in words.
#[must_use]
pub fn words(deleted: &[(&str, i32)]) -> String {
    deleted.iter().map(|(table, day)| format!("{table} {}", date_text(*day))).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use schema::partition::HOUR;

    const HERE: &str = "here";
    const RULES: [Rule; 2] = [Rule { table: "events", days: 30 }, Rule { table: "floods", days: 7 }];
    /// 2026-10-01.
    const FIRST: i32 = 20_727;

    /// A dataset in which days are files and time is a number.
    struct World {
        folder: tempfile::TempDir,
        retention: Retention,
    }

    impl World {
        fn new() -> Self {
            let folder = tempfile::tempdir().expect("a folder");
            let retention = Retention {
                data: folder.path().to_owned(),
                sensor: HERE.to_owned(),
                rules: RULES.to_vec(),
                summaries: &schema::day_summaries::TABLE,
            };
            Self { folder, retention }
        }

        /// Records every hour of the first days.
        fn record_days(&self, days: i32) {
            (FIRST * 24..(FIRST + days) * 24).for_each(|hour| self.record(Hour(hour.into())));
        }

        fn seal(&self, table: &str, hour: Hour, sensor: &str) {
            let folder = self.folder.path().join(hour.folder(table));
            fs::create_dir_all(&folder).expect("created");
            fs::write(folder.join(format!("{sensor}-20261001T000000Z-0.parquet")), "").expect("written");
        }

        /// An hour of recording under the date that the clock shows.
        fn record(&self, hour: Hour) {
            for table in ["events", "floods", "presences"] {
                self.seal(table, hour, HERE);
            }
        }

        /// What the daemon does every six hours.
        fn sweep(&self, now: Micros) {
            let Some(settled) = self.retention.settled(now).expect("listed") else { return };
            for day in self.retention.unsummarised(settled).expect("listed") {
                self.seal("day_summaries", Hour(i64::from(day) * 24), HERE);
            }
            self.retention.delete(settled).expect("deleted");
        }

        fn days(&self, table: &str) -> Vec<i32> {
            sealed::days(self.folder.path(), table).expect("listed")
        }
    }

    fn hour(day: i32, hour: i64) -> Hour {
        Hour(i64::from(day) * 24 + hour)
    }

    /// The days that must be there when all hours before `now` are sealed.
    fn kept(now: Micros, days: i32) -> Vec<i32> {
        let today = Hour::of(now - 1).day();
        (FIRST.max(Hour::of(now).day() - days)..=today).collect()
    }

    #[test]
    fn every_day_is_kept_as_long_as_promised_and_no_longer() {
        let world = World::new();
        for running in FIRST * 24..(FIRST + 45) * 24 {
            let running = Hour(running.into());
            world.record(running);
            if running.0 % 6 == 5 {
                let now = running.end();
                world.sweep(now);
                assert_eq!(world.days("events"), kept(now, 30), "{running:?}");
                assert_eq!(world.days("floods"), kept(now, 7), "{running:?}");
            }
        }
        assert_eq!(world.days("presences").len(), 45, "presences stay for ever");
        assert_eq!(
            world.days("day_summaries"),
            Vec::from_iter(FIRST..FIRST + 44),
            "one for each settled day"
        );
    }

    #[test]
    fn a_clock_that_jumps_a_year_ahead_and_back_deletes_nothing_early_and_nothing_late() {
        const YEAR: i64 = 365 * 24;
        let world = World::new();
        for running in FIRST * 24..(FIRST + 45) * 24 {
            let running = Hour(running.into());
            // Twelve hours of day 35 are recorded under the date of the year after.
            let wrong = running.day() == FIRST + 35 && running.0.rem_euclid(24) >= 12;
            let shown = if wrong { Hour(running.0 + YEAR) } else { running };
            world.record(shown);
            if running.0 % 6 == 5 {
                world.sweep(shown.end());
                let days = world.days("events").into_iter().filter(|&day| day < FIRST + 100);
                // Whatever the date says, thirty days are as long as ever.
                assert_eq!(days.collect::<Vec<_>>(), kept(running.end(), 30), "{running:?}");
            }
        }
        assert!(world.days("events").contains(&(FIRST + 35 + 365)), "what was recorded stays, date and all");
        assert!(!world.days("day_summaries").contains(&(FIRST + 35 + 365)));
    }

    #[test]
    fn a_clock_that_jumps_a_day_back_deletes_nothing() {
        let world = World::new();
        world.record_days(40);
        let now = hour(FIRST + 40, 0).start();
        world.sweep(now);
        let days = world.days("events");
        world.sweep(now - DAY);
        world.sweep(now - 400 * DAY);
        assert_eq!(world.days("events"), days);
    }

    #[test]
    fn a_pause_in_the_recording_is_no_reason_to_hurry() {
        let world = World::new();
        world.record_days(10);
        // Back after forty days, one hour recorded: is it the clock?
        world.record(hour(FIRST + 50, 0));
        world.sweep(hour(FIRST + 50, 1).start());
        assert_eq!(world.days("events").len(), 11);
        // A day later it was a pause.
        (1..24).for_each(|running| world.record(hour(FIRST + 50, running)));
        world.sweep(hour(FIRST + 51, 0).start());
        assert_eq!(world.days("events"), [FIRST + 50]);
    }

    #[test]
    fn a_day_without_a_summary_stays() {
        let world = World::new();
        world.record_days(40);
        let settled = world.retention.settled(hour(FIRST + 40, 0).start()).expect("listed").expect("settled");
        assert!(world.retention.delete(settled).expect("nothing to do").is_empty());
        assert_eq!(world.retention.unsummarised(settled).expect("listed").len(), 39);
        world.seal("day_summaries", hour(FIRST, 0), HERE);
        assert_eq!(world.retention.delete(settled).expect("deleted"), [("events", FIRST), ("floods", FIRST)]);
    }

    #[test]
    fn what_other_sensors_recorded_is_theirs() {
        let world = World::new();
        world.seal("events", hour(FIRST, 3), "there");
        world.seal("events", hour(FIRST, 4), "there");
        fs::write(world.folder.path().join(hour(FIRST, 3).folder("events")).join(".here-x.tmp"), "")
            .expect("a file");
        world.record_days(40);
        world.sweep(hour(FIRST + 40, 0).start());
        let left = sealed::files(world.folder.path(), "events", FIRST).expect("listed");
        assert_eq!(left.iter().map(|file| file.sensor.as_str()).collect::<Vec<_>>(), ["there", "there"]);
        assert_eq!(left.iter().map(|file| file.hour).collect::<Vec<_>>(), [hour(FIRST, 3), hour(FIRST, 4)]);
        assert!(!sealed::day_folder(world.folder.path(), "events", FIRST).join("hour=05").exists());
        assert!(!sealed::day_folder(world.folder.path(), "events", FIRST + 1).exists());
    }

    #[test]
    fn a_stray_file_keeps_no_event() {
        let world = World::new();
        world.record_days(40);
        let day = sealed::day_folder(world.folder.path(), "events", FIRST);
        fs::write(day.join(".DS_Store"), "").expect("written");
        world.sweep(hour(FIRST + 40, 0).start());
        assert_eq!(world.days("events")[..2], [FIRST, FIRST + 10]);
        let left =
            fs::read_dir(&day).expect("it is not ours").map(|entry| entry.expect("an entry").file_name());
        assert_eq!(left.collect::<Vec<_>>(), [".DS_Store"]);
    }

    #[test]
    fn a_day_that_cannot_be_deleted_keeps_no_other() {
        let world = World::new();
        world.record_days(40);
        // Where the folder of the first day would be renamed to stands a file.
        let day = sealed::day_folder(world.folder.path(), "events", FIRST);
        fs::write(day.with_file_name(format!(".{}", name(&day).expect("a name"))), "").expect("written");
        world.sweep(hour(FIRST + 40, 0).start());
        assert_eq!(world.days("events")[..2], [FIRST, FIRST + 10]);
        assert_eq!(world.days("floods")[0], FIRST + 33);
    }

    #[test]
    fn a_deletion_that_was_interrupted_is_completed() {
        let world = World::new();
        world.record(hour(FIRST, 0));
        let day = sealed::day_folder(world.folder.path(), "events", FIRST);
        let hidden = day.with_file_name(format!(".{}", name(&day).expect("a name")));
        fs::rename(&day, &hidden).expect("renamed");
        world.retention.delete(HOUR).expect("deleted");
        assert!(!hidden.exists());
    }
}
