//! Several operators in two autonomous systems go through one list of infohashes together; each
//! covers most of it, and those who visit the same infohash do so within minutes.

use super::super::MINUTE;
use super::super::families::NAMELESS;
use super::script::Script;
use super::{Drawn, Kind, Parameter};
use schema::partition::{DAY, HOUR};

pub(super) const KIND: Kind = Kind {
    name: "distributed_campaign",
    doc: "operators in two autonomous systems visit a common list of infohashes together, daily",
    parameters: &[
        Parameter {
            name: "operators",
            unit: "addresses",
            reference: 9.0,
            tuning: (7.0, 12.0),
            evaluation: (4.0, 6.0),
        },
        Parameter {
            name: "hashes",
            unit: "infohashes",
            reference: 30.0,
            tuning: (25.0, 35.0),
            evaluation: (12.0, 20.0),
        },
        Parameter {
            name: "coverage",
            unit: "0–1",
            reference: 0.8,
            tuning: (0.78, 0.9),
            evaluation: (0.6, 0.75),
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

/// How far those who visit an infohash together are apart.
const TOGETHER: i64 = 4 * MINUTE;

fn plan(drawn: &Drawn, script: &mut Script<'_>) {
    let parties: Vec<_> =
        (0..drawn.count("operators")).map(|n| script.party(n as usize % 2, &NAMELESS)).collect();
    let infohashes: Vec<_> = (0..drawn.count("hashes")).map(|_| script.infohash()).collect();
    let time = script.time();
    let mut tracks = vec![Vec::new(); parties.len()];
    for &infohash in &infohashes {
        let mut days = Vec::new();
        let mut day = time.start;
        while day < time.end {
            days.push(day + script.draw().between(0, 23 * HOUR));
            day += DAY;
        }
        let mut of_hash = Vec::new();
        for (&party, tracks) in parties.iter().zip(&mut tracks) {
            if script.draw().unit() >= drawn.get("coverage") {
                continue;
            }
            let track = script.pair(party, infohash, drawn.get("visibility"));
            for &at in &days {
                let apart = script.draw().between(0, TOGETHER);
                script.look_up(track, infohash, at + apart);
            }
            tracks.push(track);
            of_hash.push(track);
        }
        for label in ["observer_target", "dead_swarm"] {
            script.unit("hash_behavior_profiles", label, infohash.to_string(), &of_hash, 10);
        }
    }
    for (&party, tracks) in parties.iter().zip(&tracks) {
        let address = script.address(party);
        script.unit("coordination", "coordinated", address.clone(), tracks, 20);
        script.unit("campaigns", "distributed", address, tracks, 20);
    }
}
