//! Real DHT clients talk to the real `capture` binary over the loopback interface.
//!
//! The scenarios are Python programs in this folder, because libtorrent, the client that most of
//! the network runs, comes with Python bindings. Each judges for itself and prints one line; here
//! they are only started. Every scenario has a 127.x network of its own, so they run side by side.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A program of this workspace, built by `tests/run` beside our own client.
pub fn program(name: &str) -> PathBuf {
    let beside = Path::new(env!("CARGO_BIN_EXE_mainline_peer")).with_file_name(name);
    assert!(beside.exists(), "{} is missing: start the tests with tests/run", beside.display());
    beside
}

/// The daemon as a server gets it: `tests/run` builds it on its own and says where it is.
pub fn capture() -> PathBuf {
    env::var_os("TELESCOPE_CAPTURE").map_or_else(|| program("capture"), PathBuf::from)
}

/// Runs a Python program of this crate; it must succeed.
pub fn python<S: AsRef<std::ffi::OsStr>>(script: &str, arguments: impl IntoIterator<Item = S>) {
    let python = env::var_os("TELESCOPE_PYTHON")
        .expect("TELESCOPE_PYTHON is not set: start the tests with tests/run, it prepares what they need");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(script);
    let status = Command::new(python).arg("-B").arg(&script).args(arguments).status().expect("Python starts");
    assert!(status.success(), "{} failed: {status}", script.display());
}

/// Runs one scenario against the daemon, with a dataset in `data`.
fn scenario(script: &str, data: &Path, more: &[&str]) {
    let capture = capture();
    let common = ["--capture".as_ref(), capture.as_os_str(), "--data".as_ref(), data.as_os_str()];
    python(script, common.into_iter().chain(more.iter().map(AsRef::as_ref)));
}

#[test]
fn the_judges_notice_every_fault() {
    python::<&str>("live/judges.py", []);
}

#[test]
fn every_query_of_every_client_is_recorded_once_and_nothing_else_is_sent() {
    let data = tempfile::tempdir().expect("a temporary folder");
    scenario("live/clients.py", data.path(), &["--mainline", env!("CARGO_BIN_EXE_mainline_peer")]);
}

#[test]
fn a_shared_port_shows_each_remote_one_id() {
    let data = tempfile::tempdir().expect("a temporary folder");
    scenario("live/shared.py", data.path(), &[]);
}

#[test]
fn a_crowd_is_recorded_in_full_and_every_reader_agrees_on_it() {
    let data = tempfile::tempdir().expect("a temporary folder");
    scenario("live/crowd.py", data.path(), &[]);
    crate::readers::agree_on(data.path());
}

#[test]
fn as_a_service_it_needs_no_privilege_and_shows_when_it_hangs() {
    let data = tempfile::tempdir().expect("a temporary folder");
    scenario("live/service.py", data.path(), &[]);
}

#[test]
fn a_killed_daemon_loses_one_sync_interval_and_repeats_nothing() {
    let data = tempfile::tempdir().expect("a temporary folder");
    scenario("live/crash.py", data.path(), &[]);
}

#[test]
fn a_daemon_without_a_disk_answers_counts_and_resumes() {
    let data = tempfile::tempdir().expect("a temporary folder");
    scenario("live/disk.py", data.path(), &[]);
}

#[test]
fn tail_shows_what_is_sealed_later() {
    let data = tempfile::tempdir().expect("a temporary folder");
    scenario("live/tail.py", data.path(), &[]);
}

#[test]
fn what_is_found_is_told_within_seconds() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let analyze = program("analyze");
    scenario("live/watch.py", data.path(), &["--analyze", analyze.to_str().expect("UTF-8")]);
}

#[test]
fn every_event_says_where_its_source_belongs() {
    let data = tempfile::tempdir().expect("a temporary folder");
    scenario("live/geo.py", data.path(), &[]);
}

#[test]
fn two_dozen_libtorrent_sessions_keep_the_antenna_in_their_tables() {
    let data = tempfile::tempdir().expect("a temporary folder");
    scenario("live/soak.py", data.path(), &["--seconds", "45"]);
}

#[test]
fn a_changed_id_costs_one_eviction_and_the_files_know_when_it_changed() {
    let data = tempfile::tempdir().expect("a temporary folder");
    scenario("live/soak.py", data.path(), &["--seconds", "75", "--rotate-every", "60"]);
}

#[test]
fn a_quiet_hour_costs_little_traffic_and_little_processor_time() {
    let data = tempfile::tempdir().expect("a temporary folder");
    scenario("live/quiet.py", data.path(), &["--seconds", "60"]);
}

#[test]
fn a_lookup_that_asks_a_whole_group_at_once_is_answered() {
    let data = tempfile::tempdir().expect("a temporary folder");
    scenario("live/reach.py", data.path(), &[]);
}

#[test]
fn both_families_and_several_addresses_are_served_by_one_antenna() {
    let data = tempfile::tempdir().expect("a temporary folder");
    scenario("live/families.py", data.path(), &[]);
}
