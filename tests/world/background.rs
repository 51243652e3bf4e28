//! What the population asks in an hour, as far as it reaches us.

use super::chance::{Rng, poisson};
use super::contact::{Contacts, Hit};
use super::families::Upkeep;
use super::population::{Client, Stay};
use super::presences::{near, shared};
use super::query::Query;
use super::stage::Stage;
use super::{MINUTE, Micros, SECOND, World, prefix};
use capture::id::Id;
use capture::krpc::Method;
use rand::RngExt;
use schema::partition::HOUR;
use std::ops::Range;

/// Time in which a lookup asks all it asks.
const LOOKUP: Micros = 4 * SECOND;
/// Time between two refreshes of a table entry with `get_peers`, with `find_node`, and two pings.
const REFRESH: Micros = 40 * MINUTE;
const PING: Micros = 30 * MINUTE;
/// Time between two lookups of the own neighbourhood (libtorrent).
const SELF_REFRESH: Micros = 10 * MINUTE;
/// Nodes of the table that are asked when a program starts.
const BOOTSTRAPPED: f64 = 0.8;

/// How the arrivals of a client's lookups are spread over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Arrivals {
    /// By the clockwork of the program.
    Clockwork,
    /// At random, with the same rate at all times.
    Poisson,
    /// At random, with a rate that follows the local time of day.
    DiurnalPoisson,
}

/// Adds what the clients of `world` ask in the stage's hour.
pub fn act(world: &World, stage: &mut Stage<'_>) {
    let mut stays = Vec::new();
    for client in &world.clients {
        stays.clear();
        client.stays(&stage.reach, &world.settings.society, &world.torrents, &mut stays);
        for stay in &stays {
            Visitor::new(world, client, stay, stage).act(stage);
        }
    }
}

/// A client during one stay.
struct Visitor<'a> {
    world: &'a World,
    client: &'a Client,
    stay: &'a Stay,
    contacts: Contacts,
    caller: u32,
    hits: Vec<Hit>,
    /// The part of the stay that the stage needs to know.
    time: Range<Micros>,
}

impl<'a> Visitor<'a> {
    fn new(world: &'a World, client: &'a Client, stay: &'a Stay, stage: &mut Stage<'_>) -> Self {
        let contacts = world.contacts(&stay.caller);
        let time = stay.online.start.max(stage.reach.start)..stay.online.end.min(stage.reach.end);
        Self { world, client, stay, contacts, caller: stage.enter(stay.caller), hits: Vec::new(), time }
    }

    fn act(&mut self, stage: &mut Stage<'_>) {
        match self.world.settings.arrivals {
            Arrivals::Clockwork => {
                self.announce_all(stage);
                self.keep_table(stage);
            }
            Arrivals::Poisson => self.arrive_at_random(stage, |_| 1.0),
            Arrivals::DiurnalPoisson => {
                let offset = self.client.utc_offset();
                self.arrive_at_random(stage, |hour| {
                    1.0 + 0.8 * ((hour + offset as f64 - 20.5) * std::f64::consts::TAU / 24.0).cos()
                });
            }
        }
    }

    /// Every torrent is looked up, and announced, once per cadence.
    fn announce_all(&mut self, stage: &mut Stage<'_>) {
        let cadence = self.client.cadence;
        for (index, &torrent) in self.stay.torrents.iter().enumerate() {
            let infohash = self.world.torrents.infohash(torrent);
            let chance = self.stay.chance.of(torrent.into());
            let first = self.stay.since + self.stay.offset(index, cadence);
            for (number, at) in ticks(first, cadence, &self.time) {
                let mut rng = chance.of(number).rng();
                let at = at + rng.random_range(0..20 * SECOND);
                self.look_up(stage, infohash, at, true, &mut rng);
            }
        }
    }

    fn look_up(&mut self, stage: &mut Stage<'_>, target: Id, at: Micros, announces: bool, rng: &mut Rng) {
        let model = self.world.settings.contact;
        model.lookup(&stage.presences, &self.contacts, prefix(&target), at, rng, &mut self.hits);
        for index in 0..self.hits.len() {
            let hit = self.hits[index];
            let at = at + rng.random_range(0..LOOKUP);
            self.ask(stage, Method::GetPeers, target, hit.presence, at, rng);
            if announces && hit.announced_to {
                let at = at + LOOKUP + rng.random_range(0..LOOKUP);
                self.ask(stage, Method::AnnouncePeer, target, hit.presence, at, rng);
            }
        }
    }

