//! A simulated DHT whose truth is known: people with BitTorrent clients, parties whose behaviour is
//! what the detectors look for, and a sensor that sees as much of both as a real one would.
//!
//! Nobody can look into the intent of real traffic. Here it is known, so what a detector finds can be
//! held against it. The parts, from the world to the sensor:
//!
//! - [`networks`], [`families`], [`torrents`], [`population`]: who there is and what they want,
//! - [`background`]: what their programs ask; [`actors`]: what planted parties ask,
//! - [`contact`]: which of it reaches one of our [`presences`],
//! - [`stage`], [`query`]: what is received in an hour, as rows and as datagrams,
//! - [`rows`], [`metrics`], [`output`], [`replay`]: into hourly partitions, or at a running `capture`,
//! - [`nulls`]: worlds in which nothing is to be found; [`truth`]: what was planted,
//! - [`figures`]: what the world measures; [`evaluate`]: what the detectors make of it.
//!
//! Everything is a function of the settings: see [`chance`]. Memory is that of one hour per thread,
//! whatever the number of days. Times are microseconds since 1970-01-01 UTC. Nothing in it was ever
//! on a network: addresses and AS numbers are reserved ones, ids and infohashes are random.

pub mod actors;
pub mod background;
pub mod chance;
pub mod contact;
pub mod evaluate;
pub mod families;
pub mod figures;
pub mod metrics;
pub mod networks;
pub mod nulls;
pub mod output;
pub mod population;
pub mod presences;
pub mod query;
pub mod replay;
pub mod rows;
pub mod stage;
pub mod torrents;
pub mod truth;

use actors::Cast;
use actors::script::Plan;
use background::Arrivals;
use capture::config::Ports;
use capture::id::Id;
use capture::keyspace::{Keyspace, KeyspaceError};
use chance::Chance;
use contact::{ContactModel, Contacts};
use population::{Client, Society};
use presences::Presences;
use query::Caller;
use schema::partition::{DAY, HOUR, Hour};
use serde::Serialize;
use stage::{Received, Stage};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::ops::Range;
use torrents::Torrents;

pub use capture::clock::{MINUTE, Micros, SECOND};

/// Name of the sensor that sees the world.
pub const SENSOR: &str = "world";
/// First day, in days since 1970-01-01: 2026-01-05, a Monday.
pub const FIRST_DAY: i32 = 20_458;
/// Presences on one address of a sensor with default settings.
pub const PRESENCES_PER_ADDRESS: u16 = 208;

/// What a world is made of.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Settings {
    /// Everything that looks random follows from it.
    pub seed: u64,
    /// Days from [`FIRST_DAY`] on.
    pub days: i32,
    /// Addresses of the sensor, with 208 presences each: 1 is a modest deployment, 190 a large one.
    pub addresses: u16,
    /// How clients come to ask us.
    pub contact: ContactModel,
    /// Who there is.
    pub society: Society,
    /// How their lookups are spread over time.
    pub arrivals: Arrivals,
    /// Whether the times of the queries of an address are shuffled within each hour.
    pub shuffled: bool,
    /// Times in which the sensor does not record.
    pub outages: u32,
    /// Who is planted.
    pub cast: Cast,
    /// How many actors of each kind.
    pub copies: u32,
    /// Kinds of actors to plant; all of them when empty.
    pub only: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            seed: 1,
            days: 14,
            addresses: 1,
            contact: ContactModel::Tables,
            society: Society::default(),
            arrivals: Arrivals::Clockwork,
            shuffled: false,
            outages: 2,
            cast: Cast::Nobody,
            copies: 1,
            only: Vec::new(),
        }
    }
}

/// The world of `data/sample`: a week of a small population, and a few actors in it.
#[must_use]
pub fn sample() -> Settings {
    let only = ["dead_drop_checker", "distributed_campaign", "prober", "sequential_walker"];
    Settings {
        days: 7,
        society: Society { clients: 2200, ..Society::default() },
        cast: Cast::Reference,
        only: only.map(str::to_owned).to_vec(),
        ..Settings::default()
    }
}

/// A world that can be looked at hour by hour.
pub struct World {
    /// What it is made of.
    pub settings: Settings,
    /// Our presences.
    pub keyspace: Keyspace,
    /// Times in which the sensor does not record, in order.
    pub outages: Vec<Range<Micros>>,
    /// What is planted.
    pub plan: Plan,
    chance: Chance,
    torrents: Torrents,
    clients: Vec<Client>,
}

