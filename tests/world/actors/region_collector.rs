//! Asks for infohashes of one part of the keyspace only.

use super::super::families::NAMELESS;
use super::super::prefix;
use super::script::Script;
use super::{Drawn, Kind, Parameter};
use schema::partition::HOUR;

pub(super) const KIND: Kind = Kind {
    name: "region_collector",
    doc: "asks once for each of many infohashes that share their first bits, in random order",
    parameters: &[
        Parameter {
            name: "hashes",
            unit: "infohashes",
            reference: 120.0,
            tuning: (90.0, 150.0),
            evaluation: (50.0, 80.0),
        },
        Parameter { name: "bits", unit: "bits", reference: 4.0, tuning: (4.0, 5.0), evaluation: (2.6, 3.4) },
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
    let party = script.party(3, &NAMELESS);
    let first = prefix(&script.infohash());
    let time = script.time();
    let mut tracks = Vec::new();
    for _ in 0..drawn.count("hashes") {
        let target = script.infohash_near(first, drawn.count("bits"));
        let track = script.pair(party, target, drawn.get("visibility"));
        let at = script.draw().between(time.start + HOUR, time.end - HOUR);
        script.look_up(track, target, at);
        tracks.push(track);
    }
    script.unit("prefix_entropy", "concentrated", script.address(party), &tracks, 32);
}
