//! Many addresses of one /24 that ask for the same infohashes at the same times.

use super::super::MINUTE;
use super::super::families::LIBTORRENT;
use super::script::Script;
use super::{Drawn, Kind, Parameter};
use schema::partition::HOUR;

pub(super) const KIND: Kind = Kind {
    name: "sybil_cluster",
    doc: "addresses of one /24 that ask for the same infohashes within minutes, several times a day",
    parameters: &[
        Parameter {
            name: "addresses",
            unit: "addresses",
            reference: 12.0,
            tuning: (10.0, 16.0),
            evaluation: (20.0, 40.0),
        },
        Parameter {
            name: "hashes",
            unit: "infohashes",
            reference: 10.0,
            tuning: (8.0, 14.0),
            evaluation: (4.0, 6.0),
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

/// Time between two rounds, give or take two hours.
const ROUND: i64 = 8 * HOUR;

fn plan(drawn: &Drawn, script: &mut Script<'_>) {
    let network = script.draw().number() & !0xff;
    let parties: Vec<_> =
        (1..=drawn.count("addresses")).map(|host| script.party_at(3, network + host, &LIBTORRENT)).collect();
    let infohashes: Vec<_> = (0..drawn.count("hashes")).map(|_| script.infohash()).collect();
    let mut tracks = vec![Vec::new(); parties.len()];
    for (&party, tracks) in parties.iter().zip(&mut tracks) {
        tracks
            .extend(infohashes.iter().map(|&infohash| script.pair(party, infohash, drawn.get("visibility"))));
    }
    let time = script.time();
    let mut round = time.start;
    while round < time.end {
        let start = round + script.draw().between(0, 2 * HOUR);
        for tracks in &tracks {
            for (&track, &infohash) in tracks.iter().zip(&infohashes) {
                let later = script.draw().between(0, 4 * MINUTE);
                script.look_up(track, infohash, start + later);
            }
        }
        round += ROUND;
    }
    for (&party, tracks) in parties.iter().zip(&tracks) {
        script.unit("operator_clusters", "clustered", script.address(party), tracks, 20);
    }
}
