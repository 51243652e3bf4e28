//! Parties whose behaviour is known. Each is named in the sample's README.

use super::{MINUTE, NETWORKS, SECOND, World};
use capture::id::Id;
use rand::RngExt;
use schema::partition::{DAY, HOUR};

pub(super) fn act(world: &mut World) {
    prober(world);
    clockwork(world);
    watchers(world);
    walker(world);
}

/// Asks for one infohash 49 times in less than five minutes, and never again.
fn prober(world: &mut World) {
    let client = world.client(NETWORKS[7], 201, b"LT\x01\x02");
    let target = world.id();
    for n in 0..49 {
        let event = world.query(&client, World::start() + 10 * HOUR + n * 5 * SECOND, "get_peers", target);
        world.events.push((event, client.network));
    }
}

/// Looks at one infohash every six hours, give or take two minutes, and never announces it.
fn clockwork(world: &mut World) {
    let client = world.client(NETWORKS[2], 202, b"LT\x01\x02");
    let target = world.id();
    let mut at = World::start() + HOUR;
    while at < World::end() {
        let shift = world.rng.random_range(-2 * MINUTE..=2 * MINUTE);
        world.lookup(&client, at + shift, target);
        at += 6 * HOUR;
    }
}

/// Six parties in six networks look at the same infohash once a day and never announce it.
fn watchers(world: &mut World) {
    let target = world.id();
    for network in NETWORKS.into_iter().take(6) {
        let client = world.client(network, 203, b"LT\x01\x02");
        let mut at = World::start();
        while at < World::end() {
            let moment = world.rng.random_range(0..DAY);
            world.lookup(&client, at + moment, target);
            at += DAY;
        }
    }
}

/// Walks the keyspace upwards from 96a to 96f: 23 infohashes in 1080 seconds.
fn walker(world: &mut World) {
    let client = world.client(NETWORKS[5], 204, b"LT\x01\x02");
    let begins = World::start() + DAY + 3 * HOUR;
    for n in 0..23_i64 {
        let prefix = 0x96a + n * 6 / 23;
        let mut target = Id(world.rng.random());
        target.0[0] = (prefix >> 4) as u8;
        target.0[1] = ((prefix & 0xf) << 4) as u8 | (target.0[1] & 0x0f);
        world.lookup(&client, begins + n * 1080 * SECOND / 22, target);
    }
}
