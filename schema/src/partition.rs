//! Where a file lives: `captured/<table>/date=YYYY-MM-DD/hour=HH/<sensor>-<start>-<part>.parquet`
//! and `derived/<table>/[date=YYYY-MM-DD/]data.parquet`, below the dataset's root.
//!
//! Whatever else stands in those folders (temporary files start with a dot and do not end in
//! `.parquet`) is skipped by every reader and can be filtered from rsync.

use arrow_array::temporal_conversions::{date32_to_datetime, timestamp_s_to_datetime};
use arrow_array::types::Date32Type;
use arrow_cast::parse::{Parser, string_to_timestamp_nanos};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Microseconds in an hour: the length of a captured partition.
pub const HOUR: i64 = 3_600_000_000;
/// Microseconds in a day: the unit of retention and of day tables.
pub const DAY: i64 = 24 * HOUR;

/// The folder of all captured tables.
pub const CAPTURED: &str = "captured";
/// The folder of all derived tables.
pub const DERIVED: &str = "derived";
/// The name of a derived table's file.
pub const DATA_FILE: &str = "data.parquet";

/// One hour of one captured table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hour(
    /// Hours since 1970-01-01T00 UTC.
    pub i64,
);

impl Hour {
    /// The hour that holds `ts` (µs since 1970-01-01 UTC).
    #[must_use]
    pub fn of(ts: i64) -> Self {
        Self(ts.div_euclid(HOUR))
    }

    /// Its first microsecond.
    #[must_use]
    pub fn start(self) -> i64 {
        self.0 * HOUR
    }

    /// The first microsecond after it.
    #[must_use]
    pub fn end(self) -> i64 {
        self.start() + HOUR
    }

    /// Its day, in days since 1970-01-01.
    #[must_use]
    pub fn day(self) -> i32 {
        i32::try_from(self.0.div_euclid(24)).unwrap_or(i32::MAX)
    }

    /// Its folder below the root: `captured/<table>/date=YYYY-MM-DD/hour=HH`.
    #[must_use]
    pub fn folder(self, table: &str) -> PathBuf {
        [CAPTURED, table, &date_folder(self.day()), &format!("hour={:02}", self.0.rem_euclid(24))]
            .iter()
            .collect()
    }
}

/// `date=YYYY-MM-DD` for a day counted from 1970-01-01.
#[must_use]
pub fn date_folder(day: i32) -> String {
    format!("date={}", date_text(day))
}

/// `YYYY-MM-DD` for a day counted from 1970-01-01.
#[must_use]
pub fn date_text(day: i32) -> String {
    date32_to_datetime(day).map_or_else(|| day.to_string(), |date| date.format("%Y-%m-%d").to_string())
}

/// The day that `YYYY-MM-DD` names, counted from 1970-01-01.
#[must_use]
pub fn parse_date(text: &str) -> Option<i32> {
    (text.len() == 10).then(|| Date32Type::parse(text)).flatten()
}

/// The day of a `date=YYYY-MM-DD` folder.
#[must_use]
pub fn parse_date_folder(name: &str) -> Option<i32> {
    name.strip_prefix("date=").and_then(parse_date)
}

/// The hour of day of an `hour=HH` folder, 0 to 23.
#[must_use]
pub fn parse_hour_folder(name: &str) -> Option<i64> {
    let text = name.strip_prefix("hour=").filter(|text| text.len() == 2 && is_digits(text))?;
    text.parse().ok().filter(|hour| (0..24).contains(hour))
}

/// A captured file's name without its ending: `<sensor>-<start>-<part>`.
///
/// It is fixed when the spool segment is opened, so that sealing the same segment twice after a
/// crash writes the same file again instead of a second one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileName {
    /// Name of the host, `[A-Za-z0-9._-]`.
    pub sensor: String,
    /// When the segment was opened, seconds since 1970-01-01 UTC.
    pub start: i64,
    /// Tells segments apart that were opened in the same second.
    pub part: u32,
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start = timestamp_s_to_datetime(self.start).ok_or(fmt::Error)?;
        write!(f, "{}-{}-{}", self.sensor, start.format("%Y%m%dT%H%M%SZ"), self.part)
    }
}

impl FromStr for FileName {
    type Err = NotAFileName;

    fn from_str(text: &str) -> Result<Self, NotAFileName> {
        let parse = || {
            let mut fields = text.rsplitn(3, '-');
            let part = fields.next()?.parse().ok()?;
            let start = parse_compact_time(fields.next()?)?;
            let sensor = fields.next().filter(|sensor| is_sensor_name(sensor))?.to_owned();
            Some(Self { sensor, start, part })
        };
        parse().ok_or_else(|| NotAFileName(text.to_owned()))
    }
}

/// Seconds since 1970-01-01 of `YYYYMMDDTHHMMSSZ`.
fn parse_compact_time(text: &str) -> Option<i64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    if date.len() != 8 || time.len() != 6 || !is_digits(date) || !is_digits(time) {
        return None;
    }
    let (year, month, day) = (&date[..4], &date[4..6], &date[6..]);
    let (hour, minute, second) = (&time[..2], &time[2..4], &time[4..]);
    let nanos = string_to_timestamp_nanos(&format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z")).ok()?;
    Some(nanos.div_euclid(1_000_000_000))
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The text is not `<sensor>-<start>-<part>`.
#[derive(Debug, PartialEq, Eq)]
pub struct NotAFileName(pub String);

impl fmt::Display for NotAFileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not <sensor>-<YYYYMMDDTHHMMSSZ>-<part>", self.0)
    }
}

impl std::error::Error for NotAFileName {}

/// Whether `name` can stand in a file name and in a column: 1 to 64 of `[A-Za-z0-9._-]`, the first
/// of them a letter or a digit.
#[must_use]
pub fn is_sensor_name(name: &str) -> bool {
    name.len() <= 64
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_has_one_folder_and_the_folder_names_the_hour() {
        let hour = Hour::of(1_795_239_480_000_000);
        assert_eq!(hour.folder("events").to_str(), Some("captured/events/date=2026-11-21/hour=05"));
        assert_eq!(parse_date_folder("date=2026-11-21"), Some(hour.day()));
        assert_eq!(parse_hour_folder("hour=05"), Some(5));
        assert_eq!(Hour::of(-1).folder("gaps").to_str(), Some("captured/gaps/date=1969-12-31/hour=23"));
    }

    #[test]
    fn file_names_survive_the_round_trip() {
        let name = FileName { sensor: "vps-1.example".into(), start: 1_795_239_480, part: 2 };
        assert_eq!(name.to_string(), "vps-1.example-20261121T053800Z-2");
        assert_eq!(name.to_string().parse(), Ok(name));
        assert!("data".parse::<FileName>().is_err());
        assert!(".x-20261121T053800Z-0".parse::<FileName>().is_err());
    }

    #[test]
    fn odd_folders_name_no_date() {
        for name in ["date=2026-13-01", "date=20261121", "day=2026-11-21", "date=2026-11-21 ", "date="] {
            assert_eq!(parse_date_folder(name), None, "{name}");
        }
        for name in ["hour=24", "hour=5", "hour=-1", "hour=+5"] {
            assert_eq!(parse_hour_folder(name), None, "{name}");
        }
    }
}
