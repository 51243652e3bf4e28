//! Whether there is a place for what is recorded, and room.

use super::Finding;
use crate::config::Config;
use crate::metrics::Space;
use crate::spool;
use nix::unistd::{AccessFlags, access};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// What a sensor without any file yet is taken to write in a day, bytes: 3 million events.
const UNKNOWN_DAY: u64 = 75_000_000;

/// Whether another daemon would be in the way.
pub fn lock(is_running: bool, data: &Path, sensor: &str) -> Finding {
    const CHECK: &str = "lock";
    if is_running {
        let found = format!("sensor {sensor} is recording into {}", data.display());
        Finding::warn(CHECK, found, "stop it before you start another")
    } else {
        Finding::ok(CHECK, format!("no other capture is recording as {sensor}"))
    }
}

/// Whether this user may write wherever the daemon will.
pub fn folder(data: &Path, sensor: &str) -> Finding {
    const CHECK: &str = "data folder";
    let places = [spool::folder(data, sensor), data.join("captured")];
    let refused = places.iter().find_map(|place| {
        let place = existing(place);
        let error = access(&place, AccessFlags::W_OK | AccessFlags::X_OK).err()?;
        Some(Finding::fail(
            CHECK,
            format!("{} cannot be written, {}", place.display(), error.desc()),
            "give it to the user that runs capture, or name another --data",
        ))
    });
    refused.unwrap_or_else(|| Finding::ok(CHECK, format!("{} can be written", data.display())))
}

/// Whether the file system has room, above the floor, until retention begins to remove as much as is
/// added.
pub fn space(config: &Config) -> Finding {
    const CHECK: &str = "disk space";
    let data = &config.data;
    let Some(space) = Space::below(&existing(data)) else {
        return Finding::warn(CHECK, format!("unknown at {}", data.display()), "look at `df`");
    };
    let days = days(data);
    // The newest day is still growing.
    let full = days.values().rev().skip(1).take(7).max().copied();
    let expected = full.unwrap_or(UNKNOWN_DAY) * u64::from(config.keep_events);
    let missing = expected.saturating_sub(days.values().sum());
    let gigabytes = |bytes: u64| bytes as f64 / 1e9;
    let found = format!(
        "{:.1} GB free, {:.1} GB {} for {} days",
        gigabytes(space.free),
        gigabytes(missing),
        if full.is_some() { "more expected" } else { "assumed" },
        config.keep_events,
    );
    if space.free < config.free_space_floor {
        let floor = gigabytes(config.free_space_floor);
        let found = format!("{found}; recording stops below {floor:.1} GB");
        Finding::fail(CHECK, found, "make room, or lower --free-space-floor")
    } else if space.free - config.free_space_floor < missing {
        Finding::warn(CHECK, found, "make room, or leave methods out with --record")
    } else {
        Finding::ok(CHECK, found)
    }
}

/// Bytes of captured files by date, all tables together.
fn days(data: &Path) -> BTreeMap<String, u64> {
    let below = |folder: PathBuf| fs::read_dir(folder).into_iter().flatten().flatten();
    let mut days = BTreeMap::new();
    for day in below(data.join("captured")).flat_map(|table| below(table.path())) {
        let size = |file: fs::DirEntry| file.metadata().map_or(0, |file| file.len());
        let bytes: u64 = below(day.path()).flat_map(|hour| below(hour.path())).map(size).sum();
        *days.entry(day.file_name().to_string_lossy().into_owned()).or_default() += bytes;
    }
    days
}

/// `path`, or the nearest folder above it that exists.
fn existing(path: &Path) -> PathBuf {
    let above = path.ancestors().find(|path| path.exists());
    match above {
        Some(path) if !path.as_os_str().is_empty() => path.to_owned(),
        _ => PathBuf::from("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Verdict;
    use crate::spool::Spool;

    #[test]
    fn a_running_sensor_is_noticed_by_its_lock() {
        let data = tempfile::tempdir().expect("a folder");
        let verdict = |sensor| lock(spool::is_locked(data.path(), sensor), data.path(), sensor).verdict;
        assert_eq!(verdict("here"), Verdict::Ok);
        let spool = Spool::open(data.path(), "here").expect("opened");
        assert_eq!((verdict("here"), verdict("there")), (Verdict::Warn, Verdict::Ok));
        drop(spool);
        assert_eq!(verdict("here"), Verdict::Ok);
    }

    #[test]
    fn a_folder_that_nobody_can_write_fails() {
        // Not even root may create anything there.
        let finding = folder(Path::new("/proc/sys"), "here");
        assert_eq!(finding.verdict, Verdict::Fail);
        assert!(finding.found.contains("/proc/sys"), "{}", finding.found);
        let data = tempfile::tempdir().expect("a folder");
        assert_eq!(folder(&data.path().join("new/er"), "here").verdict, Verdict::Ok);
        assert!(!data.path().join("new").exists(), "nothing was created");
    }

    #[test]
    fn the_growth_of_full_days_is_held_against_the_free_space() {
        let data = tempfile::tempdir().expect("a folder");
        let write = |day: u32, bytes| {
            let hour = data.path().join(format!("captured/events/date=2026-01-0{day}/hour=00"));
            fs::create_dir_all(&hour).expect("created");
            fs::File::create(hour.join("here-0.parquet")).expect("created").set_len(bytes).expect("sparse");
        };
        let config = Config { data: data.path().to_owned(), free_space_floor: 0, ..Config::default() };
        write(1, 1);
        assert!(space(&config).found.contains("assumed"), "one day is still growing");
        write(2, 5);
        assert_eq!(space(&config).verdict, Verdict::Ok);
        write(1, 1 << 42);
        let finding = space(&config);
        assert_eq!(finding.verdict, Verdict::Warn, "{}", finding.found);
        let finding = space(&Config { free_space_floor: u64::MAX, ..config });
        assert_eq!(finding.verdict, Verdict::Fail, "{}", finding.found);
    }
}
