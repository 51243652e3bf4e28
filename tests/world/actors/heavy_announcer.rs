//! Announces many infohashes day after day, as a tracker's gateway does.

use super::super::SECOND;
use super::super::families::LIBTORRENT;
use super::script::Script;
use super::{Drawn, Kind, Parameter};
use capture::krpc::Method;
use schema::partition::HOUR;

pub(super) const KIND: Kind = Kind {
    name: "heavy_announcer",
    doc: "looks up and announces a long list of infohashes every four hours",
    parameters: &[
        Parameter {
            name: "hashes",
            unit: "infohashes",
            reference: 80.0,
            tuning: (60.0, 100.0),
            evaluation: (120.0, 200.0),
        },
        Parameter {
            name: "visibility",
            unit: "0–1, mean",
            reference: 0.5,
            tuning: (0.4, 0.6),
            evaluation: (0.2, 0.35),
        },
    ],
    plan,
};

/// Time between two rounds.
const ROUND: i64 = 4 * HOUR;

fn plan(drawn: &Drawn, script: &mut Script<'_>) {
    let party = script.party(5, &LIBTORRENT);
    let count = drawn.count("hashes") as i64;
    let time = script.time();
    let mut tracks = Vec::new();
    for n in 0..count {
        let infohash = script.infohash();
        let track = script.pair(party, infohash, drawn.get("visibility"));
        let mut at = time.start + ROUND * n / count;
        while at < time.end {
            let later = script.draw().between(0, 30 * SECOND);
            script.ask(track, &[Method::GetPeers, Method::AnnouncePeer], infohash, 1, at + later);
            at += ROUND;
        }
        tracks.push(track);
    }
    script.unit("operator_profiles", "tracker_node", script.address(party), &tracks, 100);
}
