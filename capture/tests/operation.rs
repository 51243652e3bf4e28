//! What an operator meets: the log, `capture check`, and the unit file, through the real binary.

use std::io::{BufRead as _, BufReader};
use std::net::UdpSocket;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

const CAPTURE: &str = env!("CARGO_BIN_EXE_capture");

/// `capture check` with these arguments, on a dataset of its own, with at most 150 open files.
fn check(arguments: &[&str]) -> Output {
    let data = tempfile::tempdir().expect("a folder");
    Command::new("sh")
        .args([
            "-c",
            "ulimit -n 150 && exec \"$@\"",
            "sh",
            CAPTURE,
            "check",
            "--bind",
            "127.47.0.1",
            "--data",
        ])
        .arg(data.path())
        .args(arguments)
        .output()
        .expect("it starts")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("UTF-8")
}

/// The line about one condition.
fn line<'a>(output: &'a Output, check: &str) -> &'a str {
    let mut lines = text(&output.stdout).lines();
    lines.find(|line| line.get(6..).is_some_and(|rest| rest.starts_with(check))).expect("a line about it")
}

#[test]
fn a_host_that_has_what_it_takes_passes() {
    let output = check(&["--ports", "21000"]);
    assert!(output.status.success(), "{output:?}");
    assert!(line(&output, "ports").starts_with("ok "), "{output:?}");
}

#[test]
fn a_port_in_use_fails_and_its_holder_is_named() {
    let taken = UdpSocket::bind("127.47.0.1:0").expect("bound");
    let port = taken.local_addr().expect("an address").port().to_string();
    let output = check(&["--ports", &port]);
    assert_eq!(output.status.code(), Some(1));
    let line = line(&output, "ports");
    assert!(line.starts_with("fail") && line.contains(&std::process::id().to_string()), "{line}");
    assert_eq!(text(&output.stderr), "capture: 1 of 11 checks failed\n");
}

#[test]
fn too_few_open_files_fail_before_any_socket_does() {
    let output = check(&[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(line(&output, "open files").contains("LimitNOFILE"), "{output:?}");
    assert!(line(&output, "ports").contains("too many files are open"), "{output:?}");
}

#[test]
fn programs_read_the_findings_as_json() {
    let output = check(&["--ports", "21001", "--format", "json"]);
    let findings: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout).expect("JSON");
    let verdict = |check| findings.iter().find(|finding| finding["check"] == check).map(|f| &f["verdict"]);
    assert_eq!(verdict("ports"), Some(&"ok".into()), "{findings:?}");
}

#[test]
fn a_plan_is_a_look_and_leaves_nothing_behind() {
    let data = tempfile::tempdir().expect("a folder");
    let plan = || {
        let mut command = Command::new(CAPTURE);
        command.args(["plan", "--sensor", "planned", "--ports", "21000", "--data"]).arg(data.path());
        command.output().expect("it starts")
    };
    let example = plan();
    assert!(example.status.success() && text(&example.stderr).contains("other ids"), "{example:?}");
    assert_eq!(text(&example.stdout).lines().count(), 2, "a heading and a presence");
    assert_eq!(std::fs::read_dir(data.path()).expect("a folder").count(), 0);
    let spool = data.path().join("spool/planned");
    std::fs::create_dir_all(&spool).expect("created");
    std::fs::write(spool.join("seed"), "kept\n").expect("written");
    let kept = plan();
    assert_eq!((text(&kept.stderr), &kept.stdout), ("", &plan().stdout));
}

/// The log of a sensor with one port that is stopped as soon as it stands.
fn log(port: &str, arguments: &[&str]) -> Vec<String> {
    let data = tempfile::tempdir().expect("a folder");
    let mut sensor = Command::new(CAPTURE)
        .args(["run", "--bind", "127.48.0.1", "--bootstrap", "none", "--ports", port, "--data"])
        .arg(data.path())
        .args(arguments)
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut lines = Vec::new();
    for line in BufReader::new(sensor.stderr.take().expect("piped")).lines() {
        lines.push(line.expect("UTF-8"));
        if lines.len() == 1 {
            let id = sensor.id().to_string();
            assert!(Command::new("kill").arg(id).status().expect("kill runs").success());
        }
    }
    assert!(sensor.wait().expect("it ends").success());
    lines
}

#[test]
fn a_log_in_json_has_time_level_and_message_in_every_line() {
    for line in log("21000", &["--log-format", "json"]) {
        let line: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!(line["level"], "INFO");
        assert!(line["timestamp"].is_string() && line["message"].is_string(), "{line}");
    }
}

#[test]
fn a_log_says_more_only_when_asked() {
    let plain = log("21001", &[]);
    assert!(plain.iter().all(|line| line.contains(" INFO ")), "{plain:?}");
    let more = log("21002", &["--debug"]);
    assert!(more.iter().any(|line| line.contains("DEBUG")), "{more:?}");
}

#[test]
fn a_log_that_nobody_can_write_costs_the_log_alone() {
    let data = tempfile::tempdir().expect("a folder");
    let full = || std::fs::OpenOptions::new().write(true).open("/dev/full").expect("a device without room");
    let mut sensor = Command::new(CAPTURE)
        .args(["run", "--bind", "127.48.0.2", "--bootstrap", "none", "--ports", "21000", "--sensor", "mute"])
        .arg("--data")
        .arg(data.path())
        .stderr(full())
        .spawn()
        .expect("it starts");
    let deadline = Instant::now() + Duration::from_secs(20);
    while !data.path().join("spool/mute/state.toml").exists() {
        assert!(Instant::now() < deadline, "it does not begin to record");
        assert_eq!(sensor.try_wait().expect("known"), None, "it has ended");
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(Command::new("kill").arg(sensor.id().to_string()).status().expect("kill runs").success());
    assert_eq!(sensor.wait().expect("it ends").code(), Some(0));
    assert!(data.path().join("captured/presences").exists(), "what it recorded is sealed");

    let usage = Command::new(CAPTURE).args(["check", "--config", "/nowhere"]).stderr(full()).status();
    assert_eq!(usage.expect("it starts").code(), Some(2));
}

/// The unit, with the program where this test has it.
fn unit(folder: &Path) -> std::path::PathBuf {
    let unit = include_str!("../systemd/capture.service").replace("/usr/local/bin/capture", CAPTURE);
    let path = folder.join("capture.service");
    std::fs::write(&path, unit).expect("written");
    path
}

fn systemd_analyze(arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().expect("a folder");
    Command::new("systemd-analyze")
        .args(arguments)
        .arg(unit(folder.path()))
        .output()
        .expect("systemd-analyze is installed: tests/run sees to it")
}

#[test]
fn systemd_finds_nothing_wrong_with_the_unit() {
    let output = systemd_analyze(&["verify", "--man=no"]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!((text(&output.stdout), text(&output.stderr)), ("", ""));
}

#[test]
fn the_unit_exposes_little() {
    // In tenths, from 0 to 100; another version of systemd may count a little differently.
    let output = systemd_analyze(&["security", "--offline=true", "--threshold=15"]);
    assert!(output.status.success(), "{}", text(&output.stdout));
}
