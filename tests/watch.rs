//! What is found while it happens is what the tables say afterwards.

use crate::cli::{answer, captured_files, run, sample};
use crate::damage::spoil;
use crate::live::program;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::ipc::writer::StreamWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use queries::Parameter;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long a program may take for what it does within seconds.
const PATIENCE: Duration = Duration::from_secs(120);

/// The name of every finding of a table, with what is said of it.
type Said = BTreeMap<String, String>;

/// What the tables of the dataset at `path` say of what went on after `since`, by table.
fn computed(path: &str, since: &str) -> BTreeMap<&'static str, Said> {
    answer("analyze", &["compute", "--data", path]);
    let detectors = queries::TABLES.iter().filter_map(|table| Some((table, table.live?)));
    let said = detectors.map(|(table, live)| {
        let bind = |sql: String, parameter: &Parameter| {
            sql.replace(&format!("${}", parameter.name), &parameter.default.to_string())
        };
        let sql = table.parameters.iter().fold(live.sql.to_owned(), bind);
        let sql = format!("SELECT finding, line FROM ({sql}) WHERE at >= TIMESTAMP '{since}'");
        let rows = answer("analyze", &["sql", &sql, "--data", path, "--format", "json"]);
        let rows: Value = serde_json::from_str(&rows).expect("JSON");
        let rows = rows.as_array().expect("rows").iter();
        let said: Said = rows.map(|row| (text(row, "finding"), text(row, "line"))).collect();
        (table.name, said)
    });
    said.collect()
}

/// What is told of a finding last is what `wanted` says of it, and nothing is told that it does not say.
fn is_what_was_told(told: &[Value], wanted: &BTreeMap<&'static str, Said>) {
    for (table, wanted) in wanted {
        let mut said = Said::new();
        for row in told.iter().filter(|row| row["table"] == *table) {
            match row["over"] == true {
                true => said.remove(&text(row, "finding")),
                false => said.insert(text(row, "finding"), text(row, "line")),
            };
        }
        println!("watch: {table}: {} findings, {} lines", said.len(), told.len());
        for (finding, line) in wanted {
            assert_eq!(said.get(finding), Some(line), "{table}: {finding}");
        }
        for finding in said.keys() {
            assert!(wanted.contains_key(finding), "{table}: {finding} is in no table");
        }
    }
}

/// The rows of `captured.events` in order of time, one batch an hour, from files whose path has `part` in it.
fn events(data: &Path, part: &str) -> Vec<RecordBatch> {
    let mut files = captured_files(data, "events");
    files.retain(|path| path.to_str().is_some_and(|path| path.contains(part)));
    files.sort();
    files
        .iter()
        .flat_map(|path| {
            let file = File::open(path).expect("a file");
            ParquetRecordBatchReaderBuilder::try_new(file).expect("Parquet").build().expect("a reader")
        })
        .collect::<Result<_, _>>()
        .expect("batches")
}

/// Runs `analyze watch` over `rows` beside the dataset at `data`; returns every line that it printed.
fn watch(data: &Path, rows: &[RecordBatch]) -> Vec<Value> {
    let _ = fs::remove_dir_all(data.join("derived"));
    // Not a pipe: nobody reads it while the rows are written.
    let told = data.join("told");
    let mut child = Command::new(program("analyze"))
        .args(["watch", "--from", "-", "--format", "json", "--data", data.to_str().expect("UTF-8")])
        .stdin(Stdio::piped())
        .stdout(File::create(&told).expect("a file"))
        .spawn()
        .expect("the program starts");
    let mut writer =
        StreamWriter::try_new(child.stdin.take().expect("a pipe"), &rows[0].schema()).expect("a stream");
    for rows in rows {
        writer.write(rows).expect("rows are taken");
    }
    writer.finish().expect("a whole stream");
    drop(writer);
    let status = child.wait().expect("it ends");
    assert!(status.success(), "{status}");
    lines(&told)
}

