//! Contact models: which queries of a client reach us.
//!
//! A sensor sees a query only if the client that sends it has one of our presences in its routing
//! table, or meets one on its way to the target. Both follow from ids and the XOR metric. The
//! network behind the simulated clients has [`NETWORK`] nodes; only the few in which we stand matter.
//!
//! # What of libtorrent's table maintenance reaches a node
//!
//! 225 of the 365 `get_peers` of libtorrent in `tests/corpus` have a target that shares eight bits or
//! more with the sender's id. That is what was *sent*: 339 of them come from one client that had just
//! started with two torrents. A node that listens receives a far smaller share, for three reasons that
//! libtorrent's source (`node.cpp`, `routing_table.cpp`) gives:
//!
//! 1. A table is refreshed node by node. If the node's bucket is full it gets a `ping`, which has no
//!    target; only the last bucket, which never is, gets `get_peers`. We are in the last bucket of few:
//!    its [`CLOSEST`] nodes are one in forty of the table.
//! 2. The lookup of the own neighbourhood is made when the program starts. It asks [`ASKED`] nodes at each
//!    of [`LAST_BUCKET`] distances (39 in the corpus), and pings with a `get_peers` those that it
//!    heard of and did not ask ([`LEFT_OVER`]). Of a network of six million nodes these are some 200.
//! 3. A client that meets another in a swarm asks that one's node as well. A sensor that shares nothing
//!    is never met.
//!
//! Lookups of torrents go on as long as the client runs, one per torrent and cadence. Hence what
//! `world figures` measures: a share near 0.02, not 0.6.

use super::chance::{Chance, Rng, poisson};
use super::families::Family;
use super::presences::{Presences, of_slice, shared, sharing};
use super::{Micros, PRESENCES_PER_ADDRESS};
use clap::ValueEnum;
use rand::RngExt;
use serde::Serialize;

/// Nodes in the network that answer: crawls find some fifteen million, of which fewer than half do.
pub const NETWORK: f64 = 6e6;
/// Nodes that a lookup starts from, and to which it announces (BEP 5).
const CLOSEST: f64 = 8.0;
/// Nodes that a lookup asks on its way at each distance.
const ASKED: f64 = 3.0;
/// How much more often than an average node one that never goes away is in others' tables.
const STEADINESS: f64 = 6.0;
/// Nodes at each distance that a lookup hears of without asking them: 160 over 13 distances in the corpus.
const LEFT_OVER: f64 = 12.0;
/// The last bucket of a routing table, which holds all nodes that share as many bits with the client or
/// more: the targets that libtorrent makes up for it share 13 bits and more in the corpus.
pub const LAST_BUCKET: u32 = 12;

/// What of us a client knows, for as long as it has the same node id.
#[derive(Debug)]
pub struct Contacts {
    /// The client's own id, first 64 bits.
    own: u64,
    /// Presences in its routing table.
    held: Vec<u16>,
    /// Whether the far buckets of its table are larger than eight nodes, and it keeps one node per
    /// address (libtorrent).
    extended: bool,
    chance: Chance,
}

impl Contacts {
    /// The presences in its routing table.
    #[must_use]
    pub fn held(&self) -> &[u16] {
        &self.held
    }

    /// Puts `presence` into the table, unless it or its address is there.
    fn hold(&mut self, presence: u16) {
        let of_address = |presence: u16| presence / PRESENCES_PER_ADDRESS;
        let taken = |&other: &u16| match self.extended {
            true => of_address(other) == of_address(presence),
            false => other == presence,
        };
        if !self.held.iter().any(taken) {
            self.held.push(presence);
        }
    }
}

/// One of our presences that a lookup reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit {
    /// The presence.
    pub presence: u16,
    /// Whether it is among the nodes to which the client announces.
    pub announced_to: bool,
}

/// How clients come to ask us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum ContactModel {
    /// Routing tables and convergence by XOR distance, as described above.
    Tables,
    /// For evaluation only: distance does not matter. Whether a client's lookups of an infohash come
    /// past us is drawn once for the pair, few pairs often and most never; where they arrive is any
    /// of our presences, and one announce in ten comes along.
    Acquaintance,
}

