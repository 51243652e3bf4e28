//! The sealed files below a dataset's root, as far as their paths tell: table, hour and sensor.

use crate::spool::{SpoolError, io_error};
use schema::partition::{CAPTURED, FileName, Hour, date_folder, parse_date_folder, parse_hour_folder};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A file that a sensor has sealed.
#[derive(Clone, Debug)]
pub struct Sealed {
    /// The hour of its rows.
    pub hour: Hour,
    /// Name of the sensor.
    pub sensor: String,
    /// Where it is.
    pub path: PathBuf,
}

/// The folder of one day of a captured table.
#[must_use]
pub fn day_folder(data: &Path, table: &str, day: i32) -> PathBuf {
    data.join(CAPTURED).join(table).join(date_folder(day))
}

/// The days that a captured table has a folder for, in order.
///
/// # Errors
/// When the table's folder is there and cannot be listed.
pub fn days(data: &Path, table: &str) -> Result<Vec<i32>, SpoolError> {
    let entries = list(&data.join(CAPTURED).join(table))?;
    let mut days: Vec<_> = entries.iter().filter_map(|path| parse_date_folder(name(path)?)).collect();
    days.sort_unstable();
    Ok(days)
}

/// The files of all sensors in one day of a captured table, in order of hour and name.
///
/// # Errors
/// When a folder is there and cannot be listed.
pub fn files(data: &Path, table: &str, day: i32) -> Result<Vec<Sealed>, SpoolError> {
    let mut files = Vec::new();
    for folder in list(&day_folder(data, table, day))? {
        let Some(hour) = name(&folder).and_then(parse_hour_folder) else { continue };
        let hour = Hour(i64::from(day) * 24 + hour);
        for path in list(&folder)? {
            let sealed = name(&path).and_then(|name| name.strip_suffix(".parquet")?.parse::<FileName>().ok());
            files.extend(sealed.map(|FileName { sensor, .. }| Sealed { hour, sensor, path }));
        }
    }
    files.sort_unstable_by(|a, b| (a.hour, &a.path).cmp(&(b.hour, &b.path)));
    Ok(files)
}

/// What is in a folder; nothing if there is none.
pub(crate) fn list(folder: &Path) -> Result<Vec<PathBuf>, SpoolError> {
    match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        entries => entries
            .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect())
            .map_err(io_error("list", folder)),
    }
}

pub(crate) fn name(path: &Path) -> Option<&str> {
    path.file_name()?.to_str()
}
