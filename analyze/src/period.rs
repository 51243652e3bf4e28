//! The part of the dataset that a view is about: `--since`, `--until`, `--hours`.
//!
//! Views are computed from day tables, so a period is a run of whole days. Relative times count
//! back from the end of the newest hour held, not from now: a dataset answers the same next year.

use crate::dataset::Dataset;
use crate::error::Failure;
use anyhow::Result;
use datafusion::arrow::compute::kernels::cast_utils::string_to_timestamp_nanos;
use schema::partition::{DAY, HOUR, date_text, parse_date};
use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// A point in time as people write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// `2026-01-05`: a whole day, counted from 1970-01-01.
    Day(i32),
    /// `2026-01-05 10:30:00`, microseconds since 1970-01-01 UTC.
    Instant(i64),
    /// `7d`, `36h`: microseconds before the end of the newest hour held.
    Back(i64),
}

impl Moment {
    /// So many hours before the end of the newest hour held.
    #[must_use]
    pub fn hours_back(hours: u32) -> Self {
        Self::Back(i64::from(hours) * HOUR)
    }

    /// The first day that begins or goes on at this moment.
    fn first_day(self, end: i64) -> i32 {
        match self {
            Self::Day(day) => day,
            Self::Instant(micros) => day_of(micros),
            Self::Back(micros) => day_of(end.saturating_sub(micros)),
        }
    }

    /// The last day of which something lies before this moment; a day itself counts.
    fn last_day(self, end: i64) -> i32 {
        match self {
            Self::Day(day) => day,
            Self::Instant(micros) => day_of(micros - 1),
            Self::Back(micros) => day_of(end.saturating_sub(micros) - 1),
        }
    }
}

fn day_of(micros: i64) -> i32 {
    i32::try_from(micros.div_euclid(DAY)).unwrap_or(i32::MAX)
}

impl FromStr for Moment {
    type Err = NotAMoment;

    fn from_str(text: &str) -> Result<Self, NotAMoment> {
        let day = || parse_date(text).map(Self::Day);
        let instant = || {
            let nanos =
                string_to_timestamp_nanos(text).or_else(|_| string_to_timestamp_nanos(&format!("{text}:00")));
            nanos.ok().map(|nanos| Self::Instant(nanos.div_euclid(1000)))
        };
        let back = || {
            let length = humantime::parse_duration(text).ok()?;
            i64::try_from(length.as_micros()).ok().map(Self::Back)
        };
        day().or_else(instant).or_else(back).ok_or(NotAMoment)
    }
}

/// The text is no [`Moment`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAMoment;

impl fmt::Display for NotAMoment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("write a day (2026-01-05), a time (2026-01-05 10:30) or how far back (7d, 36h)")
    }
}

impl std::error::Error for NotAMoment {}

/// A period as it was asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Period {
    /// Its begin; none for the first day held.
    pub since: Option<Moment>,
    /// Its end; none for the last day held.
    pub until: Option<Moment>,
}

impl Period {
    /// The days that the period touches, cut to those that are held; none when the period is
    /// everything.
    ///
    /// # Errors
    /// [`Failure::Usage`] when the period ends before it begins, [`Failure::NoData`] when no day of
    /// it is held.
    pub fn days(self, dataset: &Dataset) -> Result<Option<RangeInclusive<i32>>> {
        if self.since.is_none() && self.until.is_none() {
            return Ok(None);
        }
        let held = dataset.held();
        let end = dataset.end();
        let first = self.since.map_or(i32::MIN, |since| since.first_day(end));
        let last = self.until.map_or(i32::MAX, |until| until.last_day(end));
        if first > last {
            let (first, last) = (date_text(first), date_text(last));
            return Err(Failure::Usage(format!("the period begins on {first} and ends on {last}")).into());
        }
        let mut days = held.range(first..=last);
        let Some(&first) = days.next() else {
            let root = dataset.root().display();
            let message = format!("{root} holds no day of that period; it holds {}", dataset.extent());
            return Err(Failure::NoData(message).into());
        };
        Ok(Some(first..=*days.next_back().unwrap_or(&first)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The newest hour ends on 2026-01-07 at 15:00.
    const END: i64 = 20_460 * DAY + 15 * HOUR;

    fn moment(text: &str) -> Moment {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn times_are_read_as_people_write_them() {
        assert_eq!(moment("2026-01-07"), Moment::Day(20_460));
        assert_eq!(moment("2026-01-07 15:00:00"), Moment::Instant(END));
        assert_eq!(moment("2026-01-07T15:00"), Moment::Instant(END));
        assert_eq!(moment("36h"), Moment::Back(36 * HOUR));
        assert_eq!(moment("7d"), Moment::Back(7 * DAY));
        for text in ["", "yesterday", "2026-02-30", "7", "-1d", "24:00"] {
            assert_eq!(text.parse::<Moment>(), Err(NotAMoment), "{text}");
        }
    }

    #[test]
    fn a_period_touches_whole_days() {
        let first = |text: &str| date_text(moment(text).first_day(END));
        let last = |text: &str| date_text(moment(text).last_day(END));
        assert_eq!([first("2026-01-05"), last("2026-01-05")], ["2026-01-05"; 2]);
        assert_eq!([first("24h"), first("15h"), first("3d")], ["2026-01-06", "2026-01-07", "2026-01-04"]);
        assert_eq!([last("15h"), last("14h")], ["2026-01-06", "2026-01-07"]);
        assert_eq!([first("2026-01-06 00:00:00"), last("2026-01-06 00:00:00")], ["2026-01-06", "2026-01-05"]);
    }
}
