//! Contact models: which queries of a client reach us.
//!
//! A sensor sees a query only if the client that sends it has one of our presences in its routing
//! table, or meets one on its way to the target. Both follow from ids and the XOR metric. The
//! network behind the simulated clients has [`NETWORK`] nodes; only the few in which we stand matter.

use super::chance::{Chance, Rng, poisson};
use super::families::Family;
use super::presences::{Presences, of_slice, shared, sharing};
use super::{Micros, PRESENCES_PER_ADDRESS};
use capture::keyspace::Keyspace;
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
/// Buckets of a routing table that can hold one of ours, from the far half of the keyspace inwards.
const BUCKETS: u32 = 12;
/// Presences that a client has in its table for each of our addresses, on average.
const HELD_PER_ADDRESS: f64 = 0.06;

/// What of us a client knows, for as long as it has the same node id.
#[derive(Debug)]
pub struct Contacts {
    /// The client's own id, first 64 bits.
    own: u64,
    /// Presences in its routing table.
    held: Vec<u16>,
    /// Whether the far buckets of its table are larger than eight nodes.
    extended: bool,
    chance: Chance,
}

impl Contacts {
    /// The presences in its routing table.
    #[must_use]
    pub fn held(&self) -> &[u16] {
        &self.held
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
    /// What a client with the id `own` knows of us.
    #[must_use]
    pub fn contacts(self, keyspace: &Keyspace, family: &Family, own: u64, chance: Chance) -> Contacts {
        let mut rng = chance.rng();
        let count = keyspace.presences();
        let addresses = f64::from(count) / f64::from(PRESENCES_PER_ADDRESS);
        let mut held = Vec::new();
        for _ in 0..poisson(&mut rng, HELD_PER_ADDRESS * addresses) {
            let bucket = bucket(family, rng.random());
            let presence = of_slice(count, sharing(own, bucket, rng.random()));
            let of_address = |presence: u16| presence / PRESENCES_PER_ADDRESS;
            let taken = |&other: &u16| match family.one_node_per_address {
                true => of_address(other) == of_address(presence),
                false => other == presence,
            };
            if !held.iter().any(taken) {
                held.push(presence);
            }
        }
        Contacts { own, held, extended: family.one_node_per_address, chance }
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

/// The bucket of a node of ours in somebody's table: as many bits as the two ids share. A bucket has
/// as many of ours as it has room, while the network is dense enough to fill it.
fn bucket(family: &Family, uniform: f64) -> u32 {
    let rooms = (0..BUCKETS).map(|bucket| room(family.one_node_per_address, bucket));
    let mut left = uniform * rooms.clone().sum::<f64>();
    for (bucket, room) in (0..).zip(rooms) {
        left -= room;
        if left < 0.0 {
            return bucket;
        }
    }
    0
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
    let bucket = shared(contacts.own, id);
    if shared(contacts.own, target) != bucket {
        return 0.0;
    }
    // Both differ from the client in the same bit, so they share that one as well.
    let closer = room(contacts.extended, bucket) / power_of_two(shared(id, target) - bucket - 1);
    (CLOSEST / closer).min(1.0)
}

/// Whether a lookup that comes ever closer asks a node at this distance: it asks a few of those that
/// are as near, and long-lived nodes are named more often.
fn met_on_the_way(id: u64, target: u64) -> f64 {
    (STEADINESS * ASKED / peers_as_near(id, target)).min(1.0)
}

/// Whether a node that was asked is one of those to which the client announces.
fn among_closest(id: u64, target: u64) -> f64 {
    (CLOSEST / peers_as_near(id, target)).min(1.0)
}

/// Nodes of the network that are as near to the target.
fn peers_as_near(id: u64, target: u64) -> f64 {
    NETWORK / power_of_two(shared(id, target))
}

fn power_of_two(exponent: u32) -> f64 {
    (1u64 << exponent.min(63)) as f64
}

/// Most pairs never meet us, some always.
fn acquaintance(contacts: &Contacts, target: u64) -> f64 {
    let often = contacts.chance.named("acquaintance").of(target).unit() * 4.0 - 3.0;
    let known = 0.25 * contacts.held.len() as f64;
    often.max(0.0).powi(2) * known.min(1.0)
}
