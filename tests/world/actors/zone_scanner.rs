//! Asks for many infohashes of one cell of the keyspace, day after day for others.

use super::super::families::NAMELESS;
use super::super::prefix;
use super::script::Script;
use super::{Drawn, Kind, Parameter};
use schema::partition::HOUR;

pub(super) const KIND: Kind = Kind {
    name: "zone_scanner",
    doc: "asks once for each of many infohashes that begin with the same four digits",
    parameters: &[
        Parameter {
            name: "hashes",
            unit: "infohashes",
            reference: 28.0,
            tuning: (24.0, 31.0),
            evaluation: (15.0, 20.0),
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

/// Bits of four digits.
const CELL: u64 = 16;

fn plan(drawn: &Drawn, script: &mut Script<'_>) {
    let party = script.party(5, &NAMELESS);
    let cell = prefix(&script.infohash());
    let time = script.time();
    let mut tracks = Vec::new();
    for _ in 0..drawn.count("hashes") {
        let target = script.infohash_near(cell, CELL);
        let track = script.pair(party, target, drawn.get("visibility"));
        let at = script.draw().between(time.start + HOUR, time.end - HOUR);
        script.look_up(track, target, at);
        tracks.push(track);
    }
    let cell = format!("{:04x}", cell >> (64 - CELL));
    script.unit("keyspace_heatmap", "hot", cell, &tracks, 12);
}
