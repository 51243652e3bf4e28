//! What the host gives a process: a clock and open files.

use super::Finding;
use crate::clock::{HOUR, MINUTE, Micros};
use nix::sys::resource::{Resource, getrlimit};
use schema::partition::{Hour, date_text};
use std::process::Command;

/// Files open beside the sockets: segments of the spool, what is being sealed, geo files, the log.
const FILES: usize = 128;
/// A clock that is before this has not been set: 2026-01-01.
const OLDEST: Micros = 1_767_225_600_000_000;

/// Whether `sockets` and the files beside them can be open at once.
pub fn open_files(sockets: usize) -> Finding {
    const CHECK: &str = "open files";
    let needed = sockets + FILES;
    match getrlimit(Resource::RLIMIT_NOFILE) {
        Ok((limit, _)) if limit >= needed as u64 => Finding::ok(CHECK, format!("{limit}, {needed} needed")),
        Ok((limit, _)) => Finding::fail(
            CHECK,
            format!("{limit} are allowed, {needed} needed"),
            format!("raise it with `ulimit -n {needed}`, or with LimitNOFILE= in the unit"),
        ),
        Err(error) => Finding::warn(CHECK, format!("the limit is unknown, {error}"), "look at `ulimit -n`"),
    }
}

/// Whether the clock can be right; `recorded` is the last moment that an earlier run recorded.
pub fn clock(now: Micros, recorded: Option<Micros>) -> Finding {
    const CHECK: &str = "clock";
    const ADVICE: &str = "set it, for example with `timedatectl set-ntp true`";
    let date = date_text(Hour::of(now).day());
    let behind = recorded.map_or(0, |recorded| recorded - now);
    if now < OLDEST {
        Finding::fail(CHECK, format!("it says {date}, which is in the past"), ADVICE)
    } else if behind > MINUTE {
        let hours = behind as f64 / HOUR as f64;
        let found = format!("it says {date}, {hours:.1} hours before what was recorded last");
        Finding::fail(CHECK, found, format!("{ADVICE}; if it was ahead before, wait until it has caught up"))
    } else {
        Finding::ok(CHECK, date)
    }
}

/// Whether somebody keeps the clock right.
pub fn synchronised() -> Finding {
    const CHECK: &str = "clock synchronisation";
    let asked = Command::new("timedatectl").args(["show", "--property=NTPSynchronized", "--value"]).output();
    let answer = asked.map(|output| output.stdout).unwrap_or_default();
    match String::from_utf8_lossy(&answer).trim() {
        "yes" => Finding::ok(CHECK, "by NTP"),
        "no" => Finding::warn(CHECK, "none", "start one with `timedatectl set-ntp true`, or install chrony"),
        _ => Finding::warn(CHECK, "unknown, timedatectl does not say", "see to it that NTP sets the clock"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Verdict;

    #[test]
    fn more_sockets_than_open_files_fail() {
        let finding = open_files(usize::from(u16::MAX) * 1_000_000);
        assert_eq!(finding.verdict, Verdict::Fail);
        assert!(finding.advice.is_some_and(|advice| advice.contains("LimitNOFILE")));
    }

    #[test]
    fn a_clock_that_was_never_set_or_runs_behind_fails() {
        assert_eq!(clock(0, None).verdict, Verdict::Fail);
        assert_eq!(clock(OLDEST, Some(OLDEST + 2 * HOUR)).verdict, Verdict::Fail);
        assert!(clock(OLDEST, Some(OLDEST + 2 * HOUR)).found.contains("2.0 hours"));
        assert_eq!(clock(OLDEST, Some(OLDEST)).found, "2026-01-01");
    }
}
