//! Walks the keyspace upwards: infohashes in the order of their first three digits, over six of them.

use super::super::SECOND;
use super::super::families::NAMELESS;
use super::script::Script;
use super::{Drawn, Kind, Parameter};
use schema::partition::{DAY, HOUR};

pub(super) const KIND: Kind = Kind {
    name: "sequential_walker",
    doc: "asks for infohashes in ascending order of their first three digits, 96a to 96f",
    parameters: &[
        Parameter {
            name: "first",
            unit: "prefix of three digits, as a number",
            reference: 2410.0, // 0x96a
            tuning: (0.0, 2000.0),
            evaluation: (2500.0, 4000.0),
        },
        Parameter {
            name: "hashes",
            unit: "infohashes",
            reference: 23.0,
            tuning: (20.0, 26.0),
            evaluation: (28.0, 40.0),
        },
        Parameter {
            name: "duration",
            unit: "s",
            reference: 1080.0,
            tuning: (900.0, 1300.0),
            evaluation: (1400.0, 2400.0),
        },
        Parameter {
            name: "visibility",
            unit: "0–1, mean",
            reference: 1.0,
            tuning: (0.9, 1.0),
            evaluation: (0.7, 0.85),
        },
    ],
    plan,
};

/// Bits of three digits, and the number of prefixes.
const DIGITS: u64 = 12;
const PREFIXES: u64 = 6;

fn plan(drawn: &Drawn, script: &mut Script<'_>) {
    let party = script.party(0, &NAMELESS);
    let count = drawn.count("hashes");
    let start = script.time().start + DAY + 3 * HOUR;
    let step = drawn.count("duration") as i64 * SECOND / (count as i64 - 1).max(1);
    let mut tracks = Vec::new();
    for n in 0..count {
        let target =
            script.infohash_near((drawn.count("first") + n * PREFIXES / count) << (64 - DIGITS), DIGITS);
        let track = script.pair(party, target, drawn.get("visibility"));
        script.look_up(track, target, start + n as i64 * step);
        tracks.push(track);
    }
    let address = script.address(party);
    for table in ["sweep_events", "prefix_walk_events"] {
        script.unit(table, "keyspace_walk", address.clone(), &tracks, 10);
    }
}
