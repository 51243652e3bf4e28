//! The plan of all actors: who asks what when, whether it reaches us, and what follows from it.

use super::super::chance::{Chance, normal};
use super::super::families::Family;
use super::super::networks;
use super::super::presences::of_slice;
use super::super::query::{Caller, Query};
use super::super::stage::Stage;
use super::super::{Micros, SECOND, Settings, World, prefix};
use super::{Drawn, KINDS, Kind};
use capture::id::Id;
use capture::krpc::Method;
use rand::RngExt;
use schema::partition::HOUR;
use serde::Serialize;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

/// Presences that one lookup reaches at most.
const MOST_HIT: u16 = 3;

/// What every planted actor does.
#[derive(Debug, Default)]
pub struct Plan {
    /// The actors.
    pub actors: Vec<Actor>,
    parties: Vec<Caller>,
    /// In order of time.
    queries: Vec<Query>,
    streams: Vec<Stream>,
}

/// One actor: the truth about it.
#[derive(Debug, Serialize)]
pub struct Actor {
    /// Name of its kind.
    pub kind: &'static str,
    /// Its parameters.
    pub parameters: Drawn,
    /// Where it asks from.
    pub parties: Vec<Party>,
    /// What it is after.
    pub tracks: Vec<Track>,
    /// What detectors should find.
    pub units: Vec<Unit>,
}

/// An address of an actor.
#[derive(Debug, Serialize)]
pub struct Party {
    /// The address.
    pub address: IpAddr,
    /// Its autonomous system.
    pub asn: u32,
    /// Its country.
    pub country: &'static str,
}

/// A party after one infohash, or after the network as a whole.
#[derive(Debug, Serialize)]
pub struct Track {
    /// The party's address.
    pub address: IpAddr,
    /// The infohash, where there is one.
    pub infohash: Option<String>,
    /// Probability that a lookup of it reaches us while we record.
    pub visibility: f64,
    /// Lookups that were made.
    pub planned: u64,
    /// Lookups that could be expected to be recorded.
    pub expected: f64,
    /// Lookups that were recorded.
    pub observed: u64,
}

/// Something that a detector should find.
#[derive(Debug, Serialize)]
pub struct Unit {
    /// The derived table.
    pub table: &'static str,
    /// The label in it.
    pub label: &'static str,
    /// Which part of the actor shows it: the name of its kind where there is but one.
    pub role: &'static str,
    /// What it is about: an infohash, an address, both with a space between them, or a cell of the keyspace.
    pub subject: String,
    /// The tracks that show it, by index.
    pub tracks: Vec<usize>,
    /// Recorded lookups without which nobody can tell.
    pub needs: u64,
}

/// Queries without end, each worked out when its hour comes.
#[derive(Clone, Copy, Debug)]
struct Stream {
    party: u32,
    first: Micros,
    every: Micros,
    until: Micros,
    methods: &'static [Method],
    chance: Chance,
}

impl Plan {
    /// The plan of the actors that the settings of `world` name.
    #[must_use]
    pub fn new(world: &World) -> Self {
        let mut plan = Self::default();
        let Settings { cast, copies, only, .. } = &world.settings;
        for kind in
            KINDS.into_iter().filter(|kind| only.is_empty() || only.iter().any(|name| name == kind.name))
        {
            let first = world.chance.named("actor").named(kind.name);
            for copy in 0..*copies {
                let chance = if copy == 0 { first } else { first.named("copy").of(copy.into()) };
                if let Some(drawn) = Drawn::new(kind, *cast, chance.named("parameters")) {
                    plan.add(world, kind, drawn, chance);
                }
            }
        }
        plan.queries.sort_by_key(|query| query.ts);
        plan
    }

    fn add(&mut self, world: &World, kind: &Kind, parameters: Drawn, chance: Chance) {
        let drawn = parameters.clone();
        let actor =
            Actor { kind: kind.name, parameters, parties: Vec::new(), tracks: Vec::new(), units: Vec::new() };
        let mut script = Script {
            world,
            chance,
            first: self.parties.len() as u32,
            drawn: 0,
            role: kind.name,
            actor,
            owners: Vec::new(),
            plan: self,
        };
        (kind.plan)(&drawn, &mut script);
        let actor = script.actor;
        self.actors.push(actor);
    }