/// The lines that a watch has printed into the file `told`.
fn lines(told: &Path) -> Vec<Value> {
    let text = fs::read_to_string(told).expect("UTF-8");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn text(row: &Value, name: &str) -> String {
    row[name].as_str().unwrap_or_else(|| panic!("no text {name} in {row}")).to_owned()
}

#[test]
fn the_watch_finds_what_the_tables_say() {
    let data = sample();
    let wanted = computed(data.path().to_str().expect("UTF-8"), "2026-01-05");
    let rows = events(data.path(), "");
    // With the presences of the first hour and no query, as if it had begun then.
    fs::remove_dir_all(data.path().join("captured/events")).expect("no queries");
    let mut presences = captured_files(data.path(), "presences");
    presences.sort();
    for later in &presences[1..] {
        fs::remove_file(later).expect("a file less");
    }
    let told = watch(data.path(), &rows);
    is_what_was_told(&told, &wanted);
    assert!(wanted.values().filter(|said| !said.is_empty()).count() >= 2, "{wanted:?}");
}

/// The first two days of the sample. On the second somebody walks through the keyspace, shortly after three.
fn two_days() -> TempDir {
    let data = sample();
    for table in schema::CAPTURED {
        for day in 7..=11 {
            let folder = data.path().join(format!("captured/{}/date=2026-01-{day:02}", table.name));
            let _ = fs::remove_dir_all(folder);
        }
    }
    data
}

/// Whether `there` comes true while somebody is patient.
fn comes(there: impl Fn() -> bool) -> bool {
    let start = Instant::now();
    while !there() && start.elapsed() < PATIENCE {
        thread::sleep(Duration::from_millis(100));
    }
    there()
}

#[test]
fn a_stream_that_begins_a_day_goes_on_from_the_whole_day_before() {
    const DAY: &str = "2026-01-06";
    let data = two_days();
    let wanted = computed(data.path().to_str().expect("UTF-8"), DAY);
    let rows = events(data.path(), DAY);
    fs::remove_dir_all(data.path().join(format!("captured/events/date={DAY}"))).expect("no query of the day");
    let told = watch(data.path(), &rows);
    is_what_was_told(&told, &wanted);
    assert!(wanted.values().any(|said| !said.is_empty()), "{wanted:?}");
}

#[test]
fn late_rows_make_nothing_new_of_what_is_known() {
    let data = two_days();
    let path = data.path().to_str().expect("UTF-8");
    assert!(!computed(path, "2026-01-06 03:00:00")["sweep_events"].is_empty(), "the walk");
    let wanted = computed(path, "2026-01-06 04:00:00");
    let day = data.path().join("captured/events/date=2026-01-06");
    let mut rows = Vec::new();
    for hour in 4..24 {
        rows.extend(events(data.path(), &format!("date=2026-01-06/hour={hour:02}")));
        fs::remove_dir_all(day.join(format!("hour={hour:02}"))).expect("an hour less");
    }
    let late = events(data.path(), "date=2026-01-05/hour=10");
    rows.splice(1..1, late);
    let told = watch(data.path(), &rows);
    is_what_was_told(&told, &wanted);
}

#[test]
fn the_watch_tells_what_new_files_bring_and_not_what_was_there() {
    let data = two_days();
    // It lists the files that are there before it computes the first day.
    let listed = || comes(|| day_table(data.path(), "lookups").exists());
    assert_eq!(the_second_day_is_told_from_three_on(data.path(), listed), (Some(0), String::new()));
}

#[test]
fn the_watch_goes_on_when_another_command_replaces_what_it_reads() {
    let (data, aside) = (two_days(), tempfile::tempdir().expect("a folder"));
    let late = data.path().join("captured/events/date=2026-01-05/hour=10");
    fs::rename(&late, aside.path().join("late")).expect("an hour set aside");
    let replaced = || {
        let reads = [
            "cross_hash_days",
            "hash_days",
            "keyspace_passes",
            "lookups",
            "operator_days",
            "pair_days",
            "visits",
        ];
        let listed = comes(|| reads.iter().all(|table| day_table(data.path(), table).exists()));
        fs::rename(aside.path().join("late"), &late).expect("an hour arrives late");
        let before = fs::read(day_table(data.path(), "lookups")).expect("a file");
        // The watch itself may be computing still.
        let path = data.path().to_str().expect("UTF-8");
        let computed = comes(|| run("analyze", &["compute", "--data", path]).status.success());
        listed && computed && fs::read(day_table(data.path(), "lookups")).expect("a file") != before
    };
    assert_eq!(the_second_day_is_told_from_three_on(data.path(), replaced), (Some(0), String::new()));
}

#[test]
fn hours_of_the_day_before_that_come_late_count() {
    const SINCE: &str = "2026-01-06 02:00:00";
    let (data, aside) = (two_days(), tempfile::tempdir().expect("a folder"));
    let path = data.path().to_str().expect("UTF-8");
    let whole = computed(path, SINCE);
    let day = data.path().join("captured/events/date=2026-01-05");
    let late: Vec<_> = (12..24).map(|hour| format!("hour={hour}")).collect();
    for hour in &late {
        fs::rename(day.join(hour), aside.path().join(hour)).expect("an hour set aside");
    }
    assert_ne!(computed(path, SINCE), whole, "it makes no difference");
    fs::remove_dir_all(data.path().join("derived")).expect("nothing computed");
    let come_late = || {
        let table = day_table(data.path(), "visits");
        let listed = comes(|| table.exists());
        let before = fs::read(&table).expect("a file");
        for hour in &late {
            fs::rename(aside.path().join(hour), day.join(hour)).expect("an hour arrives late");
        }
        // Nobody computes but the watch.
        listed && comes(|| fs::read(&table).expect("a file") != before)
    };
    assert_eq!(the_second_day_is_told_from_three_on(data.path(), come_late), (Some(0), String::new()));
}

#[test]
fn the_watch_names_a_damaged_file_and_goes_on() {
    let data = two_days();
    let day = data.path().join("captured/events/date=2026-01-06");
    let mut files = captured_files(data.path(), "events");
    files.sort();
    let victim = day.join("hour=01/spoiled.parquet");
    let spoiled = || {
        let listed = comes(|| day_table(data.path(), "lookups").exists());
        fs::copy(&files[0], &victim).expect("a copy");
        spoil(&victim);
        listed
    };
    let (code, said) = the_second_day_is_told_from_three_on(data.path(), spoiled);
    assert_eq!(code, Some(1), "{said}");
    assert_eq!(said.matches(victim.to_str().expect("UTF-8")).count(), 1, "{said}");
}

/// The file of a day table about the first day.
fn day_table(data: &Path, name: &str) -> PathBuf {
    data.join(format!("derived/{name}/date=2026-01-05/data.parquet"))
}

/// A watch begins after two hours of the second day, and after what is done `meanwhile` the others arrive. Its exit
/// code, and what it says beside the findings.
fn the_second_day_is_told_from_three_on(
    data: &Path,
    meanwhile: impl FnOnce() -> bool,
) -> (Option<i32>, String) {
    const SINCE: &str = "2026-01-06 02:00:00";
    let whole = two_days();
    let wanted = computed(whole.path().to_str().expect("UTF-8"), SINCE);
    let (walk, line) = wanted["sweep_events"].first_key_value().expect("the walk");

    let aside = tempfile::tempdir().expect("a folder");
    let day = data.join("captured/events/date=2026-01-06");
    let later: Vec<_> = (2..24).map(|hour| format!("hour={hour:02}")).collect();
    for hour in &later {
        fs::rename(day.join(hour), aside.path().join(hour)).expect("an hour set aside");
    }
    let (told, said) = (data.join("told"), data.join("said"));
    let mut child = Command::new(program("analyze"))
        .args(["watch", "--poll", "1", "--format", "json", "--data", data.to_str().expect("UTF-8")])
        .stdout(File::create(&told).expect("a file"))
        .stderr(File::create(&said).expect("a file"))
        .spawn()
        .expect("the program starts");
    let is_ready = meanwhile();
    for hour in &later {
        fs::rename(aside.path().join(hour), day.join(hour)).expect("an hour arrives");
    }
    let is_told = comes(|| {
        // The last line may be half written.
        let text = fs::read(&told).expect("a file");
        let lines = text.split(|byte| *byte == b'\n');
        let rows = lines.filter_map(|line| serde_json::from_slice::<Value>(line).ok());
        rows.filter(|row| row["finding"] == *walk).any(|row| row["line"] == *line)
    });
    let stopped = Command::new("kill").arg(child.id().to_string()).status().expect("kill starts");
    let status = child.wait().expect("it ends");
    let said = fs::read_to_string(said).expect("UTF-8");
    assert!(is_ready && is_told && stopped.success(), "ready: {is_ready}, told: {is_told}: {said}");
    is_what_was_told(&lines(&told), &wanted);
    (status.code(), said)
}
