//! Asks for one infohash dozens of times in less than five minutes, and never again.

use super::super::SECOND;
use super::super::families::LIBTORRENT;
use super::script::Script;
use super::{Drawn, Kind, Parameter};
use capture::krpc::Method;
use schema::partition::HOUR;

pub(super) const KIND: Kind = Kind {
    name: "prober",
    doc: "asks for one infohash dozens of times in four minutes, and never again",
    parameters: &[Parameter {
        name: "lookups",
        unit: "lookups",
        reference: 49.0,
        tuning: (40.0, 60.0),
        evaluation: (70.0, 120.0),
    }],
    plan,
};

/// Time in which it asks.
const DURATION: i64 = 240 * SECOND;

fn plan(drawn: &Drawn, script: &mut Script<'_>) {
    let party = script.party(7, &LIBTORRENT);
    let infohash = script.infohash();
    let track = script.track(party, Some(infohash), 1.0);
    let count = drawn.count("lookups") as i64;
    let start = script.time().start + 10 * HOUR;
    for n in 0..count {
        script.ask(track, &[Method::GetPeers], infohash, 1, start + n * DURATION / count);
    }
    for label in ["burst_activity", "observer_target", "dead_swarm"] {
        script.unit("hash_behavior_profiles", label, infohash.to_string(), &[track], 10);
    }
}