    /// Asks what keeps the routing table alive: mostly about the client's own neighbourhood.
    fn keep_table(&mut self, stage: &mut Stage<'_>) {
        let own = self.stay.caller.id;
        let upkeep = self.client.family.upkeep;
        for presence in self.contacts.held().to_vec() {
            let chance = self.stay.chance.of(u64::from(presence) << 32);
            let id = stage.presences.id(presence, self.time.start);
            let bucket = shared(prefix(&own), id);
            let phase = |name: &str, every| self.stay.since + chance.named(name).between(0, every);
            let refreshes = ticks(phase("refresh", REFRESH), REFRESH, &self.time);
            for (number, at) in refreshes {
                let mut rng = chance.of(number).rng();
                // Beyond the bucket every further bit is shared with probability one half.
                let bits = bucket + 1 + rng.random::<u64>().leading_zeros();
                let (method, bits) = match upkeep {
                    Upkeep::GetPeers => (Method::GetPeers, bits),
                    Upkeep::FindNode => (Method::FindNode, bits.max(16)),
                };
                self.ask(stage, method, near(&own, bits, Id(rng.random())), presence, at, &mut rng);
            }
            if upkeep == Upkeep::FindNode {
                let pings = ticks(phase("ping", PING), PING, &self.time);
                for (number, at) in pings {
                    let mut rng = chance.named("pings").of(number).rng();
                    self.ask(stage, Method::Ping, own, presence, at, &mut rng);
                }
            }
            let mut rng = chance.named("bootstrap").rng();
            if rng.random::<f64>() < BOOTSTRAPPED {
                let method = if upkeep == Upkeep::GetPeers { Method::GetPeers } else { Method::FindNode };
                let target = near(&own, rng.random_range(20..40), Id(rng.random()));
                let at = self.stay.online.start.saturating_add(rng.random_range(0..20 * SECOND));
                self.ask(stage, method, target, presence, at, &mut rng);
            }
        }
        if upkeep == Upkeep::GetPeers {
            let chance = self.stay.chance.named("self");
            let lookups = ticks(self.stay.since + chance.between(0, SELF_REFRESH), SELF_REFRESH, &self.time);
            for (number, at) in lookups {
                let mut rng = chance.of(number).rng();
                let target = near(&own, rng.random_range(12..40), Id(rng.random()));
                self.look_up(stage, target, at, false, &mut rng);
            }
        }
    }

    /// Lookups of the client's torrents at random times, `weight` being a factor by hour of the day.
    fn arrive_at_random(&mut self, stage: &mut Stage<'_>, weight: impl Fn(f64) -> f64) {
        let mean = HOUR as f64 / self.client.cadence as f64;
        for &torrent in &self.stay.torrents {
            let infohash = self.world.torrents.infohash(torrent);
            // By the clock hour, so that neighbouring stages agree on the arrivals that both see.
            for hour in self.time.start.div_euclid(HOUR)..=self.time.end.div_euclid(HOUR) {
                let mut rng = self.stay.chance.of(torrent.into()).of(hour as u64).rng();
                let arrivals = poisson(&mut rng, mean * weight(hour.rem_euclid(24) as f64));
                for _ in 0..arrivals {
                    let at = hour * HOUR + rng.random_range(0..HOUR);
                    self.look_up(stage, infohash, at, true, &mut rng);
                }
            }
        }
    }

    /// Sends a query; some are lost, and then asked again. So are those whose answer is lost.
    fn ask(
        &self,
        stage: &mut Stage<'_>,
        method: Method,
        target: Id,
        presence: u16,
        at: Micros,
        rng: &mut Rng,
    ) {
        let query = Query { ts: at, caller: self.caller, presence, method, target };
        let again = Query { ts: at + rng.random_range(SECOND..4 * SECOND), ..query };
        match rng.random::<f64>() / self.client.loss {
            lost if lost < 1.0 => stage.receive(again),
            unanswered if unanswered < 2.0 => {
                stage.receive(query);
                stage.receive(again);
            }
            _ => stage.receive(query),
        }
    }
}

/// The moments `first` + n·`every` in `time`, numbered by n ≥ 0.
fn ticks(first: Micros, every: Micros, time: &Range<Micros>) -> impl Iterator<Item = (u64, Micros)> + use<> {
    let from = (time.start - first + every - 1).div_euclid(every).max(0);
    let end = time.end;
    (from..).map(move |n| (n as u64, first + n * every)).take_while(move |&(_, at)| at < end)
}
