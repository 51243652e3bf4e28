//! The configuration: one section for the engine, one for every derived table that has thresholds.
//!
//! What exists is declared elsewhere (engine settings below, thresholds beside their query); this
//! module reads a TOML file against those declarations and refuses what it does not know.

use crate::actors::Actors;
use crate::digest::Digest;
use crate::error::{Failure, did_you_mean};
use anyhow::{Context, Result};
use bytesize::ByteSize;
use datafusion::common::ScalarValue;
use queries::{Kind, Parameter, Table, Value};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf, absolute};

/// Settings of the query engine; they change speed and memory, never results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Engine {
    /// Threads, and partitions of every plan.
    pub threads: usize,
    /// Memory that queries may use before they spill to disk, MiB.
    pub memory_mib: usize,
}

/// Section of the engine settings.
const ENGINE: &str = "engine";

const THREADS: Parameter = Parameter {
    name: "threads",
    kind: Kind::Count,
    default: Value::Whole(0),
    unit: "threads",
    doc: "Threads that a query uses; 0 takes every core. More than there are cores only costs memory.",
};

const MEMORY_MIB: Parameter = Parameter {
    name: "memory_mib",
    kind: Kind::Count,
    default: Value::Whole(2048),
    unit: "MiB",
    doc: "Memory that queries may use before they spill to disk. Raising it helps large datasets on \
          machines that have it.",
};

impl Default for Engine {
    fn default() -> Self {
        Config::default().engine()
    }
}

/// The one setting that stands before the sections.
const ACTORS: &str = "actors";

const ACTORS_DOC: &str = "CSV file with the labels of known parties (columns party, label, note), read as \
                          `user.actors`. Its place is relative to this file.";

/// Every setting in force.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// What the file set, by section and name; everything else has its default.
    set: BTreeMap<(&'static str, &'static str), Value>,
    actors_file: Option<PathBuf>,
    actors: Actors,
}

/// The sections and what they hold, in the order of the generated file.
fn sections() -> impl Iterator<Item = (&'static str, &'static [Parameter])> {
    const SETTINGS: &[Parameter] = &[THREADS, MEMORY_MIB];
    let tables = queries::TABLES.iter().filter(|table| !table.parameters.is_empty());
    std::iter::once((ENGINE, SETTINGS)).chain(tables.map(|table| (table.name, table.parameters)))
}

impl Config {
    /// Reads the file at `path`; without one, every setting has its default. `actors` goes before
    /// the file of that name in the configuration.
    ///
    /// # Errors
    /// [`Failure::Usage`] when a file cannot be read or parsed, or the configuration has an unknown
    /// section or key, or a value of the wrong type.
    pub fn load(path: Option<&Path>, actors: Option<&Path>) -> Result<Self> {
        let mut config = match path {
            None => Self::default(),
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|error| Failure::Usage(format!("cannot read {}: {error}", path.display())))?;
                let config = Self::parse(&text);
                config.map_err(|error| Failure::Usage(format!("{}: {error:#}", path.display())))?
            }
        };
        let beside = |file: &PathBuf| path.and_then(Path::parent).unwrap_or(Path::new("")).join(file);
        let file = actors.map(Path::to_owned).or_else(|| config.actors_file.as_ref().map(beside));
        // A configuration that is printed is in force wherever it is kept.
        config.actors_file = file.map(|file| absolute(&file).unwrap_or(file));
        if let Some(file) = &config.actors_file {
            config.actors = Actors::load(file)?;
        }
        Ok(config)
    }

    /// Reads the text of a configuration file, but no file that it names.
    ///
    /// # Errors
    /// As [`Config::load`], without the file's name.
    pub fn parse(text: &str) -> Result<Self> {
        let mut config = Self::default();
        for (section, value) in text.parse::<toml::Table>()? {
            if section == ACTORS {
                let file = value.as_str().context("`actors` must be the name of a file, in quotes")?;
                config.actors_file = Some(file.into());
                continue;
            }
            let (name, parameters) = sections().find(|(name, _)| *name == section).with_context(|| {
                unknown("section", &section, sections().map(|(name, _)| name).chain([ACTORS]))
            })?;
            let toml::Value::Table(entries) = value else {
                anyhow::bail!("`{section}` is a section: write [{section}] on a line of its own");
            };
            for (key, value) in entries {
                let parameter = parameters.iter().find(|parameter| parameter.name == key);
                let known = parameters.iter().map(|parameter| parameter.name);
                let parameter =
                    parameter.with_context(|| unknown(&format!("key in [{name}]"), &key, known))?;
                let value = parameter.parse(&value).with_context(|| format!("in section [{name}]"))?;
                config.set.insert((name, parameter.name), value);
            }
        }
        Ok(config)
    }

    /// Sets the memory of the engine in place of what the file says.
    pub fn set_memory(&mut self, size: ByteSize) {
        let mib = i64::try_from(size.as_u64() >> 20).unwrap_or(i64::MAX).max(1);
        self.set.insert((ENGINE, MEMORY_MIB.name), Value::Whole(mib));
    }

    /// The parties that the user has named.
    #[must_use]
    pub fn actors(&self) -> &Actors {
        &self.actors
    }

    /// The value of a threshold of `table`, and whether the configuration file sets it.
    #[must_use]
    pub fn threshold(&self, table: &Table, parameter: &Parameter) -> (Value, bool) {
        (self.value(table.name, parameter), self.set.contains_key(&(table.name, parameter.name)))
    }

    fn value(&self, section: &'static str, parameter: &Parameter) -> Value {
        self.set.get(&(section, parameter.name)).copied().unwrap_or(parameter.default)
    }

    /// The engine settings in force.
    #[must_use]
    pub fn engine(&self) -> Engine {
        let whole = |parameter: &Parameter| match self.value(ENGINE, parameter) {
            Value::Whole(n) => usize::try_from(n).unwrap_or(0),
            Value::Real(_) => 0,
        };
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        let threads = Some(whole(&THREADS)).filter(|threads| *threads > 0).unwrap_or_else(cores);
        Engine { threads, memory_mib: whole(&MEMORY_MIB).max(1) }
    }

    /// The thresholds of `table` as its queries see them.
    #[must_use]
    pub fn bind(&self, table: &Table) -> Vec<(String, ScalarValue)> {
        let bound = |parameter: &Parameter| {
            (parameter.name.to_owned(), parameter.scalar(self.value(table.name, parameter)))
        };
        table.parameters.iter().map(bound).collect()
    }

    /// Microseconds that the query of a day table may read before its day.
    #[must_use]
    pub fn lookback(&self, table: &Table) -> i64 {
        let queries::Grain::Day { lookback: Some(name) } = table.grain else { return 0 };
        let parameter = table.parameters.iter().find(|parameter| parameter.name == name);
        match parameter.map(|parameter| self.value(table.name, parameter)) {
            Some(Value::Whole(seconds)) => seconds.saturating_mul(1_000_000),
            _ => 0,
        }
    }

    /// One number for the thresholds that rows of `table` depend on.
    #[must_use]
    pub fn digest(&self, table: &Table) -> Digest {
        let lines: Vec<_> = table
            .parameters
            .iter()
            .filter(|parameter| table.depends_on(parameter))
            .map(|parameter| format!("{}={}", parameter.name, self.value(table.name, parameter)))
            .collect();
        Digest::of(lines.iter().map(String::as_bytes))
    }

    /// The settings in force as a commented TOML file.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let mut text = format!("# {ACTORS_DOC}\n");
        match &self.actors_file {
            Some(file) => {
                let file = toml::Value::from(file.to_string_lossy().into_owned());
                let _ = writeln!(text, "{ACTORS} = {file}\n");
            }
            None => {
                let _ = writeln!(text, "# {ACTORS} = \"actors.csv\"\n");
            }
        }
        for (section, parameters) in sections() {
            let _ = writeln!(text, "[{section}]");
            for parameter in parameters {
                let doc = parameter.doc.split_whitespace().collect::<Vec<_>>().join(" ");
                let value = self.value(section, parameter);
                let _ =
                    writeln!(text, "# {doc}\n# Unit: {}. Default: {}.", parameter.unit, parameter.default);
                let _ = writeln!(text, "{} = {value}", parameter.name);
            }
            text.push('\n');
        }
        text.truncate(text.trim_end().len() + 1);
        text
    }
}

