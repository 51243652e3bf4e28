//! Goes through the same few infohashes one after the other, within two hours, every day.

use super::super::MINUTE;
use super::super::families::NAMELESS;
use super::script::Script;
use super::{Drawn, Kind, Parameter};
use schema::partition::{DAY, HOUR};

pub(super) const KIND: Kind = Kind {
    name: "cross_hash_monitor",
    doc: "looks at the same infohashes one after the other, every day, at no fixed time",
    parameters: &[
        Parameter {
            name: "hashes",
            unit: "infohashes",
            reference: 5.0,
            tuning: (5.0, 7.0),
            evaluation: (8.0, 12.0),
        },
        Parameter {
            name: "visibility",
            unit: "0–1, mean",
            reference: 1.0,
            tuning: (0.95, 1.0),
            evaluation: (0.8, 0.9),
        },
    ],
    plan,
};

fn plan(drawn: &Drawn, script: &mut Script<'_>) {
    let party = script.party(6, &NAMELESS);
    let count = drawn.count("hashes");
    let infohashes: Vec<_> = (0..count).map(|_| script.infohash()).collect();
    let tracks: Vec<_> =
        infohashes.iter().map(|&id| script.pair(party, id, drawn.get("visibility"))).collect();
    let time = script.time();
    let mut day = time.start;
    while day < time.end {
        let mut at = day + script.draw().between(0, 20 * HOUR);
        for (&infohash, &track) in infohashes.iter().zip(&tracks) {
            script.look_up(track, infohash, at);
            at += script.draw().between(MINUTE, 100 * MINUTE / count as i64);
        }
        day += DAY;
    }
    script.unit("rendezvous_events", "CROSS_HASH", script.address(party), &tracks, 2 * count);
}
