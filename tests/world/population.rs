//! People with BitTorrent clients: who they are, when they are online, and what they are after.

use super::chance::{Chance, exponential, log_normal, normal};
use super::families::{self, Family, Identity};
use super::networks::{self, NETWORKS};
use super::query::Caller;
use super::torrents::{TORRENTS, Torrents};
use super::{MINUTE, Micros, SECOND};
use capture::krpc::Want;
use schema::partition::{DAY, HOUR};
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

/// Median of the time that people stay online, and the spread of its logarithm.
pub const MEDIAN_STAY: Micros = 90 * MINUTE;
const STAY_SPREAD: f64 = 0.8;
const LONGEST_STAY: Micros = 12 * HOUR;
/// Local time at which most people come, and how far they are spread around it.
const EVENING: Micros = 20 * HOUR + 30 * MINUTE;
const EVENING_SPREAD: f64 = 3.0;
/// Days after which people are after something else.
const SHELF_DAYS: i64 = 3;
/// Clients behind one address of a translator, and the ports it gives out.
const BEHIND_ONE: f64 = 24.0;
const TRANSLATED_PORTS: i64 = 2048;
/// Time between two flash crowds, and the time in which most of one has come.
const FLASH_INTERVAL: Micros = 2 * DAY;
const FLASH_DECAY: f64 = 3.0;

/// What kinds of people there are, as shares of all clients where nothing else is said.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Society {
    /// Clients in all.
    pub clients: u32,
    /// Always online.
    pub seeders: f64,
    /// Servers with hundreds of torrents, announced in the order of their infohashes.
    pub seedboxes: f64,
    /// People who come every day at the same time and look at the same torrents.
    pub faithful: f64,
    /// Clients that share an address with others.
    pub translated: f64,
    /// Clients that get a new address every day.
    pub readdressed: f64,
    /// Clients that join a given flash crowd.
    pub flash: f64,
    /// Choices that fall on a season pack.
    pub packs: f64,
    /// Least and greatest share of datagrams that are lost on their way to or from us.
    pub loss: (f64, f64),
}

impl Default for Society {
    fn default() -> Self {
        Self {
            clients: 100_000,
            seeders: 0.12,
            seedboxes: 0.001,
            faithful: 0.05,
            translated: 0.10,
            readdressed: 0.30,
            flash: 0.02,
            packs: 0.2,
            loss: (0.01, 0.03),
        }
    }
}

/// When a client is online.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Habit {
    Always,
    /// Comes on a day with probability `daily`, around `evening` (UTC) ± `spread` hours.
    Person {
        evening: Micros,
        spread: f64,
        daily: f64,
        faithful: bool,
    },
}

/// A client and what never changes about it.
#[derive(Clone, Debug)]
pub struct Client {
    /// Chance about this client.
    pub chance: Chance,
    /// Its program.
    pub family: &'static Family,
    /// Time between two announces of a torrent.
    pub cadence: Micros,
    /// Share of its datagrams that are lost.
    pub loss: f64,
    network: usize,
    habit: Habit,
    seedbox: bool,
    /// Shares its address with others: the number of the translator.
    translator: Option<u64>,
    readdressed: bool,
    /// What it is after, if that never changes.
    shelf: Vec<u32>,
}

/// A stretch of time in which a client is online at one address.
#[derive(Debug)]
pub struct Stay {
    /// From when to when.
    pub online: Range<Micros>,
    /// When the program was started: the origin of its clockwork.
    pub since: Micros,
    /// Chance about this stay.
    pub chance: Chance,
    /// What it says about itself.
    pub caller: Caller,
    /// Torrents it is after.
    pub torrents: Vec<u32>,
}

impl Client {
    /// The client numbered `number`.
    #[must_use]
    pub fn new(world: Chance, society: &Society, torrents: &Torrents, number: u32) -> Self {
        let chance = world.named("client").of(number.into());
        let draw = |name| chance.named(name).unit();
        let family = families::family(draw("family"));
        let kind = draw("kind");
        let seedbox = kind < society.seedboxes;
        let translator = (!seedbox && draw("translated") < society.translated)
            .then(|| (f64::from(number) * society.translated / BEHIND_ONE) as u64);
        let network = match translator {
            Some(translator) => networks::of_people(world.named("translator").of(translator).unit()),
            None if seedbox => networks::HOSTING + chance.named("host").below(4) as usize,
            None => networks::of_people(draw("network")),
        };
        let habit = if kind < society.seedboxes + society.seeders {
            Habit::Always
        } else {
            let mut rng = chance.named("evening").rng();
            let local = EVENING + (normal(&mut rng) * EVENING_SPREAD * HOUR as f64) as Micros;
            let evening = (local - NETWORKS[network].utc_offset * HOUR).rem_euclid(DAY);
            let faithful = draw("faithful") < society.faithful;
            let (spread, daily) = if faithful { (0.4, 0.98) } else { (2.0, 0.3 + 0.6 * draw("daily")) };
            Habit::Person { evening, spread, daily, faithful }
        };
        let mut client = Self {
            family: if seedbox { &families::LIBTORRENT } else { family },
            cadence: chance.named("cadence").between(family.cadence.0, family.cadence.1),
            loss: society.loss.0 + (society.loss.1 - society.loss.0) * draw("loss"),
            network,
            habit,
            seedbox,
            translator,
            readdressed: !seedbox && draw("readdressed") < society.readdressed,
            chance,
            shelf: Vec::new(),
        };
        if client.is_always_online() {
            client.shelf = client.shelf(0, torrents);
        }
        client
    }

    /// Local time minus UTC where it lives, hours.
    #[must_use]
    pub fn utc_offset(&self) -> i64 {
        NETWORKS[self.network].utc_offset
    }