/// `unknown key in [visits]: \`gab\`; did you mean \`gap\`?`
fn unknown(what: &str, name: &str, known: impl Iterator<Item = &'static str>) -> String {
    let hint = did_you_mean(name, known.map(|known| (known, known)));
    format!("unknown {what}: `{name}`{hint} (`analyze config` prints every setting)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_printed_configuration_is_the_one_in_force() {
        let config = Config::parse("[visits]\ngap = 1800\n[engine]\nthreads = 3").expect("a configuration");
        let printed = config.to_toml();
        assert!(printed.contains("gap = 1800") && printed.contains("burst_score = 0.6"), "{printed}");
        assert_eq!(Config::parse(&printed).expect("its own output").to_toml(), printed);
        assert_eq!(config.engine().threads, 3);
    }

    #[test]
    fn what_is_printed_names_the_file_of_actors_wherever_it_is_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let (file, actors) = (folder.path().join("analyze.toml"), folder.path().join("actors.csv"));
        std::fs::write(&actors, "party,label,note\n").expect("a file");
        std::fs::write(&file, "actors = \"actors.csv\"").expect("a file");
        let printed = Config::load(Some(&file), None).expect("a configuration").to_toml();
        assert!(printed.contains(&format!("actors = {actors:?}")), "{printed}");
    }

    #[test]
    fn what_is_not_known_is_refused_with_the_nearest_name() {
        let refused = |text: &str| format!("{:#}", Config::parse(text).expect_err("must be refused"));
        assert!(refused("[visit]\ngap = 1").contains("did you mean `visits`"));
        assert!(refused("[visits]\ngab = 1").contains("key in [visits]: `gab`; did you mean `gap`"));
        assert!(refused("[visits]\ngap = 0").contains("whole number of seconds"));
        assert!(refused("[visits]\ngap = \"1h\"").contains("whole number of seconds"));
        assert!(refused("visits = 1").contains("is a section"));
        assert!(refused("actor = \"a.csv\"").contains("did you mean `actors`"));
        assert!(refused("actors = 1").contains("name of a file"));
    }

    #[test]
    fn only_what_a_table_uses_changes_its_digest() {
        let plain = Config::default();
        let other = Config::parse("[visits]\ngap = 7200").expect("a configuration");
        let digest = |config: &Config, name| config.digest(queries::table(name).expect("a table"));
        assert_ne!(digest(&plain, "visits"), digest(&other, "visits"));
        assert_eq!(digest(&plain, "lookups"), digest(&other, "lookups"));
        let shown = Config::parse("[daily_summaries]\nalarm = 0.01").expect("a configuration");
        assert_eq!(digest(&plain, "daily_summaries"), digest(&shown, "daily_summaries"));
    }
}
