//! Whether the geo files can be used.

use super::Finding;
use crate::clock::{HOUR, Micros};
use crate::geo::Database;
use std::path::Path;

/// Publishers bring out a file every week or month: networks move.
const OLD: Micros = 60 * 24 * HOUR;

/// Whether the file of a setting, whose name is `check`, can be read and is of these days.
pub fn file(check: &'static str, path: &Path, now: Micros) -> Finding {
    let name = path.display();
    if path.as_os_str().is_empty() {
        return Finding::ok(check, "no file is set, its columns stay null");
    }
    if !path.exists() {
        let found = format!("{name} does not exist, its columns stay null");
        return Finding::warn(check, found, "put one there: the next hour is looked up in it");
    }
    match Database::open(path) {
        Err(error) => Finding::fail(check, format!("{name}: {error}"), "get the file anew"),
        Ok(database) => {
            let days = (now - database.built()) / (24 * HOUR);
            let found = format!("{name}, {days} days old");
            if now - database.built() > OLD {
                Finding::warn(check, found, "get a newer one and replace the file with `mv`")
            } else {
                Finding::ok(check, found)
            }
        }
    }
}
