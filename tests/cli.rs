//! What people see on the command line: answers on standard output, one clear sentence for what
//! is wrong, and the exit code that goes with it.

use crate::live::program;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use queries::Grain;
use schema::version;
use serde_json::Value;
use std::fs::File;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

const OK: i32 = 0;
const FAILURE: i32 = 1;
const USAGE: i32 = 2;
const NO_DATA: i32 = 3;

/// Runs one of our programs.
pub fn run(name: &str, arguments: &[&str]) -> Output {
    Command::new(program(name)).args(arguments).output().expect("the program starts")
}

/// Standard output of a run that must succeed.
pub fn answer(name: &str, arguments: &[&str]) -> String {
    let output = run(name, arguments);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(OK), "{name} {arguments:?}: {error}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Standard error of a run that must end with `code`, on as few lines as a sentence needs.
fn refusal(name: &str, arguments: &[&str], code: i32) -> String {
    let output = run(name, arguments);
    let error = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(code), "{name} {arguments:?}: {error}");
    assert!(output.stdout.is_empty(), "{name} {arguments:?} printed data");
    error
}

/// A copy of the sample dataset that a test may change.
pub fn sample() -> TempDir {
    let copy = tempfile::tempdir().expect("a temporary folder");
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/sample/captured");
    copy_folder(&sample, &copy.path().join("captured"));
    copy
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in from.read_dir().unwrap_or_else(|error| panic!("{}: {error}", from.display())) {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("a copy");
        }
    }
}

/// Some captured files of a dataset, in order of their paths.
pub fn captured_files(data: &Path, table: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![data.join("captured").join(table)];
    while let Some(folder) = folders.pop() {
        for entry in folder.read_dir().expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    files
}

#[test]
fn the_summary_shows_the_actors_of_the_sample() {
    let data = sample();
    let data = data.path().to_str().expect("UTF-8");
    let summary = answer("analyze", &["report", "--data", data]);
    for expected in [
        "Newest sealed day",
        "Activity by day",
        "Behaviour labels",
        "Strongest signals",
        "periodic_lookup_target",
        "Operator classes",
        "Top operators",
    ] {
        assert!(summary.contains(expected), "no {expected} in:\n{summary}");
    }
    let behavior = answer("analyze", &["report", "--behavior", "--data", data, "--limit", "0"]);
    assert!(behavior.contains("score:3 burst_activity, observer_target, dead_swarm"), "{behavior}");
}

#[test]
fn every_view_and_table_comes_in_every_format() {
    let data = sample();
    let data = data.path().to_str().expect("UTF-8");
    let query =
        "SELECT infohash FROM derived.hash_behavior_profiles ORDER BY signal_score DESC, infohash LIMIT 1";
    answer("analyze", &["compute", "--data", data]);
    let hash = answer("analyze", &["sql", query, "--data", data, "--format", "csv"]);
    let hash = hash.lines().nth(1).expect("a row");
    for arguments in [
        vec!["report"],
        vec!["report", "--behavior"],
        vec!["report", "--hash", hash],
        vec!["sql", "SELECT * FROM captured.events ORDER BY ts LIMIT 3"],
        vec!["tables"],
    ] {
        let in_format = |format| {
            let mut all = arguments.clone();
            all.extend(["--data", data, "--format", format]);
            answer("analyze", &all)
        };
        let json: Value = serde_json::from_str(&in_format("json")).expect("JSON");
        assert!(json.as_array().is_some_and(|rows| !rows.is_empty()), "{arguments:?}: {json}");
        assert!(in_format("csv").lines().filter(|line| line.contains(',')).count() > 1, "{arguments:?}");
        let (table, markdown) = (in_format("table"), in_format("markdown"));
        assert!(!(table + &markdown).contains('\u{1b}'), "{arguments:?}: colour in a pipe");
        assert!(markdown.contains("|--"), "{arguments:?}: {markdown}");
    }
}

/// What `report` answers as JSON, and what it says about it.
fn report(data: &Path, arguments: &[&str]) -> (Value, String) {
    let data = data.to_str().expect("UTF-8");
    let output = run("analyze", &[&["report", "--data", data, "--format", "json"], arguments].concat());
    let said = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(OK), "{arguments:?}: {said}");
    (serde_json::from_slice(&output.stdout).expect("JSON"), said)
}

