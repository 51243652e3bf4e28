//! People with BitTorrent clients: popular torrents have many, most have few; everybody has their
//! hours, looks a torrent up when it is added, and then announces it by the clock.

use super::{Client, DAYS, MINUTE, NETWORKS, World};
use capture::id::Id;
use rand::RngExt;
use schema::partition::{DAY, HOUR};

const CLIENTS: usize = 240;
const TORRENTS: usize = 300;
/// Exponent of the popularity of torrents by rank.
const ZIPF: f64 = 0.9;

/// Client version and the pause between two announces, minutes.
const FAMILIES: [(&[u8; 4], i64); 3] = [(b"LT\x02\x0b", 15), (b"TR\x04\x06", 27), (b"UT\xb5\x4e", 30)];

pub(super) fn live(world: &mut World) {
    let torrents: Vec<Id> = (0..TORRENTS).map(|_| world.id()).collect();
    for number in 0..CLIENTS {
        let network = NETWORKS[number % NETWORKS.len()];
        let (version, pause) = FAMILIES[world.rng.random_range(0..FAMILIES.len())];
        let client =
            world.client(network, u8::try_from(10 + number / NETWORKS.len()).unwrap_or(250), version);
        let evening = world.rng.random_range(15..23);
        let mine: Vec<Id> = (0..world.rng.random_range(1..=3)).map(|_| torrents[popular(world)]).collect();
        for day in 0..DAYS {
            let begins = World::start() + i64::from(day) * DAY + evening * HOUR;
            let begins = begins + world.rng.random_range(0..2 * HOUR);
            let ends = begins + world.rng.random_range(30 * MINUTE..3 * HOUR);
            if world.rng.random_bool(0.7) {
                mine.iter()
                    .for_each(|torrent| session(world, &client, *torrent, begins, ends, pause * MINUTE));
            }
        }
    }
}

/// A rank drawn by popularity: the inverse of the continuous Zipf distribution.
fn popular(world: &mut World) -> usize {
    let uniform: f64 = world.rng.random();
    let top = (TORRENTS as f64).powf(1.0 - ZIPF);
    let rank = (1.0 + uniform * (top - 1.0)).powf(1.0 / (1.0 - ZIPF));
    (rank as usize).clamp(1, TORRENTS) - 1
}

/// Announces reach us seldom: they go to the few nodes nearest to the infohash.
fn session(world: &mut World, client: &Client, torrent: Id, begins: i64, ends: i64, pause: i64) {
    let announces_reach_us = world.rng.random_bool(0.3);
    let mut at = begins;
    while at < ends {
        world.lookup(client, at, torrent);
        if announces_reach_us {
            world.announce(client, at + 4_000_000, torrent);
        }
        at += pause + world.rng.random_range(0..MINUTE);
    }
}
