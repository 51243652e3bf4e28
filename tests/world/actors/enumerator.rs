//! Goes through the keyspace cell by cell, in no particular order: its infohashes lie further apart than
//! chance would have them.

use super::super::families::NAMELESS;
use super::script::Script;
use super::{Drawn, Kind, Parameter};
use capture::id::Id;
use schema::partition::HOUR;

pub(super) const KIND: Kind = Kind {
    name: "enumerator",
    doc: "asks for one infohash in each of as many equal parts of the keyspace, in random order",
    parameters: &[
        Parameter {
            name: "hashes",
            unit: "infohashes",
            reference: 256.0,
            tuning: (180.0, 256.0),
            evaluation: (110.0, 160.0),
        },
        Parameter {
            name: "visibility",
            unit: "0–1, mean",
            reference: 1.0,
            tuning: (0.95, 1.0),
            evaluation: (0.85, 0.93),
        },
    ],
    plan,
};

fn plan(drawn: &Drawn, script: &mut Script<'_>) {
    let party = script.party(1, &NAMELESS);
    let count = drawn.count("hashes");
    let time = script.time();
    let mut tracks = Vec::new();
    for part in 0..count {
        let target = in_part(part, count, script.infohash());
        let track = script.pair(party, target, drawn.get("visibility"));
        let at = script.draw().between(time.start + HOUR, time.end - HOUR);
        script.look_up(track, target, at);
        tracks.push(track);
    }
    script.unit("prefix_entropy", "too_even", script.address(party), &tracks, 32);
}

/// `id` moved into part `part` of `count` equal ones.
fn in_part(part: u64, count: u64, mut id: Id) -> Id {
    let within = super::super::prefix(&id);
    let place = ((u128::from(part) << 64) + u128::from(within)) / u128::from(count);
    id.0[..8].copy_from_slice(&(place as u64).to_be_bytes());
    id
}