fn remove_day(data: &Path, day: &str) {
    for table in ["events", "presences"] {
        let folder = data.join("captured").join(table).join(format!("date={day}"));
        std::fs::remove_dir_all(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    }
}

/// Day tables never read ahead, so the first two days look the same with and without those after them.
#[test]
fn a_period_is_answered_as_if_nothing_else_was_held() {
    let (all, two) = (sample(), sample());
    for day in 7..=11 {
        remove_day(two.path(), &format!("2026-01-{day:02}"));
    }
    let (wanted, said) = report(two.path(), &["--behavior"]);
    assert!(!said.contains("whole days"), "{said}");
    for period in [vec!["--until", "2026-01-06"], vec!["--since", "7d", "--until", "2026-01-07 00:00"]] {
        let (got, said) = report(all.path(), &[&["--behavior"], period.as_slice()].concat());
        assert!(said.contains("whole days, 2026-01-05 to 2026-01-06"), "{said}");
        assert_eq!(got, wanted, "{period:?}");
    }
    let (whole, _) = report(all.path(), &["--behavior"]);
    assert_ne!(whole, wanted, "a period must change nothing that is kept");

    let path = all.path().to_str().expect("UTF-8");
    let days = answer("analyze", &["report", "--data", path, "--hours", "24", "--format", "markdown"]);
    assert!(days.contains("2026-01-11") && !days.contains("2026-01-10"), "{days}");
    let said = refusal("analyze", &["report", "--data", path, "--since", "2026-02-01"], NO_DATA);
    assert!(said.contains("2026-01-05 to 2026-01-11"), "{said}");
    let said = refusal("analyze", &["report", "--data", path, "--since", "soon"], USAGE);
    assert!(said.contains("soon") && said.contains("2026-01-05") && said.contains("7d"), "{said}");
}

#[test]
fn hours_without_a_query_were_watched_all_the_same() {
    let data = sample();
    let path = data.path().to_str().expect("UTF-8");
    let now = || {
        let answer = answer("analyze", &["metrics", "--hours", "24", "--data", path, "--format", "json"]);
        let sections: Value = serde_json::from_str(&answer).expect("JSON");
        sections[0]["rows"][0]["time"].as_str().expect("a time").to_owned()
    };
    let newest = now();
    for day in ["2026-01-10", "2026-01-11"] {
        std::fs::remove_dir_all(data.path().join(format!("captured/events/date={day}"))).expect("a day less");
    }
    assert_eq!(now(), newest);
}

#[test]
fn a_format_that_a_command_does_not_have_is_refused() {
    for (command, has) in [("explain", "Markdown"), ("schema", "Markdown"), ("config", "TOML")] {
        let arguments: &[&str] = if command == "explain" { &[command, "sweep_events"] } else { &[command] };
        let said = refusal("analyze", &[arguments, &["--format", "json"]].concat(), USAGE);
        assert!(said.contains(&format!("`analyze {command}` prints {has}")), "{said}");
    }
    let said = refusal("analyze", &["watch", "--format", "csv"], USAGE);
    assert!(said.contains("lines, or objects with json"), "{said}");
}

#[test]
fn lists_hide_rows_and_change_no_number() {
    let data = sample();
    let (plain, _) = report(data.path(), &["--behavior"]);
    let section = |report: &Value, title: &str| -> Value {
        let sections = report.as_array().expect("sections");
        sections.iter().find(|section| section["title"] == title).expect("the section").clone()
    };
    let all = section(&plain, "Most looked up");
    let rows = all["rows"].as_array().expect("rows");
    let hash = rows[0]["infohash"].as_str().expect("an infohash");

    let list = data.path().join("list.txt");
    std::fs::write(&list, format!("{hash} # the busiest\n")).expect("a file");
    let list = format!("@{}", list.display());
    let (less, said) = report(data.path(), &["--behavior", "--hide", &list, "--hide", "AS64496"]);
    let shown = section(&less, "Most looked up");
    assert_eq!(shown["rows"].as_array().expect("rows")[..], rows[1..]);
    assert_eq!((&shown["hidden"], shown["total"].as_u64()), (&Value::from(1), Some(rows.len() as u64 - 1)));
    assert_eq!(section(&less, "Label breakdown"), section(&plain, "Label breakdown"));
    assert!(said.contains("There is no column `asn` in any section"), "{said}");

    let (only, _) = report(data.path(), &["--behavior", "--only", hash]);
    assert_eq!(section(&only, "Most looked up")["rows"].as_array().expect("rows")[..], rows[..1]);
    let path = data.path().to_str().expect("UTF-8");
    let text = answer("analyze", &["report", "--behavior", "--data", path, "--hide", hash]);
    assert!(text.contains("more hidden as you asked"), "{text}");
    let said = refusal("analyze", &["report", "--data", path, "--hide", "example.org"], USAGE);
    assert!(said.contains("`example.org`") && said.contains("40 hexadecimal digits"), "{said}");
}

#[test]
fn rows_are_sorted_by_a_column_that_exists() {
    let data = sample();
    let (sorted, _) = report(data.path(), &["--behavior", "--sort", "observer score:desc"]);
    let sections = sorted.as_array().expect("sections");
    let section = sections.iter().find(|section| section["title"] == "Most looked up").expect("the section");
    let rows = section["rows"].as_array().expect("rows");
    let scores: Vec<_> = rows.iter().map(|row| row["observer_score"].as_f64().expect("a number")).collect();
    assert!(scores.first() > scores.last() && scores.is_sorted_by(|a, b| a >= b), "{scores:?}");
    let path = data.path().to_str().expect("UTF-8");
    let said = refusal("analyze", &["report", "--behavior", "--data", path, "--sort", "evnts"], USAGE);
    assert!(
        said.contains("`evnts`") && said.contains("burst_score, ") && said.contains("events, "),
        "{said}"
    );
}

#[test]
fn the_user_names_parties_in_a_file() {
    let data = sample();
    let path = data.path().to_str().expect("UTF-8");
    let actors = data.path().join("actors.csv");
    std::fs::write(&actors, "party,label,note\n192.0.2.0/24,hosting,\nAS64496,measurement_node,seen\n")
        .expect("a file");
    std::fs::write(data.path().join("analyze.toml"), "actors = \"actors.csv\"\n").expect("a file");
    let config = data.path().join("analyze.toml");
    let config = config.to_str().expect("UTF-8");
    let query =
        "SELECT network, ip_text(network_end) AS last, asn, label, note FROM user.actors ORDER BY asn";
    let rows = answer("analyze", &["sql", query, "--data", path, "--config", config, "--format", "csv"]);
    assert_eq!(
        rows,
        "network,last,asn,label,note\n,,64496,measurement_node,seen\n192.0.2.0/24,192.0.2.255,,hosting,\n"
    );

    std::fs::write(&actors, "party,label,note\nexample.org,x,\n").expect("a file");
    let actors = actors.to_str().expect("UTF-8");
    let said = refusal("analyze", &["report", "--data", path, "--actors", actors], USAGE);
    assert!(said.contains(actors) && said.contains("line 2") && said.contains("`example.org`"), "{said}");
}

#[test]
fn a_detector_explains_itself() {
    let data = sample();
    let config = data.path().join("analyze.toml");
    std::fs::write(&config, "[hash_behavior_profiles]\nmin_events = 30\n").expect("a file");
    let config = config.to_str().expect("UTF-8");
    for table in queries::TABLES {
        let page = answer("analyze", &["explain", table.name, "--config", config]);
        assert!(page.contains(&table.doc()), "{page}");
        for parameter in table.parameters {
            assert!(page.contains(&format!("`{} = ", parameter.name)), "{}: {page}", parameter.name);
        }
    }
    let page = answer("analyze", &["explain", "hash_behavior_profiles", "--config", config]);
    assert!(page.contains("`min_events = 30` events (set in the configuration; default: 10)"), "{page}");
    assert!(page.contains("* `derived.pairs`") && page.contains("`analyze report --behavior`"), "{page}");
    let said = refusal("analyze", &["explain", "hash_behaviour"], USAGE);
    assert!(said.contains("`hash_behaviour`") && said.contains("hash_behavior_profiles"), "{said}");
}

#[test]
fn the_same_answer_takes_no_second_computation() {
    let data = sample();
    let data = data.path().to_str().expect("UTF-8");
    let count = |expected: &str| {
        let output = run("analyze", &["compute", "--data", data]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains(expected), "{said}");
    };
    // Seven days of every day table, and one file of every other.
    let files = queries::TABLES.iter().map(|table| if table.grain == Grain::Window { 1 } else { 7 });
    let files: usize = files.sum();
    count(&format!("computed {files} files, 0 were up to date"));
    count(&format!("computed 0 files, {files} were up to date"));
    let tables = answer("analyze", &["tables", "--data", data]);
    assert!(tables.contains("up to date") && !tables.contains("stale"), "{tables}");
}

#[test]
fn a_file_says_how_many_tests_were_made() {
    let data = sample();
    let data = data.path();
    let root = data.to_str().expect("UTF-8");
    for (name, at_least) in [("rendezvous_events", 2), ("hash_signals", 2), ("visits", 0)] {
        answer("analyze", &["compute", "--data", root, name]);
        let folder = data.join("derived").join(name);
        let day = folder.join("date=2026-01-05");
        let file = if day.is_dir() { day } else { folder }.join("data.parquet");
        let file = File::open(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let footer = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new()).expect("a footer");
        let pairs = footer.metadata().file_metadata().key_value_metadata().expect("metadata");
        let said: Vec<_> = pairs.iter().filter(|pair| pair.key == version::TESTS).collect();
        assert_eq!(said.len(), 1, "{name}");
        let table = queries::table(name).expect("a table");
        let counted = match table.families {
            None => "0".to_owned(),
            Some(family) => {
                let rows = format!(
                    "SELECT sum(tests) FROM (SELECT max(tests) AS tests FROM derived.{name} GROUP BY {family})"
                );
                let counted = answer("analyze", &["sql", "--data", root, "--format", "csv", &rows]);
                counted.lines().last().unwrap_or_default().to_owned()
            }
        };
        assert_eq!(said[0].value.as_deref(), Some(counted.as_str()), "{name}");
        assert!(counted.parse::<i64>().expect("a number") >= at_least, "{name}: {counted}");
    }
}

#[test]
fn what_there_is_no_data_on_has_an_exit_code_of_its_own() {
    let data = sample();
    let path = data.path().to_str().expect("UTF-8");
    let hash = "00112233445566778899aabbccddeeff00112233";
    let said = refusal("analyze", &["report", "--hash", hash, "--data", path], NO_DATA);
    assert!(said.contains(hash) && said.contains("was not seen") && said.contains(path), "{said}");

    let metrics = data.path().join("captured/system_metrics");
    if metrics.is_dir() {
        std::fs::remove_dir_all(metrics).expect("a folder less");
    }
    let said = refusal("analyze", &["metrics", "--data", path], NO_DATA);
    assert!(said.contains("captured.system_metrics has no row") && said.contains(path), "{said}");

    let empty = tempfile::tempdir().expect("a temporary folder");
    let path = empty.path().to_str().expect("UTF-8");
    let said = refusal("analyze", &["report", "--data", path], NO_DATA);
    assert!(said.contains("no captured file") && said.contains(path) && said.contains("--data"), "{said}");
    let said = refusal("analyze", &["watch", "--data", path], NO_DATA);
    assert!(said.contains("no captured file") && said.contains(path), "{said}");

    let said = refusal("analyze", &["report", "--data", "/nonexistent"], NO_DATA);
    assert!(said.contains("/nonexistent is not a directory"), "{said}");
}

#[test]
fn requests_that_make_no_sense_are_refused() {
    let data = sample();
    let path = data.path().to_str().expect("UTF-8");
    let config = data.path().join("analyze.toml");
    std::fs::write(&config, "[hash_behavior_profiles]\nmin_event = 3\n").expect("a file");
    let config = config.to_str().expect("UTF-8");

    let said = refusal("analyze", &["report", "--hash", "abc", "--data", path], USAGE);
    assert!(said.contains("`abc`") && said.contains("40 hexadecimal digits"), "{said}");
    let said = refusal("analyze", &["report", "--data", path, "--config", config], USAGE);
    assert!(said.contains(config) && said.contains("`min_event`") && said.contains("`min_events`"), "{said}");
    let said = refusal("analyze", &["compute", "hash_dys", "--data", path], USAGE);
    assert!(said.contains("`hash_dys`") && said.contains("hash_days"), "{said}");
    for (wrong, meant) in
        [("captured.evens", "captured.events"), ("pairs", "derived.pairs"), ("derived.actors", "user.actors")]
    {
        let said = refusal("analyze", &["sql", &format!("SELECT * FROM {wrong}"), "--data", path], USAGE);
        let hint = format!("there is no table `{wrong}`; did you mean `{meant}`?");
        assert!(said.contains(&hint), "{said}");
    }
    let said = refusal("analyze", &["sql", "DROP TABLE captured.events", "--data", path], USAGE);
    assert!(said.to_lowercase().contains("drop"), "{said}");
    refusal("analyze", &["report", "--no-such-view", "--data", path], USAGE);

    std::fs::write(config, "prots = \"6881\"\n").expect("a file");
    let said = refusal("capture", &["run", "--config", config], USAGE);
    assert!(said.contains(config) && said.contains("`prots`") && said.contains("`ports`"), "{said}");
}

#[test]
fn a_port_in_use_is_named() {
    let taken = UdpSocket::bind("127.61.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("an address").port().to_string();
    let data = tempfile::tempdir().expect("a temporary folder");
    let path = data.path().to_str().expect("UTF-8");
    let arguments = ["run", "--bind", "127.61.0.1", "--ports", &port, "--bootstrap", "none", "--data", path];
    let said = refusal("capture", &arguments, FAILURE);
    assert!(said.contains("127.61.0.1") && said.contains(&port), "{said}");
}

#[test]
fn a_query_may_come_from_a_file_and_begin_with_a_comment() {
    let data = sample();
    let file = data.path().join("query.sql");
    std::fs::write(&file, "-- one number\nSELECT 6 * 7 AS answer\n").expect("written");
    let output = Command::new(program("analyze"))
        .args(["sql", "-", "--format", "csv", "--data"])
        .arg(data.path())
        .stdin(File::open(&file).expect("there it is"))
        .output()
        .expect("the program starts");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "answer\n42\n");
}

#[test]
fn a_closed_pipe_is_success() {
    let data = sample();
    let data = data.path().to_str().expect("UTF-8");
    let query = "SELECT * FROM captured.events";
    let mut child = Command::new(program("analyze"))
        .args(["sql", query, "--data", data, "--format", "csv"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("the program starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!((output.status.code(), said.as_str()), (Some(OK), ""));
}

#[test]
fn the_data_dictionary_is_the_one_in_the_data_folder() {
    let pages = answer("analyze", &["schema"]);
    for table in queries::TABLES {
        for column in table.columns {
            assert!(pages.contains(&format!("| `{}` |", column.name)), "{}.{}", table.name, column.name);
        }
    }
    let kept = include_str!("../data/README.md");
    assert!(pages == kept, "out of date: run `analyze schema > data/README.md`");
    let page = answer("analyze", &["schema", "visits", "captured.gaps"]);
    assert!(page.starts_with("## captured.gaps") && page.contains("## derived.visits"), "{page}");
}
