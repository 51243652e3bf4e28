//! What is computed again, and what stays: one hour more, a late file, another threshold, deleted days,
//! an interruption, two at once.

use crate::cli::{answer, captured_files, run, sample};
use queries::{Grain, Retention, Table};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Days of the sample.
const DAYS: usize = 7;

/// Tables and days that `compute --explain` names, and why.
fn stale(data: &Path, more: &[&str]) -> Vec<(String, String, String)> {
    let data = data.to_str().expect("UTF-8");
    let options = ["compute", "--explain", "--data", data, "--format", "json"];
    let rows: Value = serde_json::from_str(&answer("analyze", &[&options, more].concat())).expect("JSON");
    let text = |row: &Value, name: &str| row[name].as_str().unwrap_or("all").to_owned();
    let rows = rows.as_array().expect("rows");
    rows.iter().map(|row| (text(row, "table"), text(row, "day"), text(row, "why"))).collect()
}

/// Computes what is stale; returns what the program says about it.
fn compute(data: &Path) -> String {
    let output = run("analyze", &["compute", "--data", data.to_str().expect("UTF-8")]);
    let said = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(output.status.success(), "{said}");
    said
}

fn derived(data: &Path, table: &Table, day: &str) -> PathBuf {
    data.join("derived").join(table.name).join(format!("date={day}")).join("data.parquet")
}

fn day_tables() -> impl Iterator<Item = &'static Table> + Clone {
    queries::TABLES.iter().filter(|table| table.grain != Grain::Window)
}

/// Moves the newest file of `captured.events` on `day` out of the dataset.
fn take_away(data: &Path, day: &str) -> (PathBuf, PathBuf) {
    let files = captured_files(data, "events");
    let files = files.iter().filter(|path| path.display().to_string().contains(&format!("date={day}")));
    let file = files.max().expect("a file of that day").clone();
    let aside = data.join("aside.parquet");
    fs::rename(&file, &aside).expect("a file moved");
    (file, aside)
}

#[test]
fn an_hour_more_recomputes_its_day_and_what_depends_on_it() {
    let data = sample();
    for day in ["2026-01-11", "2026-01-07"] {
        let (file, aside) = take_away(data.path(), day);
        compute(data.path());
        assert!(stale(data.path(), &[]).is_empty());
        fs::rename(&aside, &file).expect("a file moved back");
        let stale = stale(data.path(), &[]);
        let days: BTreeSet<&str> = stale.iter().map(|(_, day, _)| day.as_str()).collect();
        // The next day looks back into the last hours of this one, and what is computed from both of them
        // into those of the next.
        let mut fitting: BTreeSet<String> = ["08", "09", "10"].map(|later| day.replace("07", later)).into();
        fitting.extend([day.to_owned(), "all".to_owned()]);
        assert!(days.iter().all(|day| fitting.contains(*day)), "{stale:?}");
        for table in day_tables() {
            assert!(stale.iter().any(|row| row.0 == table.name && row.1 == day), "{}: {stale:?}", table.name);
        }
        let lookups = stale.iter().find(|row| row.0 == "lookups").expect("a row");
        assert_eq!(lookups.2, format!("changed: captured.events of {day}"));
        let said = compute(data.path());
        assert!(said.contains(&format!("computed {} files", stale.len())), "{said}");
    }
}

#[test]
fn a_threshold_recomputes_what_it_touches_and_nothing_else() {
    let data = sample();
    compute(data.path());
    let config = data.path().join("analyze.toml");
    fs::write(&config, "[hash_behavior_profiles]\nmin_asns = 4\n").expect("a file");
    let stale = stale(data.path(), &["--config", config.to_str().expect("UTF-8")]);
    let own = ("hash_behavior_profiles".to_owned(), "all".to_owned(), "other thresholds".to_owned());
    assert!(stale.contains(&own), "{stale:?}");
    let others = stale.iter().filter(|row| **row != own);
    assert!(
        others.clone().all(|row| row.1 == "all" && row.2.contains("hash_behavior_profiles")),
        "{stale:?}"
    );
}