    /// Adds what the actors ask in the stage's hour.
    pub fn act(&self, stage: &mut Stage<'_>) {
        let mut numbers = vec![None; self.parties.len()];
        let mut receive = |stage: &mut Stage<'_>, query: Query| {
            let party = query.caller as usize;
            let caller = *numbers[party].get_or_insert_with(|| stage.enter(self.parties[party]));
            stage.receive(Query { caller, ..query });
        };
        let (hour, presences) = (stage.hour.clone(), stage.presences.count());
        let from = self.queries.partition_point(|query| query.ts < hour.start);
        for query in self.queries[from..].iter().take_while(|query| query.ts < hour.end) {
            receive(stage, *query);
        }
        for stream in &self.streams {
            let own = self.parties[stream.party as usize].id;
            for query in stream.within(&hour, presences, own) {
                receive(stage, query);
            }
        }
    }
}

impl Stream {
    /// Its queries in `time`, each to a presence of its own.
    fn within(&self, time: &Range<Micros>, presences: u16, own: Id) -> impl Iterator<Item = Query> + use<> {
        let stream = *self;
        let from = (time.start - stream.first + stream.every - 1).div_euclid(stream.every).max(0);
        let until = time.end.min(stream.until);
        (from..)
            .map(move |n| (n, stream.first + n * stream.every))
            .take_while(move |&(_, at)| at < until)
            .map(move |(n, at)| {
                let chance = stream.chance.of(n as u64);
                let method = stream.methods[n as usize % stream.methods.len()];
                Query {
                    ts: at,
                    caller: stream.party,
                    presence: chance.of(0).below(presences.into()) as u16,
                    method,
                    target: if method == Method::Ping { own } else { chance.id() },
                }
            })
    }
}

/// Takes down what one actor does.
pub struct Script<'a> {
    world: &'a World,
    /// Chance about this actor.
    pub chance: Chance,
    /// Number of its first party in the plan.
    first: u32,
    /// Draws so far.
    drawn: u64,
    role: &'static str,
    actor: Actor,
    /// The party of each track.
    owners: Vec<usize>,
    plan: &'a mut Plan,
}

