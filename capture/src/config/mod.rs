//! Every setting, declared once: its name, type, default and documentation.
//!
//! The same declaration yields the command-line flags with their help, the keys of the TOML file,
//! and the commented file that `capture config` prints. A value is written the same way in all
//! three; flags win over the file, the file over the defaults.

mod values;

pub use values::{Bootstrap, List, Ports};

use crate::deny::{DenyError, DenyList};
use crate::guard::Limits;
use crate::keyspace::{Keyspace, KeyspaceError};
use crate::krpc::Method;
use crate::node::Settings;
use crate::state;
use schema::partition::is_sensor_name;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

/// Declares the settings as a struct for the program and one for the command line.
macro_rules! settings {
    ($( $(#[doc = $doc:literal])+ $name:ident: $ty:ty = $default:expr, $value:literal; )*) => {
        /// All settings, with the values in force.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
        pub struct Config {
            $( $(#[doc = $doc])+ pub $name: $ty, )*
        }

        impl Default for Config {
            fn default() -> Self {
                Self { $( $name: $default, )* }
            }
        }

        /// The settings as flags; one that is not given leaves the file's value alone.
        #[derive(Clone, Debug, Default, clap::Args)]
        pub struct Flags {
            $( $(#[doc = $doc])+ #[arg(long, global = true, value_name = $value)] pub $name: Option<$ty>, )*
        }

        impl Config {
            /// These settings, overridden by `flags`.
            #[must_use]
            pub fn with(self, flags: Flags) -> Self {
                Self { $( $name: flags.$name.unwrap_or(self.$name), )* }
            }

            /// Key and documentation of each setting, in order.
            #[must_use]
            pub fn documentation() -> Vec<(String, String)> {
                vec![$( (stringify!($name).replace('_', "-"), concat!($($doc, "\n"),+).to_owned()), )*]
            }
        }
    };
}

settings! {
    /// Addresses to listen on, separated by commas.
    ///
    /// IPv4 and IPv6 mix. A remote keeps about one node per address of ours in its routing table,
    /// however many ports there are, so reach grows with addresses. Each address costs a socket per
    /// port.
    bind: List<IpAddr> = List(vec![IpAddr::V4(Ipv4Addr::UNSPECIFIED)]), "ADDR,…";

    /// Ports to listen on, with ranges, separated by commas.
    ///
    /// The first of every sixteen lead a group each, so name the well-known ports first. The default
    /// is thirteen ports that BitTorrent clients are known for and 195 others: 208 in all.
    ports: Ports = Ports::default(), "PORT,FROM-TO,…";

    /// Node ids that share a port, 1 to 16.
    ///
    /// With 1 a remote sees one id at one socket, as it expects. More spread thirteen open ports
    /// over the whole keyspace, but remotes drop a node whose neighbours show them another id, and
    /// which presence a query reached can only be inferred.
    ids_per_port: u8 = 1, "1–16";

    /// Hosts that presences without any node ask first, `host:port` separated by commas, or `none`.
    ///
    /// A name that does not resolve is looked up again, ever less often, until it does. With `none` the
    /// sensor waits to be found.
    bootstrap: Bootstrap = Bootstrap::default(), "HOST:PORT,…|none";

    /// Root of the dataset.
    ///
    /// Partitions go below `captured/`, unsealed rows below `spool/`.
    data: PathBuf = PathBuf::from("data"), "DIR";

    /// Name of this host in the dataset; empty for the host name.
    ///
    /// Letters, digits, dot, underscore and hyphen. Datasets of several sensors merge by copying
    /// files as long as their names differ.
    sensor: String = String::new(), "NAME";

    /// Methods that are recorded, separated by commas.
    ///
    /// ping, find_node, get_peers, announce_peer, get, put, sample_infohashes, `other` for any other
    /// name and `garbage` for what cannot be read. The rest is answered all the same and counted.
    /// Leaving find_node and ping out saves most of the disk on a busy sensor, and with it the sight
    /// of who crawls the network.
    record: List<Method> = List(Method::ALL.to_vec()), "METHOD,…";

    /// Events of one source address in a clock hour.
    ///
    /// What it sends beyond them goes into `captured.floods` as a count per minute and method. The
    /// default is ten a second, which no client needs; an IPv6 /64 is one source. Raising it costs
    /// disk when somebody floods: 36,000 events are about 1 MB.
    event_limit: u32 = 36_000, "EVENTS";

    /// File of networks to ignore, one address or CIDR network a line, `#` before comments; empty for
    /// none.
    ///
    /// Datagrams from them are counted, but neither answered nor recorded, and they are asked nothing.
    /// SIGHUP makes a running sensor read the file again; a file that cannot be understood then leaves
    /// the old list in force.
    deny: PathBuf = PathBuf::new(), "FILE";

    /// MaxMind DB file with autonomous systems and their organisations; empty for none.
    ///
    /// GeoLite2, DB-IP and IPinfo files are understood, and one that has countries too will do for
    /// both. Addresses are looked up when an hour is sealed. Replace the file with `mv`, and the next
    /// hour is looked up in the new one; without a file the columns stay null.
    geo_asn: PathBuf = PathBuf::new(), "FILE";

    /// MaxMind DB file with countries, of cities or of countries alone; empty for none.
    ///
    /// The same is true of it as of geo-asn.
    geo_city: PathBuf = PathBuf::new(), "FILE";

    /// Text that all node ids follow from; empty for one that is drawn once and kept in the spool.
    ///
    /// The same seed, addresses and ports give the same ids. Whoever knows it knows all of them, at
    /// any time.
    seed: String = String::new(), "TEXT";

    /// Share of the presences that change their id from time to time, 0 to 1.
    ///
    /// Rotation reaches more of the keyspace; an id that stays attracts more traffic.
    rotate_share: f64 = 1.0, "SHARE";

    /// Seconds from one id of a presence to the next, give or take a twenty-fourth.
    ///
    /// The presences take turns. A remote that knew the old id drops the presence from its routing
    /// table and has to meet it again, so a short time costs standing.
    rotate_every: f64 = 43_200.0, "SECONDS";

    /// Queries of ours per second, ping and find_node, all presences together; 0 sends none.
    ///
    /// Four of them are about 1.7 MB an hour, which with the answers to 10,000 queries stays below 5.
    /// More makes the tables fill sooner after a start and keeps more of their nodes fresh.
    query_rate: f64 = 4.0, "PER-SECOND";

    /// Messages per second that one remote address may be sent, answers included.
    ///
    /// libtorrent bans an address after 50 messages in ten seconds; this and the burst stay below
    /// that together.
    remote_rate: f64 = 2.5, "PER-SECOND";

    /// Messages that one remote address may be sent at once after a silence.
    ///
    /// A lookup may meet many of our ids within a second; those beyond the burst stay silent.
    remote_burst: u16 = 20, "COUNT";

    /// Seconds between two queries of ours to the same remote address.
    ///
    /// It does not hold for the one that follows each answer under an id that is new, in its first fifteen
    /// minutes.
    remote_query_interval: f64 = 5.0, "SECONDS";

    /// Receive buffer of each socket, bytes.
    ///
    /// It bridges the time in which the program does not get to read. The kernel cuts it at
    /// net.core.rmem_max; a smaller one than asked for is reported at the start.
    receive_buffer: usize = 1 << 20, "BYTES";

    /// Seconds between two syncs of the spool: what a power failure can cost.
    ///
    /// Shorter costs more writes to the disk.
    sync_interval: f64 = 1.0, "SECONDS";

    /// Rows after which the spool is synced even earlier.
    sync_rows: usize = 1000, "ROWS";

    /// Seconds after the end of an hour before its files are sealed.
    ///
    /// Rows that come later than this still get a file, but one of their own.
    seal_delay: f64 = 10.0, "SECONDS";

    /// Seconds between two rows of `captured.system_metrics`, 1 to 3600.
    metrics_interval: f64 = 60.0, "SECONDS";

    /// Days that events, and the counts of floods that continue them, are kept.
    ///
    /// Whole days go once they are that far behind the newest sealed hours and their row is in
    /// `captured.day_summaries`. Raising it costs disk, and keeps addresses for longer.
    keep_events: u16 = 30, "DAYS";

    /// Days that rows of `captured.system_metrics` are kept.
    keep_metrics: u16 = 7, "DAYS";

    /// Bytes of the disk that recording leaves free; 0 for none.
    ///
    /// Below that rows are counted as lost and a gap is noted, while queries are answered as before; it
    /// goes on by itself when a tenth more is free. Sealing an hour needs room beside its spool: the
    /// default is enough for ten million events.
    free_space_floor: u64 = 500_000_000, "BYTES";
}

/// Why there are no settings to work with.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration file {path}: {cause}")]
    Unreadable {
        /// The file.
        path: String,
        /// What the system said.
        cause: std::io::Error,
    },
    /// A key that no setting has.
    #[error("{path}: there is no setting `{key}`; did you mean `{nearest}`?")]
    UnknownKey {
        /// The file.
        path: String,
        /// The key as written.
        key: String,
        /// The most similar one.
        nearest: String,
    },
    /// Not TOML, or a value of the wrong kind.
    #[error("{path}: {message}")]
    Invalid {
        /// The file.
        path: String,
        /// What is wrong, and where.
        message: String,
    },
    /// A value out of its range.
    #[error("`{key}` is {value}: it must be {range}")]
    Range {
        /// The setting.
        key: &'static str,
        /// Its value.
        value: String,
        /// What it may be.
        range: &'static str,
    },
    /// A name that cannot stand in a file name.
    #[error("`sensor` is `{0}`: use up to 64 of A–Z a–z 0–9 . _ - and begin with a letter or a digit")]
    Sensor(String),
    /// Addresses and ports that make no keyspace.
    #[error(transparent)]
    Keyspace(#[from] KeyspaceError),
    /// A deny list that cannot be used.
    #[error(transparent)]
    Deny(#[from] DenyError),
}

impl Config {
    /// The settings in force: defaults, overridden by `file` if there is one, overridden by `flags`.
    ///
    /// # Errors
    /// When the file cannot be read or understood, or a value is out of its range.
    pub fn load(file: Option<&Path>, flags: Flags) -> Result<Self, ConfigError> {
        let config = file.map_or_else(|| Ok(Self::default()), Self::read)?.with(flags);
        config.check()?;
        Ok(config)
    }

    fn read(path: &Path) -> Result<Self, ConfigError> {
        let name = path.display().to_string();
        let invalid = |message: String| ConfigError::Invalid { path: name.clone(), message };
        let text = std::fs::read_to_string(path)
            .map_err(|cause| ConfigError::Unreadable { path: name.clone(), cause })?;
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| invalid(error.to_string()))?;
        let known = Self::documentation();
        for key in table.keys() {
            if !known.iter().any(|(name, _)| name == key) {
                let nearest = known.iter().map(|(name, _)| name).min_by_key(|name| edits(key, name));
                let nearest = nearest.cloned().unwrap_or_default();
                return Err(ConfigError::UnknownKey { path: name, key: key.clone(), nearest });
            }
        }
        toml::from_str(&text).map_err(|error| invalid(error.to_string()))
    }

    /// What types cannot say.
    fn check(&self) -> Result<(), ConfigError> {
        let range = |fine: bool, key, value: String, range| {
            if fine { Ok(()) } else { Err(ConfigError::Range { key, value, range }) }
        };
        range(
            (1..=16).contains(&self.ids_per_port),
            "ids-per-port",
            self.ids_per_port.to_string(),
            "1 to 16",
        )?;
        range(
            (0.0..=1.0).contains(&self.rotate_share),
            "rotate-share",
            self.rotate_share.to_string(),
            "0 to 1",
        )?;
        range(
            (60.0..=31_536_000.0).contains(&self.rotate_every),
            "rotate-every",
            self.rotate_every.to_string(),
            "60 to 31536000 seconds (a year)",
        )?;
        range(
            (0.0..=10_000.0).contains(&self.query_rate),
            "query-rate",
            self.query_rate.to_string(),
            "0 to 10000",
        )?;
        for (key, value) in [("remote-rate", self.remote_rate), ("sync-interval", self.sync_interval)] {
            range((0.001..=3600.0).contains(&value), key, value.to_string(), "0.001 to 3600")?;
        }
        for (key, value) in
            [("remote-query-interval", self.remote_query_interval), ("seal-delay", self.seal_delay)]
        {
            range((0.0..=3600.0).contains(&value), key, value.to_string(), "0 to 3600 seconds")?;
        }
        range(
            (1.0..=3600.0).contains(&self.metrics_interval),
            "metrics-interval",
            self.metrics_interval.to_string(),
            "1 to 3600 seconds",
        )?;
        range(self.remote_burst >= 2, "remote-burst", self.remote_burst.to_string(), "at least 2")?;
        range(self.event_limit >= 1, "event-limit", self.event_limit.to_string(), "at least 1")?;
        range(self.keep_events >= 1, "keep-events", self.keep_events.to_string(), "at least 1 day")?;
        range(self.keep_metrics >= 1, "keep-metrics", self.keep_metrics.to_string(), "at least 1 day")?;
        range(self.sync_rows >= 1, "sync-rows", self.sync_rows.to_string(), "at least 1")?;
        let named = self.record.0.len();
        range(named >= 1, "record", named.to_string() + " methods", "at least one method")?;
        let sensor = self.sensor_name();
        if !is_sensor_name(&sensor) {
            return Err(ConfigError::Sensor(sensor));
        }
        self.keyspace("")?;
        self.deny_list()?;
        Ok(())
    }

    /// The sensor's name in the dataset.
    #[must_use]
    pub fn sensor_name(&self) -> String {
        if self.sensor.is_empty() { state::host_name() } else { self.sensor.clone() }
    }

    /// The networks to ignore, as the file lists them now.
    ///
    /// # Errors
    /// When the file cannot be read or understood.
    pub fn deny_list(&self) -> Result<DenyList, DenyError> {
        if self.deny.as_os_str().is_empty() { Ok(DenyList::default()) } else { DenyList::load(&self.deny) }
    }

    /// The presences of these settings, with ids that follow from `seed`.
    ///
    /// # Errors
    /// When addresses and ports make no keyspace.
    pub fn keyspace(&self, seed: &str) -> Result<Keyspace, KeyspaceError> {
        Keyspace::new(seed, &self.bind.0, self.ports.list(), self.ids_per_port, self.rotate_share)
            .map(|keyspace| keyspace.rotating_every(micros(self.rotate_every)))
    }

    /// What the antenna may do of its own accord.
    #[must_use]
    pub fn antenna(&self) -> Settings {
        let limits = Limits {
            interval: micros(1.0 / self.remote_rate).max(1),
            burst: i64::from(self.remote_burst),
            query_interval: micros(self.remote_query_interval),
        };
        Settings {
            event_limit: self.event_limit,
            query_rate: self.query_rate,
            limits,
            record: self.record.0.iter().copied().collect(),
        }
    }

    /// The settings as a TOML file in which every key carries its documentation.
    ///
    /// # Errors
    /// Never for settings that came from [`Config::load`].
    pub fn commented(&self) -> Result<String, toml::ser::Error> {
        let values = toml::Table::try_from(self)?;
        let mut file = String::new();
        for (key, documentation) in Self::documentation() {
            for line in documentation.lines() {
                file.push_str(format!("#{line}").trim_end());
                file.push('\n');
            }
            if let Some(value) = values.get(&key) {
                file.push_str(&format!("{key} = {value}\n\n"));
            }
        }
        Ok(file)
    }
}

/// Seconds as microseconds.
#[must_use]
pub fn micros(seconds: f64) -> crate::clock::Micros {
    (seconds * crate::clock::SECOND as f64) as crate::clock::Micros
}

/// The Levenshtein distance: letters to insert, delete or replace.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyspace::ROTATION;

    fn read(text: &str) -> Result<Config, ConfigError> {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(file.path(), text).expect("written");
        Config::load(Some(file.path()), Flags::default())
    }

    #[test]
    fn the_printed_file_reads_back_as_the_same_settings() {
        let config = Config { sensor: "a".into(), query_rate: 2.5, ..Config::default() };
        let printed = config.commented().expect("serialisable");
        assert_eq!(read(&printed).expect("readable"), config);
        for (key, documentation) in Config::documentation() {
            assert!(printed.contains(&format!("\n{key} = ")), "{key}");
            assert!(documentation.contains('.'), "{key} says what it means");
        }
    }

    #[test]
    fn an_unknown_key_names_file_key_and_the_nearest_one() {
        let error = read("bootstrp = \"none\"").expect_err("unknown").to_string();
        assert!(
            error.contains("`bootstrp`") && error.contains("`bootstrap`") && error.starts_with('/'),
            "{error}"
        );
    }

    #[test]
    fn flags_win_over_the_file() {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(file.path(), "ports = \"1-3\"\nsensor = \"file\"").expect("written");
        let flags = Flags { sensor: Some("flag".into()), ..Flags::default() };
        let config = Config::load(Some(file.path()), flags).expect("valid");
        assert_eq!((config.ports.list(), config.sensor.as_str()), (&[1, 2, 3][..], "flag"));
    }

    #[test]
    fn values_out_of_range_are_refused() {
        for text in [
            "ids-per-port = 17",
            "rotate-share = 1.5",
            "rotate-every = 1",
            "sync-interval = 0",
            "remote-rate = 1e-300",
            "remote-burst = 1",
            "record = \"\"",
            "sensor = \"vps 1\"",
            "sensor = \"../vps1\"",
        ] {
            let key = text.split(' ').next().expect("a key");
            let error = read(text).expect_err(text).to_string();
            assert!(error.contains(key), "{error}");
        }
        assert!(read("ports = \"9-7\"").is_err());
        assert!(read("ports = 6881").is_ok());
        assert!(read("record = [\"get_peers\", \"garbage\"]").is_ok());
        let error = read("record = \"get_peer\"").expect_err("unknown").to_string();
        assert!(error.contains("`get_peer`") && error.contains("announce_peer"), "{error}");
        assert!(read("bind = [\"0.0.0.0\", \"::\"]").is_ok());
    }

    #[test]
    fn a_deny_list_that_cannot_be_used_is_refused() {
        let error = read("deny = \"/nowhere/deny\"").expect_err("no file").to_string();
        assert!(error.contains("/nowhere/deny"), "{error}");
        let list = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(list.path(), "192.0.2.0/24").expect("written");
        let config = read(&format!("deny = {:?}", list.path())).expect("valid");
        assert!(config.deny_list().expect("a list").contains(Ipv4Addr::new(192, 0, 2, 1).into()));
    }

    #[test]
    fn the_default_is_208_presences() {
        assert_eq!(Config::default().keyspace("s").expect("valid").presences(), 208);
    }

    #[test]
    fn the_default_budget_is_that_of_the_guard() {
        assert_eq!(Config::default().antenna().limits, Limits::default());
    }

    #[test]
    fn the_default_rotation_is_that_of_the_keyspace() {
        assert_eq!(micros(Config::default().rotate_every), ROTATION);
    }

    #[test]
    fn edits_are_counted() {
        assert_eq!(edits("kitten", "sitting"), 3);
        assert_eq!(edits("", "abc"), 3);
    }
}