    /// Its address, if it is a seedbox: they never change it.
    #[must_use]
    pub fn seedbox(&self) -> Option<IpAddr> {
        self.seedbox.then(|| self.caller(0, true).address.ip())
    }

    /// Whether it never goes offline.
    #[must_use]
    pub fn is_always_online(&self) -> bool {
        self.habit == Habit::Always
    }

    /// Adds the stays that touch `time`.
    pub fn stays(&self, time: &Range<Micros>, society: &Society, torrents: &Torrents, into: &mut Vec<Stay>) {
        if self.is_always_online() && !self.readdressed {
            into.push(self.stay(Micros::MIN / 2..Micros::MAX / 2, 0, self.shelf.clone()));
            return;
        }
        // No stay is longer than a day.
        for day in time.start.div_euclid(DAY) - 1..=(time.end - 1).div_euclid(DAY) {
            let online = match self.habit {
                Habit::Always => {
                    // Providers that part connections do so once a day, at a time of their own.
                    let start = day * DAY + self.chance.named("parted").between(0, DAY);
                    start..start + DAY
                }
                Habit::Person { evening, spread, daily, .. } => {
                    let chance = self.chance.of(day as u64);
                    if chance.unit() >= daily {
                        continue;
                    }
                    let mut rng = chance.rng();
                    let shift = (normal(&mut rng) * spread * HOUR as f64) as Micros;
                    let start = day * DAY + (evening + shift).rem_euclid(DAY);
                    let length = log_normal(&mut rng, MEDIAN_STAY as f64, STAY_SPREAD) as Micros;
                    start..start + length.min(LONGEST_STAY)
                }
            };
            if online.start < time.end && time.start < online.end {
                let shelf = match self.habit {
                    Habit::Always => self.shelf.clone(),
                    Habit::Person { .. } => self.shelf(day, torrents),
                };
                into.push(self.stay(online, day, shelf));
            }
        }
        if !self.is_always_online() {
            self.flash(time, society, into);
        }
    }

    /// The stays for flash crowds: many come for one torrent within hours of its release.
    fn flash(&self, time: &Range<Micros>, society: &Society, into: &mut Vec<Stay>) {
        let newest = (time.end - 1).div_euclid(FLASH_INTERVAL);
        for number in [newest - 1, newest] {
            let chance = self.chance.named("flash").of(number as u64);
            if chance.unit() >= society.flash {
                continue;
            }
            let mut rng = chance.rng();
            let start =
                number * FLASH_INTERVAL + (exponential(&mut rng, FLASH_DECAY) * HOUR as f64) as Micros;
            let length = log_normal(&mut rng, MEDIAN_STAY as f64, STAY_SPREAD) as Micros;
            let online = start..start + length.min(LONGEST_STAY);
            if online.start < time.end && time.start < online.end {
                let torrent = TORRENTS + number.rem_euclid(1 << 20) as u32;
                into.push(self.stay(online, start.div_euclid(DAY), vec![torrent]));
            }
        }
    }

    fn stay(&self, online: Range<Micros>, day: i64, torrents: Vec<u32>) -> Stay {
        let always = self.is_always_online();
        let since = if always { self.chance.named("since").between(-DAY, 0) } else { online.start };
        let chance = self.chance.named("stay").of(online.start as u64);
        Stay { chance, since, caller: self.caller(day, always), torrents, online }
    }

    fn caller(&self, day: i64, seeds: bool) -> Caller {
        let chance = self.chance;
        let days = day as u64;
        let lease = if self.readdressed { days } else { 0 };
        let (host, port) = match self.translator {
            Some(translator) => {
                (translator, 1024 + chance.named("port").of(days).between(0, TRANSLATED_PORTS))
            }
            None => (chance.named("address").of(lease).number(), chance.named("port").between(1024, 1 << 16)),
        };
        let id = match self.family.id {
            Identity::Kept => chance.named("id"),
            Identity::OfAddress => chance.named("id").of(lease),
            Identity::OfSession => chance.named("id").of(days),
        };
        Caller {
            address: SocketAddr::new(networks::address(self.network, host), port as u16),
            id: id.id(),
            family: self.family,
            seeds,
            want: (chance.named("dual stack").unit() < 0.3).then_some(Want { n4: true, n6: true }),
            ttl: chance.named("hops").between(38, 60) as u8,
        }
    }

    /// What it is after on a day.
    fn shelf(&self, day: i64, torrents: &Torrents) -> Vec<u32> {
        let chance = self.chance.named("shelf");
        let mut shelf = Vec::new();
        if self.seedbox {
            (0..chance.between(100, 400) as u64).for_each(|n| torrents.choose(chance.of(n), &mut shelf));
            shelf.sort_unstable_by_key(|&torrent| torrents.infohash(torrent));
            shelf.dedup();
            return shelf;
        }
        let (period, mean) = match self.habit {
            Habit::Always => (0, 2.0),
            Habit::Person { faithful: true, .. } => (0, 0.5),
            Habit::Person { .. } => ((day + chance.below(SHELF_DAYS as u64) as i64) / SHELF_DAYS, 1.0),
        };
        let chance = chance.of(period as u64);
        let choices = exponential(&mut chance.rng(), mean).min(40.0) as u64;
        (0..=choices).for_each(|n| torrents.choose(chance.of(n), &mut shelf));
        shelf
    }
}

impl Stay {
    /// When the `index`th torrent is first asked for, after the start of the program: a long list is
    /// spread over the whole cadence, as libtorrent does, a short one is asked for at once.
    #[must_use]
    pub fn offset(&self, index: usize, cadence: Micros) -> Micros {
        let index = index as Micros;
        if self.torrents.len() > 5 {
            cadence * index / self.torrents.len() as Micros
        } else {
            3 * SECOND * index
        }
    }
}