impl World {
    /// The world of `settings`.
    ///
    /// # Errors
    /// When its addresses make no keyspace.
    pub fn new(settings: Settings) -> Result<Self, KeyspaceError> {
        let chance = Chance::new(settings.seed);
        let own =
            |n: u16| IpAddr::V4(Ipv4Addr::from_bits(Ipv4Addr::new(198, 18, 0, 1).to_bits() + u32::from(n)));
        let own: Vec<_> = (0..settings.addresses).map(own).collect();
        let torrents = Torrents::new(chance, settings.society.packs);
        let mut world = Self {
            keyspace: keyspace(settings.seed, &own)?,
            outages: outages(chance, &settings),
            clients: (0..settings.society.clients)
                .map(|n| Client::new(chance, &settings.society, &torrents, n))
                .collect(),
            torrents,
            plan: Plan::default(),
            chance,
            settings,
        };
        world.plan = Plan::new(&world);
        Ok(world)
    }

    /// From when to when it is looked at.
    #[must_use]
    pub fn time(&self) -> Range<Micros> {
        let start = i64::from(FIRST_DAY) * DAY;
        start..start + i64::from(self.settings.days) * DAY
    }

    /// Its hours.
    pub fn hours(&self) -> impl Iterator<Item = Hour> + use<> {
        let time = self.time();
        (time.start / HOUR..time.end / HOUR).map(Hour)
    }

    /// What the sensor receives in an hour.
    #[must_use]
    pub fn hour(&self, hour: Hour) -> Received {
        let mut stage = Stage::new(&self.keyspace, &self.outages, hour);
        background::act(self, &mut stage);
        self.plan.act(&mut stage);
        if self.settings.shuffled {
            stage.shuffle(self.chance.named("shuffle"));
        }
        stage.finish()
    }

    /// The addresses of seedboxes, as text.
    #[must_use]
    pub fn seedboxes(&self) -> BTreeSet<String> {
        self.clients.iter().filter_map(|client| Some(client.seedbox()?.to_string())).collect()
    }

    /// Whether the sensor records at `at`.
    #[must_use]
    pub fn records(&self, at: Micros) -> bool {
        self.time().contains(&at) && !self.outages.iter().any(|outage| outage.contains(&at))
    }

    /// What of us the program of `caller` knows at `at`.
    #[must_use]
    pub fn contacts(&self, presences: &Presences<'_>, caller: &Caller, at: Micros) -> Contacts {
        let own = prefix(&caller.id);
        let chance = self.chance.named("contacts").of(own);
        self.settings.contact.contacts(presences, caller.family, own, at, chance)
    }

    /// The parts of `time` in which the sensor records.
    #[must_use]
    pub fn recorded(&self, time: Range<Micros>) -> Vec<Range<Micros>> {
        let mut parts = Vec::new();
        let mut from = time.start;
        for outage in self.outages.iter().filter(|outage| outage.start < time.end && time.start < outage.end)
        {
            parts.push(from..outage.start.max(from));
            from = outage.end;
        }
        parts.push(from..time.end.max(from));
        parts.retain(|part| !part.is_empty());
        parts
    }
}

/// The presences of a sensor with default ports on the addresses `bind`.
///
/// # Errors
/// When there is none, or there are too many.
pub fn keyspace(seed: u64, bind: &[IpAddr]) -> Result<Keyspace, KeyspaceError> {
    Keyspace::new(&format!("{SENSOR} {seed}"), bind, Ports::default().list(), 1, 1.0)
}

/// Spread over the days, a few minutes to a few hours long.
fn outages(chance: Chance, settings: &Settings) -> Vec<Range<Micros>> {
    let start = i64::from(FIRST_DAY) * DAY;
    let every = i64::from(settings.days) * DAY / i64::from(settings.outages + 1);
    (1..=i64::from(settings.outages))
        .map(|number| {
            let chance = chance.named("outage").of(number as u64);
            let from = start + number * every + chance.of(0).between(-3 * HOUR, 3 * HOUR);
            from..from + chance.of(1).between(10 * MINUTE, 3 * HOUR)
        })
        .collect()
}

/// The first 64 bits of an identifier: enough to tell distances in any network.
#[must_use]
pub fn prefix(id: &Id) -> u64 {
    u64::from_be_bytes(std::array::from_fn(|i| id.0[i]))
}