#[test]
fn records_leave_with_their_queries_and_findings_stay() {
    let data = sample();
    compute(data.path());
    let count = |query: &str| {
        let path = data.path().to_str().expect("UTF-8");
        let answer = answer("analyze", &["sql", query, "--data", path, "--format", "csv"]);
        answer.lines().nth(1).expect("a row").parse::<u64>().expect("a number")
    };
    let before = count("SELECT count(*) AS n FROM derived.hash_behavior_profiles");
    let gone = count(
        "SELECT count(*) AS n FROM derived.hash_behavior_profiles WHERE last_seen < TIMESTAMP '2026-01-06'",
    );
    let kept: Vec<(PathBuf, Vec<u8>)> = day_tables()
        .filter(|table| table.retention != Retention::Raw)
        .map(|table| derived(data.path(), table, "2026-01-05"))
        .map(|path| (path.clone(), fs::read(&path).expect("a derived file")))
        .collect();
    assert!(gone > 0 && !kept.is_empty(), "the sample has too little to show it");

    fs::remove_dir_all(data.path().join("captured/events/date=2026-01-05")).expect("a day less");
    let explained = stale(data.path(), &[]);
    assert!(explained.iter().all(|row| row.1 == "all"), "{explained:?}");
    let said = compute(data.path());
    let records = day_tables().filter(|table| table.retention == Retention::Raw);
    let sums = queries::TABLES.iter().filter(|table| table.sums());
    assert!(said.contains(&format!("deleted {} files", records.clone().count() + sums.count())), "{said}");
    let told = count("SELECT count(*) AS n FROM derived.pairs WHERE first_seen < TIMESTAMP '2026-01-06'");
    assert_eq!(told, 0, "sums leave with the days that they add up");
    for table in records {
        assert!(!derived(data.path(), table, "2026-01-05").exists(), "{} stays", table.name);
    }
    for (path, bytes) in kept {
        assert!(fs::read(&path).expect("a derived file") == bytes, "{} changed", path.display());
    }
    let still = count(
        "SELECT count(*) AS n FROM derived.hash_behavior_profiles WHERE last_seen < TIMESTAMP '2026-01-06'",
    );
    let after = count("SELECT count(*) AS n FROM derived.hash_behavior_profiles");
    assert_eq!(still, gone, "profiles of what left stay as last computed");
    assert!(after <= before, "{after} profiles of {before}");
    assert!(stale(data.path(), &[]).is_empty());
    let said = compute(data.path());
    assert!(said.contains("computed 0 files"), "{said}");
}

#[test]
fn what_was_interrupted_is_taken_up() {
    let data = sample();
    compute(data.path());
    let all = DAYS * day_tables().count();
    let half: Vec<PathBuf> = day_tables().map(|table| derived(data.path(), table, "2026-01-08")).collect();
    for path in &half {
        fs::remove_file(path).expect("a file less");
        fs::write(path.with_file_name(".data.parquet.tmp"), "half").expect("half a file");
    }
    let stale = stale(data.path(), &[]);
    let missing = stale.iter().filter(|row| row.2 == "not computed yet");
    assert_eq!(missing.count(), half.len(), "{stale:?}");
    assert!(stale.len() < all, "{stale:?}");
    compute(data.path());
    for path in half {
        assert!(path.exists() && !path.with_file_name(".data.parquet.tmp").exists(), "{}", path.display());
    }
}

#[test]
fn the_second_of_two_says_so_and_ends() {
    let data = sample();
    let folder = data.path().join("derived");
    fs::create_dir_all(&folder).expect("a folder");
    let file = fs::File::create(folder.join(".computing")).expect("a file");
    file.lock().expect("the lock");
    let output = run("analyze", &["compute", "--data", data.path().to_str().expect("UTF-8")]);
    let said = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("another analyze") && said.contains("is computing"), "{said}");
    drop(file);
    compute(data.path());
}

