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
use std::path::Path;

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
    if config.seed.is_empty() {
        kept_seed(&config.data, &config.sensor_name())
    } else {
        Ok(config.seed.clone())
    }
}

fn kept_seed(data: &Path, sensor: &str) -> Result<String, SpoolError> {
    let path = folder(data, sensor).join("seed");
    match fs::read_to_string(&path) {
        Ok(seed) if !seed.trim().is_empty() => return Ok(seed.trim().to_owned()),
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(io_error("read", &path)(error));
        }
        _ => {}
    }
    let seed = random()?;
    let folder = folder(data, sensor);
    let write = || {
        fs::create_dir_all(&folder)?;
        let mut file = File::create(&path)?;
        file.write_all(seed.as_bytes())?;
        file.sync_all()
    };
    write().map_err(io_error("write", &path))?;
    sync_folder(&path)?;
    Ok(seed)
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