impl ContactModel {
    /// Its name on the command line and in what is written.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Tables => "tables",
            Self::Acquaintance => "acquaintance",
        }
    }

    /// What a client with the id `own` knows of us at `at`.
    #[must_use]
    pub fn contacts(
        self,
        presences: &Presences<'_>,
        family: &Family,
        own: u64,
        at: Micros,
        chance: Chance,
    ) -> Contacts {
        let extended = family.one_node_per_address;
        let mut contacts = Contacts { own, held: Vec::new(), extended, chance };
        // Buckets that are wider than a slice have presences in them whatever their ids are.
        let count = presences.count();
        let wide = count.ilog2().min(LAST_BUCKET + 1);
        let rooms = || (0..wide).map(|bucket| room(extended, bucket));
        let mut rng = chance.rng();
        for _ in 0..poisson(&mut rng, rooms().sum::<f64>() * f64::from(count) * STEADINESS / NETWORK) {
            let bucket = at_random(rooms(), rng.random());
            contacts.hold(of_slice(count, sharing(own, bucket, rng.random())));
        }
        // Whether one is in a narrower bucket depends on its present id.
        for presence in presences.around(own) {
            let id = presences.id(presence, at);
            let bucket = shared(own, id).min(LAST_BUCKET);
            let nodes = NETWORK / power_of_two(bucket + u32::from(bucket < LAST_BUCKET));
            let held = bucket >= wide
                && chance.of(id).unit() < (STEADINESS * room(extended, bucket) / nodes).min(1.0);
            if held {
                contacts.hold(presence);
            }
        }
        contacts
    }

    /// The presences that a lookup for `target` at `at` reaches.
    pub fn lookup(
        self,
        presences: &Presences<'_>,
        contacts: &Contacts,
        target: u64,
        at: Micros,
        rng: &mut Rng,
        hits: &mut Vec<Hit>,
    ) {
        hits.clear();
        match self {
            Self::Tables => {
                for (presence, probability) in reachable(presences, contacts, target, at) {
                    if rng.random::<f64>() < probability {
                        let among = among_closest(presences.id(presence, at), target);
                        hits.push(Hit { presence, announced_to: rng.random::<f64>() < among });
                    }
                }
            }
            Self::Acquaintance => {
                if rng.random::<f64>() < acquaintance(contacts, target) {
                    for _ in 0..1 + poisson(rng, 2.0) {
                        let presence = rng.random_range(0..presences.count());
                        hits.push(Hit { presence, announced_to: rng.random::<f64>() < 0.1 });
                    }
                }
            }
        }
    }

    /// The presences that a lookup for `target` at `at` hears of without asking them.
    pub fn left_over(
        self,
        presences: &Presences<'_>,
        target: u64,
        at: Micros,
        rng: &mut Rng,
    ) -> impl Iterator<Item = u16> {
        let around = presences.around(target).filter(move |_| self == Self::Tables);
        around.filter(move |&presence| rng.random::<f64>() < left_over(presences.id(presence, at), target))
    }

    /// The probability that a lookup for `target` reaches any presence, at a given moment.
    #[must_use]
    pub fn visibility(self, presences: &Presences<'_>, contacts: &Contacts, target: u64, at: Micros) -> f64 {
        match self {
            Self::Tables => {
                let reachable = reachable(presences, contacts, target, at);
                1.0 - reachable.map(|(_, probability)| 1.0 - probability).product::<f64>()
            }
            Self::Acquaintance => acquaintance(contacts, target),
        }
    }
}

/// Nodes in a bucket: libtorrent makes those of the far ones larger.
fn room(extended: bool, bucket: u32) -> f64 {
    if extended { (128 >> bucket.min(4)).max(8).into() } else { CLOSEST }
}

/// The index of one of `weights`, at `uniform` in [0, 1).
fn at_random(weights: impl Iterator<Item = f64> + Clone, uniform: f64) -> u32 {
    let mut left = uniform * weights.clone().sum::<f64>();
    let found = weights.into_iter().position(|weight| {
        left -= weight;
        left < 0.0
    });
    found.unwrap_or(0) as u32
}

/// The presences that a lookup may reach, each with the probability that it does.
fn reachable(
    presences: &Presences<'_>,
    contacts: &Contacts,
    target: u64,
    at: Micros,
) -> impl Iterator<Item = (u16, f64)> {
    let held = contacts.held.iter().map(move |&presence| {
        let id = presences.id(presence, at);
        (presence, asked_first(contacts, id, target).max(met_on_the_way(id, target)))
    });
    let strangers = presences.around(target).filter(|presence| !contacts.held.contains(presence));
    held.chain(strangers.map(move |presence| (presence, met_on_the_way(presences.id(presence, at), target))))
}

/// Whether a node in the table is one of the closest that a lookup starts with: it is if it is in
/// the target's bucket, and among the closest there.
fn asked_first(contacts: &Contacts, id: u64, target: u64) -> f64 {
    let bucket = shared(contacts.own, id).min(LAST_BUCKET);
    if shared(contacts.own, target).min(LAST_BUCKET) != bucket {
        return 0.0;
    }
    // Both differ from the client in the same bit, so they share that one as well.
    let common = bucket + u32::from(bucket < LAST_BUCKET);
    let closer = room(contacts.extended, bucket) / power_of_two(shared(id, target).saturating_sub(common));
    (CLOSEST / closer).min(1.0)
}

/// Whether a lookup that comes ever closer asks a node at this distance: it asks a few of those that
/// are as near, and long-lived nodes are named more often.
fn met_on_the_way(id: u64, target: u64) -> f64 {
    const ODDS: [f64; 65] = odds(STEADINESS * ASKED);
    ODDS[shared(id, target) as usize]
}

/// Whether a lookup hears of a node at this distance without asking it.
fn left_over(id: u64, target: u64) -> f64 {
    const ODDS: [f64; 65] = odds(STEADINESS * LEFT_OVER);
    ODDS[shared(id, target) as usize]
}

/// Whether a node that was asked is one of those to which the client announces.
fn among_closest(id: u64, target: u64) -> f64 {
    const ODDS: [f64; 65] = odds(CLOSEST);
    ODDS[shared(id, target) as usize]
}

/// By how many bits a node shares with the target: the probability that it is one of `chosen` out of those
/// of the network that are as near.
const fn odds(chosen: f64) -> [f64; 65] {
    let mut odds = [1.0; 65];
    let mut bits = 0;
    while bits < odds.len() {
        let as_near = NETWORK / power_of_two(bits as u32);
        if chosen < as_near {
            odds[bits] = chosen / as_near;
        }
        bits += 1;
    }
    odds
}

const fn power_of_two(exponent: u32) -> f64 {
    (1u64 << if exponent < 63 { exponent } else { 63 }) as f64
}

/// Most pairs never meet us, some always.
fn acquaintance(contacts: &Contacts, target: u64) -> f64 {
    let often = contacts.chance.named("acquaintance").of(target).unit() * 4.0 - 3.0;
    let known = 0.25 * contacts.held.len() as f64;
    often.max(0.0).powi(2) * known.min(1.0)
}
