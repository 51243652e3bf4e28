//! The programs under test, each a process of its own.

use crate::echo;
use anyhow::{Context as _, bail, ensure};
use nix::sys::resource::{UsageWho, getrusage};
use parquet::file::reader::{FileReader, SerializedFileReader};
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::{self, File};
use std::net::Ipv4Addr;
use std::ops::RangeInclusive;
use std::path::Path;
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The longest that a program may take to start, and to seal what it recorded.
const DEADLINE: Duration = Duration::from_secs(60);
/// The environment variable that names a Python with libtorrent, as for the tests.
const PYTHON: &str = "TELESCOPE_PYTHON";
const POLL: Duration = Duration::from_millis(10);

/// The Python that has libtorrent.
pub fn python() -> anyhow::Result<OsString> {
    std::env::var_os(PYTHON)
        .with_context(|| format!("{PYTHON} does not name a Python that has libtorrent: see README.md, Build"))
}

/// A program that has ended.
pub struct Ended {
    /// CPU seconds that it took, all its threads together.
    pub cpu: f64,
    /// The most memory that was ever resident, MiB.
    pub resident: f64,
    /// Its last word.
    pub log: Option<Log>,
}

/// A running program. It does not outlive this value.
pub struct Child {
    process: std::process::Child,
    folder: Rc<TempDir>,
}

impl Child {
    /// The echo.
    pub fn echo() -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(echo::ARGUMENT);
        Self::start(command, tempfile::tempdir()?, echo::READY)
    }

    /// The antenna, listening at `ports` of `host`.
    pub fn antenna(host: Ipv4Addr, ports: RangeInclusive<u16>, more: &[&str]) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_capture"));
        command
            .arg("run")
            .args(["--bind", &host.to_string()])
            .args(["--ports", &format!("{}-{}", ports.start(), ports.end())])
            .args(["--bootstrap", "none", "--sensor", "bench"])
            .arg("--data")
            .arg(folder.path())
            .args(more);
        Self::start(command, folder, " presences on ")
    }

    /// A libtorrent session in `python`, listening at `ports` of `host`.
    pub fn libtorrent(python: &OsStr, host: Ipv4Addr, ports: RangeInclusive<u16>) -> anyhow::Result<Self> {
        let mut command = Command::new(python);
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/benches/antenna/libtorrent_node.py")).args([
            host.to_string(),
            ports.start().to_string(),
            ports.end().to_string(),
        ]);
        Self::start(command, tempfile::tempdir()?, echo::READY)
    }

    /// Waits until the program's log has the words `ready`.
    fn start(mut command: Command, folder: TempDir, ready: &str) -> anyhow::Result<Self> {
        let log = File::create(log_path(folder.path()))?;
        let process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn()?;
        let mut child = Self { process, folder: Rc::new(folder) };
        let start = Instant::now();
        while !child.log()?.contains(ready) {
            let ended = child.process.try_wait()?.is_some();
            ensure!(!ended && start.elapsed() < DEADLINE, "it did not start: {}", child.log()?);
            std::thread::sleep(POLL);
        }
        Ok(child)
    }

    /// The folder that it writes into.
    pub fn data(&self) -> Rc<TempDir> {
        self.folder.clone()
    }

    fn log(&self) -> anyhow::Result<String> {
        Ok(fs::read_to_string(log_path(self.folder.path()))?)
    }

    /// The most memory that has been resident so far, MiB, as long as it runs.
    fn resident(&self) -> Option<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).ok()?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        Some(peak.split_whitespace().next()?.parse::<f64>().ok()? / 1024.0)
    }

    /// Asks it to end, and waits until it has.
    pub fn stop(mut self) -> anyhow::Result<Ended> {
        let before = cpu_of_children()?;
        let asked = Command::new("kill").args(["-TERM", &self.process.id().to_string()]).status()?;
        ensure!(asked.success(), "it cannot be asked to end");
        let start = Instant::now();
        let mut resident = 0.0;
        while self.process.try_wait()?.is_none() {
            ensure!(start.elapsed() < DEADLINE, "it does not end");
            resident = self.resident().unwrap_or(resident);
            std::thread::sleep(POLL);
        }
        let log = self.log()?;
        let last = log.lines().rev().find(|line| line.contains("stopped: "));
        Ok(Ended { cpu: cpu_of_children()? - before, resident, log: last.map(|line| Log(line.to_owned())) })
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // It has ended already, or there was an error that matters more than this one.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn log_path(folder: &Path) -> std::path::PathBuf {
    folder.join("log")
}

/// CPU seconds of all children that have ended.
fn cpu_of_children() -> anyhow::Result<f64> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let seconds = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    Ok(seconds(usage.user_time()) + seconds(usage.system_time()))
}

/// The line of counters that a program ends with.
pub struct Log(String);

impl Log {
    /// The counter called `name`.
    pub fn get(&self, name: &str) -> anyhow::Result<u64> {
        let values = self.0.split_whitespace().filter_map(|word| word.split_once('='));
        let value = values.clone().find(|(key, _)| *key == name).map(|(_, value)| value);
        value.with_context(|| format!("no counter {name}: {self}"))?.parse().context(name.to_owned())
    }
}

impl fmt::Display for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Rows of `captured.events` below `data`.
pub fn rows(data: &Path) -> anyhow::Result<u64> {
    let mut folders = vec![data.join("captured").join(schema::events::TABLE.name)];
    let mut rows = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "parquet") {
                let file = SerializedFileReader::new(File::open(&path)?)?;
                rows += u64::try_from(file.metadata().file_metadata().num_rows())?;
            } else {
                bail!("{} is no file of ours", path.display());
            }
        }
    }
    Ok(rows)
}
