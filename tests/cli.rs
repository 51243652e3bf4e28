//! What people see on the command line: answers on standard output, one clear sentence for what
//! is wrong, and the exit code that goes with it.

use crate::live::program;
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
    for expected in ["Activity by day", "Behaviour labels", "Strongest signals", "periodic_lookup_target"] {
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
        let json: serde_json::Value = serde_json::from_str(&in_format("json")).expect("JSON");
        assert!(json.as_array().is_some_and(|rows| !rows.is_empty()), "{arguments:?}: {json}");
        assert!(in_format("csv").lines().filter(|line| line.contains(',')).count() > 1, "{arguments:?}");
        assert!(!in_format("table").contains('\u{1b}'), "{arguments:?}: colour in a pipe");
    }
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
    count("computed 13 files, 0 were up to date");
    count("computed 0 files, 13 were up to date");
    let tables = answer("analyze", &["tables", "--data", data]);
    assert!(tables.contains("up to date") && !tables.contains("stale"), "{tables}");
}

#[test]
fn what_there_is_no_data_on_has_an_exit_code_of_its_own() {
    let data = sample();
    let path = data.path().to_str().expect("UTF-8");
    let hash = "00112233445566778899aabbccddeeff00112233";
    let said = refusal("analyze", &["report", "--hash", hash, "--data", path], NO_DATA);
    assert!(said.contains(hash) && said.contains("was not seen") && said.contains(path), "{said}");

    let empty = tempfile::tempdir().expect("a temporary folder");
    let path = empty.path().to_str().expect("UTF-8");
    let said = refusal("analyze", &["report", "--data", path], NO_DATA);
    assert!(said.contains("no captured file") && said.contains(path) && said.contains("--data"), "{said}");

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
    let said = refusal("analyze", &["sql", "SELECT * FROM captured.evens", "--data", path], USAGE);
    assert!(said.contains("captured.evens"), "{said}");
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
