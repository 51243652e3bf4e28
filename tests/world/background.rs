//! What the population asks in an hour, as far as it reaches us.

use super::chance::{Rng, poisson};
use super::contact::{Contacts, Hit, LAST_BUCKET};
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
/// Time between two refreshes of a bucket with `find_node` (BEP 5), of which each node in it hears.
const REFRESH: Micros = 15 * MINUTE;
/// Time between two pings of a node, which BEP 5 wants when another could take its place.
const PING: Micros = 60 * MINUTE;
/// Time between two refreshes of a node in libtorrent, which takes one of some 312 entries every five seconds.
const LIBTORRENT_REFRESH: Micros = 26 * MINUTE;
/// Nodes of the table that are asked when a program starts: libtorrent takes 32 of 312.
const BOOTSTRAPPED: f64 = 0.8;
const LIBTORRENT_BOOTSTRAPPED: f64 = 0.1;
/// Bits that the target of libtorrent's first lookup shares with its own id, at least (`tests/corpus`).
const SECRET_BITS: u32 = 96;

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
        let contacts = world.contacts(&stage.presences, &stay.caller, stage.reach.start);
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

    /// Asks what keeps the routing table alive, about the client's own neighbourhood.
    fn keep_table(&mut self, stage: &mut Stage<'_>) {
        let starts = self.time.contains(&self.stay.online.start);
        match self.client.family.upkeep {
            Upkeep::GetPeers => {
                self.refresh_as_libtorrent(stage);
                if starts {
                    self.bootstrap_as_libtorrent(stage);
                }
            }
            Upkeep::FindNode => {
                self.refresh(stage);
                if starts {
                    self.bootstrap(stage);
                }
            }
        }
    }

    /// A ping for every node of the table, and for those of the last bucket a `get_peers`.
    fn refresh_as_libtorrent(&self, stage: &mut Stage<'_>) {
        let own = self.stay.caller.id;
        for &presence in self.contacts.held() {
            let chance = self.stay.chance.of(u64::from(presence) << 32);
            let bucket = shared(prefix(&own), stage.presences.id(presence, self.time.start));
            let first = self.stay.since + chance.between(0, LIBTORRENT_REFRESH);
            for (number, at) in ticks(first, LIBTORRENT_REFRESH, &self.time) {
                let mut rng = chance.of(number).rng();
                let (method, target) = match bucket < LAST_BUCKET {
                    true => (Method::Ping, own),
                    false => (Method::GetPeers, beyond(&own, bucket, &mut rng)),
                };
                self.ask(stage, method, target, presence, at, &mut rng);
            }
        }
    }

    /// A lookup of the own neighbourhood, and a `get_peers` to those that it leaves over.
    fn bootstrap_as_libtorrent(&mut self, stage: &mut Stage<'_>) {
        let own = self.stay.caller.id;
        let mut rng = self.stay.chance.named("bootstrap").rng();
        let start = self.stay.online.start;
        let mut target = own;
        rng.fill(&mut target.0[SECRET_BITS as usize / 8..]);
        for index in 0..self.contacts.held().len() {
            if rng.random::<f64>() < LIBTORRENT_BOOTSTRAPPED {
                let at = start + rng.random_range(0..LOOKUP);
                self.ask(stage, Method::GetPeers, target, self.contacts.held()[index], at, &mut rng);
            }
        }
        self.look_up(stage, target, start, false, &mut rng);
        let (model, near) = (self.world.settings.contact, prefix(&own));
        let left_over: Vec<_> = model.left_over(&stage.presences, near, start, &mut rng).collect();
        for presence in left_over {
            let at = start + LOOKUP + rng.random_range(0..LOOKUP);
            self.ask(stage, Method::GetPeers, beyond(&own, LAST_BUCKET, &mut rng), presence, at, &mut rng);
        }
    }

    /// A `find_node` for something in its bucket, and a ping, for every node of the table.
    fn refresh(&self, stage: &mut Stage<'_>) {
        let own = self.stay.caller.id;
        for &presence in self.contacts.held() {
            let chance = self.stay.chance.of(u64::from(presence) << 32);
            let bucket = shared(prefix(&own), stage.presences.id(presence, self.time.start));
            let phase = |name: &str, every| self.stay.since + chance.named(name).between(0, every);
            for (number, at) in ticks(phase("refresh", REFRESH), REFRESH, &self.time) {
                let mut rng = chance.of(number).rng();
                let target = near(&own, bucket, Id(rng.random()));
                self.ask(stage, Method::FindNode, target, presence, at, &mut rng);
            }
            for (number, at) in ticks(phase("ping", PING), PING, &self.time) {
                let mut rng = chance.named("pings").of(number).rng();
                self.ask(stage, Method::Ping, own, presence, at, &mut rng);
            }
        }
    }

    /// A `find_node` to most nodes of the table.
    fn bootstrap(&self, stage: &mut Stage<'_>) {
        let own = self.stay.caller.id;
        let mut rng = self.stay.chance.named("bootstrap").rng();
        for &presence in self.contacts.held() {
            if rng.random::<f64>() < BOOTSTRAPPED {
                let target = near(&own, rng.random_range(20..40), Id(rng.random()));
                let at = self.stay.online.start + rng.random_range(0..20 * SECOND);
                self.ask(stage, Method::FindNode, target, presence, at, &mut rng);
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

/// A target that shares more than `bits` bits with `own`: each further one with probability one half.
fn beyond(own: &Id, bits: u32, rng: &mut Rng) -> Id {
    let bits = bits + 1 + rng.random::<u64>().leading_zeros();
    near(own, bits, Id(rng.random()))
}

/// The moments `first` + n·`every` in `time`, numbered by n ≥ 0.
fn ticks(first: Micros, every: Micros, time: &Range<Micros>) -> impl Iterator<Item = (u64, Micros)> + use<> {
    let from = (time.start - first + every - 1).div_euclid(every).max(0);
    let end = time.end;
    (from..).map(move |n| (n as u64, first + n * every)).take_while(move |&(_, at)| at < end)
}