impl Script<'_> {
    /// From when to when the world lasts.
    #[must_use]
    pub fn time(&self) -> Range<Micros> {
        self.world.time()
    }

    /// Another draw.
    pub fn draw(&mut self) -> Chance {
        self.drawn += 1;
        self.chance.of(self.drawn)
    }

    /// A duration with this mean and standard deviation.
    pub fn about(&mut self, mean: Micros, deviation: Micros) -> Micros {
        mean + (normal(&mut self.draw().rng()) * deviation as f64) as Micros
    }

    /// A party on a host of a hosting provider, 0 to 7; providers have an autonomous system each. From 8 on they
    /// are the networks of people.
    pub fn party(&mut self, provider: usize, family: &'static Family) -> usize {
        let host = self.draw().number();
        self.party_at(provider, host, family)
    }

    /// A party on the host numbered `host` of a provider.
    pub fn party_at(&mut self, provider: usize, host: u64, family: &'static Family) -> usize {
        let ip = networks::address(networks::HOSTING + provider, host);
        let port = self.draw().between(1024, 1 << 16) as u16;
        let caller = Caller {
            address: SocketAddr::new(ip, port),
            id: self.draw().id(),
            family,
            seeds: false,
            want: None,
            ttl: self.draw().between(44, 60) as u8,
        };
        self.plan.parties.push(caller);
        let network = networks::network_of(ip);
        self.actor.parties.push(Party { address: ip, asn: network.asn, country: network.country });
        self.actor.parties.len() - 1
    }

    /// The address of a party as detectors write it.
    #[must_use]
    pub fn address(&self, party: usize) -> String {
        self.actor.parties[party].address.to_string()
    }

    /// An infohash that nobody else is after.
    pub fn infohash(&mut self) -> Id {
        self.draw().id()
    }

    /// An infohash that nobody else is after, and whose first `bits` (1 to 63) are those of `first`.
    pub fn infohash_near(&mut self, first: u64, bits: u64) -> Id {
        let mut id = self.infohash();
        let rest = u64::MAX >> bits;
        let joined = first & !rest | prefix(&id) & rest;
        id.0[..8].copy_from_slice(&joined.to_be_bytes());
        id
    }

    /// `party` is after `infohash`, and its lookups reach us with probability `visibility`.
    pub fn track(&mut self, party: usize, infohash: Option<Id>, visibility: f64) -> usize {
        self.actor.tracks.push(Track {
            address: self.actor.parties[party].address,
            infohash: infohash.map(|id| id.to_string()),
            visibility,
            planned: 0,
            expected: 0.0,
            observed: 0,
        });
        self.owners.push(party);
        self.actor.tracks.len() - 1
    }

    /// `party` is after `infohash`, and how visible its lookups are is drawn for the pair: uniformly
    /// around `mean`, as far as half the way to the nearer of 0 and 1.
    pub fn pair(&mut self, party: usize, infohash: Id, mean: f64) -> usize {
        let away = mean.min(1.0 - mean) * (self.draw().unit() - 0.5);
        self.track(party, Some(infohash), mean + away)
    }

    /// A lookup that reaches up to three of our presences within seconds.
    pub fn look_up(&mut self, track: usize, target: Id, at: Micros) {
        let chance = self.draw();
        self.ask(track, &[Method::GetPeers], target, 1 + chance.below(MOST_HIT.into()) as u16, at);
    }

    /// The same queries, one after the other, to each of `presences` presences around the target.
    pub fn ask(&mut self, track: usize, methods: &[Method], target: Id, presences: u16, at: Micros) {
        let mut rng = self.draw().rng();
        let recorded = self.world.records(at);
        let entry = &mut self.actor.tracks[track];
        entry.planned += 1;
        if recorded {
            entry.expected += entry.visibility;
        }
        if rng.random::<f64>() >= entry.visibility {
            return;
        }
        entry.observed += u64::from(recorded);
        let count = self.world.keyspace.presences();
        let nearest = of_slice(count, prefix(&target)).min(count.saturating_sub(presences));
        for presence in nearest..(nearest + presences).min(count) {
            let mut ts = at;
            for &method in methods {
                let caller = self.first + self.owners[track] as u32;
                self.plan.queries.push(Query { ts, caller, presence, method, target });
                ts += rng.random_range(SECOND / 10..SECOND);
            }
        }
    }

    /// Queries at a steady rate during `time`, to all presences, each for a target of its own.
    pub fn stream(&mut self, track: usize, methods: &'static [Method], per_hour: f64, time: Range<Micros>) {
        let party = self.first + self.owners[track] as u32;
        let every = (HOUR as f64 / per_hour) as Micros;
        let stream =
            Stream { party, first: time.start, every, until: time.end, methods, chance: self.draw() };
        let own = self.plan.parties[party as usize].id;
        for query in stream.within(&time, self.world.keyspace.presences(), own) {
            let recorded = u64::from(self.world.records(query.ts));
            let entry = &mut self.actor.tracks[track];
            entry.planned += 1;
            entry.expected += recorded as f64;
            entry.observed += recorded;
        }
        self.plan.streams.push(stream);
    }

    /// The units that follow are shown by this part of the actor.
    pub fn role(&mut self, role: &'static str) {
        self.role = role;
    }

    /// A detector should find `label` in `table` about `subject`, from `needs` recorded lookups on.
    pub fn unit(
        &mut self,
        table: &'static str,
        label: &'static str,
        subject: String,
        tracks: &[usize],
        needs: u64,
    ) {
        let (role, tracks) = (self.role, tracks.to_vec());
        self.actor.units.push(Unit { table, label, role, subject, tracks, needs });
    }
}