#[test]
fn old_days_are_pruned_once_they_are_summarised() {
    let data = sample();
    let path = data.path().to_str().expect("UTF-8");
    let days = || {
        let days = "SELECT count(DISTINCT date) AS days, min(date) AS first FROM captured.events";
        let answer = answer("analyze", &["sql", days, "--data", path, "--format", "csv"]);
        answer.lines().nth(1).expect("a row").to_owned()
    };
    let prune = |more: &[&str]| {
        answer("analyze", &[&["prune", "--data", path, "--format", "markdown"], more].concat())
    };
    let kept = prune(&[]);
    assert!(kept.contains("Nothing is older than the newest 31 days held"), "{kept}");
    assert_eq!(days(), "7,2026-01-05");
    let shown = prune(&["--keep", "5", "--dry-run"]);
    assert!(shown.contains("captured.events") && shown.contains("2026-01-06"), "{shown}");
    assert!(!shown.contains("2026-01-07 |") && shown.contains("Nothing was changed"), "{shown}");
    assert_eq!(days(), "7,2026-01-05");

    let damaged = captured_files(data.path(), "events").remove(0);
    let whole = fs::read(&damaged).expect("a file");
    fs::write(&damaged, "half").expect("half a file");
    let output = run("analyze", &["prune", "--keep", "5", "--data", path]);
    let said = String::from_utf8(output.stdout).expect("UTF-8");
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("date=2026-01-05 stays"), "{said}");
    fs::write(&damaged, whole).expect("the whole file");
    assert_eq!(days(), "6,2026-01-05");
    prune(&["--keep", "5"]);
    assert_eq!(days(), "5,2026-01-07");
    assert!(derived(data.path(), &queries::hash_days::TABLE, "2026-01-05").exists());
    assert!(!derived(data.path(), &queries::lookups::TABLE, "2026-01-05").exists());
    assert!(stale(data.path(), &[]).is_empty());
}

/// What `query` answers over the dataset, without the heading.
fn sql(data: &Path, query: &str) -> String {
    let answer =
        answer("analyze", &["sql", query, "--data", data.to_str().expect("UTF-8"), "--format", "csv"]);
    answer.split_once('\n').map_or_else(String::new, |(_, rows)| rows.to_owned())
}

/// Deletes the queries of a day.
fn forget(data: &Path, day: &str) {
    fs::remove_dir_all(data.join("captured/events").join(format!("date={day}"))).expect("a day less");
}

#[test]
fn a_day_of_a_wrong_clock_costs_one_of_those_that_stay() {
    let data = sample();
    let events = data.path().join("captured/events");
    fs::rename(events.join("date=2026-01-11"), events.join("date=2027-01-11")).expect("a clock a year ahead");
    answer("analyze", &["prune", "--keep", "6", "--data", data.path().to_str().expect("UTF-8")]);
    let days = "SELECT count(DISTINCT date), min(date) FROM captured.events";
    assert_eq!(sql(data.path(), days).trim(), "6,2026-01-06");
}

#[test]
fn what_comes_back_of_a_pruned_day_changes_nothing() {
    let data = sample();
    let path = data.path().to_str().expect("UTF-8");
    let day = data.path().join("captured/events/date=2026-01-05");
    let mut hours = captured_files(data.path(), "events");
    hours.retain(|path| path.starts_with(&day));
    let copies: Vec<_> = hours.iter().map(|path| (path, fs::read(path).expect("a file"))).collect();
    answer("analyze", &["prune", "--keep", "6", "--data", path]);
    let kept = || fs::read(derived(data.path(), &queries::hash_days::TABLE, "2026-01-05")).expect("a file");
    let (before, rows) = (kept(), "SELECT count(*) FROM captured.events");
    let held = sql(data.path(), rows);
    // The next copy from the sensor, broken off in the middle.
    for (path, bytes) in &copies[..2] {
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, bytes).expect("a file");
    }
    let said = compute(data.path());
    assert!(
        said.contains("computed 0 files") && said.contains("left out 2 files of days that were pruned"),
        "{said}"
    );
    assert_eq!((kept() == before, sql(data.path(), rows)), (true, held));
    let said = answer("analyze", &["prune", "--keep", "6", "--data", path]);
    assert!(said.contains("Deleted 2 files of pruned days that had come back"), "{said}");
    let hour = copies[0].0.parent().expect("a folder");
    assert!(!hour.exists() && day.join(".pruned").exists());
}

