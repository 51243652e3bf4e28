//! What a sensor remembers from one run to the next, in its spool folder: its seed, and until when
//! it was recording with which presences.
//!
//! Node ids are a pure function of the seed and the time, so a run that was killed needs to leave
//! no more behind than this for the next one to write down where its presences stood.

use crate::clock::Micros;
use crate::config::Config;
use crate::spool::{SpoolError, folder, io_error, sync_folder};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

/// The end of a run, as far as it is known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// When it began to record.
    pub started: Micros,
    /// The last moment that is known to be recorded.
    pub recorded_until: Micros,
    /// Until when its presences have been written down.
    pub presences_until: Micros,
    /// Whether it was asked to stop and did so in order.
    pub stopped: bool,
    /// The last moment that a run before it is known to have recorded.
    #[serde(default)]
    pub recorded_before: Micros,
    /// From when to when the clock was set, or the machine slept: gaps, unless it is set back soon.
    #[serde(default)]
    pub steps: Vec<(Micros, Micros)>,
    /// The seed its ids followed from.
    pub seed: String,
    /// The settings it ran with.
    pub config: Config,
}

impl State {
    /// The state that the last run of `sensor` left. An unreadable one is treated as none: it
    /// costs the row of one gap.
    #[must_use]
    pub fn load(data: &Path, sensor: &str) -> Option<Self> {
        let path = folder(data, sensor).join("state.toml");
        let text = fs::read_to_string(&path).ok()?;
        toml::from_str(&text)
            .inspect_err(|error| tracing::warn!("{}: not understood, ignored: {error}", path.display()))
            .ok()
    }

    /// Takes note that the clock was set from `from` to `to`.
    pub fn note_step(&mut self, from: Micros, to: Micros) {
        if to < from {
            // It was ahead: only what lies before `to` is left out.
            self.steps.retain_mut(|(start, end)| {
                *end = to.min(*end);
                start < end
            });
        } else {
            // A host without a battery for its clock starts in the past, before what it has recorded.
            let is_known = (from..=to).contains(&self.recorded_before);
            self.steps.push((if is_known { self.recorded_before } else { from }, to));
        }
    }

    /// Replaces the saved state with this one.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, data: &Path, sensor: &str) -> Result<(), SpoolError> {
        let path = folder(data, sensor).join("state.toml");
        let text = toml::to_string(self).map_err(std::io::Error::other).map_err(io_error("write", &path))?;
        replace(&path, text.as_bytes())
    }
}

/// Writes `bytes` to `path`; after a crash the file is the old one or the new one.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), SpoolError> {
    let temporary = path.with_added_extension("tmp");
    let write = || {
        let mut file = File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_data()?;
        fs::rename(&temporary, path)
    };
    write().map_err(io_error("write", path))
}

/// The seed that ids follow from: the one in the settings, or one that is drawn once and then kept.
///
/// # Errors
/// When the kept one can neither be read nor written.
pub fn seed(config: &Config) -> Result<String, SpoolError> {
    if let Some(seed) = known_seed(config)? {
        return Ok(seed);
    }
    let seed = random()?;
    let path = seed_path(config);
    let write = || {
        fs::create_dir_all(folder(&config.data, &config.sensor_name()))?;
        let mut file = File::create(&path)?;
        file.write_all(seed.as_bytes())?;
        file.sync_all()
    };
    write().map_err(io_error("write", &path))?;
    sync_folder(&path)?;
    Ok(seed)
}

/// The same, without drawing one: none if there is none yet.
///
/// # Errors
/// When the kept one cannot be read.
pub fn known_seed(config: &Config) -> Result<Option<String>, SpoolError> {
    if !config.seed.is_empty() {
        return Ok(Some(config.seed.clone()));
    }
    let path = seed_path(config);
    match fs::read_to_string(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        text => {
            let seed = text.map_err(io_error("read", &path))?.trim().to_owned();
            Ok((!seed.is_empty()).then_some(seed))
        }
    }
}

fn seed_path(config: &Config) -> PathBuf {
    folder(&config.data, &config.sensor_name()).join("seed")
}

/// 160 bits that nobody can guess, as hexadecimal digits.
///
/// # Errors
/// When the system has none.
pub fn random() -> Result<String, SpoolError> {
    let mut bytes = [0; 20];
    getrandom::fill(&mut bytes)
        .map_err(std::io::Error::other)
        .map_err(io_error("read", Path::new("the system's random numbers")))?;
    Ok(crate::id::Id(bytes).to_string())
}

/// The name of this host, made into one that can stand in a file name.
#[must_use]
pub fn host_name() -> String {
    let name = nix::unistd::gethostname().unwrap_or_default();
    let name: String = name
        .to_string_lossy()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' })
        .take(64)
        .collect();
    let name = name.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
    if name.is_empty() { "sensor".to_owned() } else { name.to_owned() }
}

/// A state for tests.
#[cfg(test)]
pub(crate) mod sample {
    use super::*;

    /// One of a run that has just begun at `now`.
    pub(crate) fn state(now: Micros) -> State {
        State {
            started: now,
            recorded_until: now,
            presences_until: now,
            stopped: false,
            recorded_before: 0,
            steps: Vec::new(),
            seed: "seed".to_owned(),
            config: Config::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_leave_out_what_is_left_out_when_the_clock_was_set_back() {
        let left_out = |recorded_before, steps: &[(Micros, Micros)]| {
            let mut state = State { recorded_before, ..sample::state(0) };
            steps.iter().for_each(|&(from, to)| state.note_step(from, to));
            state.steps
        };
        assert_eq!(left_out(5, &[(10, 1000), (1100, 2000)]), [(10, 1000), (1100, 2000)]);
        assert_eq!(left_out(5, &[(10, 1000), (1100, 1050)]), [(10, 1000)], "back by less than ahead");
        assert_eq!(left_out(5, &[(10, 1000), (1001, 12)]), [(10, 12)], "it was ahead");
        assert!(left_out(5, &[(10, 1000), (1001, 9)]).is_empty());
        assert_eq!(left_out(500, &[(10, 1000)]), [(500, 1000)], "it was behind");
        assert_eq!(left_out(5000, &[(10, 1000)]), [(10, 1000)], "the run before was ahead");
    }

    #[test]
    fn a_state_comes_back_and_one_of_an_older_version_too() {
        let data = tempfile::tempdir().expect("a folder");
        fs::create_dir_all(folder(data.path(), "here")).expect("created");
        let state = State { recorded_before: 4, steps: vec![(5, 6), (7, 8)], ..sample::state(9) };
        state.save(data.path(), "here").expect("saved");
        assert_eq!(State::load(data.path(), "here"), Some(state));
        let path = folder(data.path(), "here").join("state.toml");
        let text = fs::read_to_string(&path).expect("read");
        let is_old = |line: &&str| !line.starts_with("recorded_before") && !line.starts_with("steps");
        fs::write(&path, text.lines().filter(is_old).collect::<Vec<_>>().join("\n")).expect("written");
        assert_eq!(State::load(data.path(), "here"), Some(sample::state(9)));
    }
}
