//! Looks at infohashes that begin with the same bits: they were made, not hashed.

use super::super::families::NAMELESS;
use super::super::prefix;
use super::script::Script;
use super::{Drawn, Kind, Parameter};
use schema::partition::{DAY, HOUR};

pub(super) const KIND: Kind = Kind {
    name: "family_watcher",
    doc: "looks daily at infohashes that share their first bits",
    parameters: &[
        Parameter {
            name: "hashes",
            unit: "infohashes",
            reference: 8.0,
            tuning: (8.0, 12.0),
            evaluation: (5.0, 7.0),
        },
        Parameter {
            name: "bits",
            unit: "bits",
            reference: 32.0,
            tuning: (32.0, 40.0),
            evaluation: (22.0, 28.0),
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
    let party = script.party(2, &NAMELESS);
    let first = prefix(&script.infohash());
    let infohashes: Vec<_> =
        (0..drawn.count("hashes")).map(|_| script.infohash_near(first, drawn.count("bits"))).collect();
    let time = script.time();
    let mut tracks = Vec::new();
    for &infohash in &infohashes {
        let track = script.pair(party, infohash, drawn.get("visibility"));
        let mut day = time.start;
        while day < time.end {
            let at = day + script.draw().between(0, 23 * HOUR);
            script.look_up(track, infohash, at);
            day += DAY;
        }
        tracks.push(track);
    }
    // Which members are seen is chance, so that a family is known by any of them.
    for (infohash, &track) in infohashes.iter().zip(&tracks) {
        script.unit("prefix_families", "family", infohash.to_string(), &[track], 2);
    }
}