#[test]
fn what_was_found_stays_as_its_days_leave_one_by_one() {
    let data = sample();
    compute(data.path());
    // Pairs that came on several days, and not on the last two.
    let query = "SELECT operator, infohash, visits, first_seen, last_seen \
                 FROM derived.rendezvous_events WHERE infohash IS NOT NULL AND last_seen < TIMESTAMP '2026-01-10' \
                 AND CAST(first_seen AS DATE) < CAST(last_seen AS DATE) ORDER BY infohash, operator";
    let found = sql(data.path(), query);
    assert!(found.lines().count() > 20, "the sample has too little to show it: {found}");
    for day in 5..10 {
        forget(data.path(), &format!("2026-01-{day:02}"));
        compute(data.path());
        assert_eq!(sql(data.path(), query), found, "after day {day} left");
    }
    // By other rules all is judged anew that is not gone.
    let config = data.path().join("analyze.toml");
    fs::write(&config, "[rendezvous_events]\nmax_cv = 0.4\n").expect("a file");
    let later = "SELECT count(*) FROM derived.rendezvous_events WHERE first_seen < TIMESTAMP '2026-01-10' \
                 AND last_seen >= TIMESTAMP '2026-01-10'";
    assert_ne!(sql(data.path(), later).trim(), "0", "nothing has left in part");
    let path = data.path().to_str().expect("UTF-8");
    answer("analyze", &["compute", "--data", path, "--config", config.to_str().expect("UTF-8")]);
    assert_eq!(sql(data.path(), later).trim(), "0");
    assert_eq!(sql(data.path(), query), found);
    // A day that is there again is no reason to forget those after it, nor is it to have no query at all.
    let (again, day) = (sample(), "captured/events/date=2026-01-05");
    fs::rename(again.path().join(day), data.path().join(day)).expect("a day more");
    compute(data.path());
    assert_eq!(sql(data.path(), query), found);
    fs::remove_dir_all(data.path().join("captured/events")).expect("no day");
    let said = compute(data.path());
    assert!(said.contains("computed 0 files"), "{said}");
}

#[test]
fn what_is_computed_over_days_held_sees_no_others() {
    let (pruned, never) = (sample(), sample());
    compute(pruned.path());
    for day in 5..9 {
        forget(pruned.path(), &format!("2026-01-{day:02}"));
        forget(never.path(), &format!("2026-01-{day:02}"));
        let presences = never.path().join(format!("captured/presences/date=2026-01-{day:02}"));
        fs::remove_dir_all(presences).expect("a day less");
    }
    compute(pruned.path());
    compute(never.path());
    // The first day held still looks back into the one before it where that was there.
    let exposed = "SELECT infohash, exposure_bits FROM derived.hash_audiences \
                   WHERE first_seen >= TIMESTAMP '2026-01-10' ORDER BY infohash";
    let found = sql(pruned.path(), exposed);
    assert!(found.lines().count() > 100, "{found}");
    // What had come before as well, and not since, stays as it was.
    let never = sql(never.path(), exposed);
    let never: BTreeSet<&str> = never.lines().collect();
    let other: Vec<&str> = found.lines().filter(|row| !never.contains(row)).collect();
    assert!(other.is_empty(), "{other:?}");
}
