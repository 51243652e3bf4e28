//! One infohash asked for from as many networks as addresses: no two of the audience live in the same.

use super::super::families::NAMELESS;
use super::super::networks;
use super::script::Script;
use super::{Drawn, Kind, Parameter};
use schema::partition::DAY;

pub(super) const KIND: Kind = Kind {
    name: "scattered_crowd",
    doc: "addresses in an autonomous system each that ask for one infohash, each on some day",
    parameters: &[Parameter {
        name: "addresses",
        unit: "addresses",
        reference: 28.0,
        tuning: (27.0, 32.0),
        evaluation: (22.0, 26.0),
    }],
    plan,
};

/// Lookups of one address.
const LOOKUPS: u32 = 2;

fn plan(drawn: &Drawn, script: &mut Script<'_>) {
    let infohash = script.infohash();
    let time = script.time();
    let mut tracks = Vec::new();
    for n in 0..drawn.count("addresses") as usize {
        let party = script.party(n % networks::COUNT, &NAMELESS);
        let track = script.track(party, Some(infohash), 1.0);
        for _ in 0..LOOKUPS {
            let at = script.draw().between(time.start, time.end - DAY);
            script.look_up(track, infohash, at);
        }
        tracks.push(track);
    }
    script.unit("hash_behavior_profiles", "high_asn_interest", infohash.to_string(), &tracks, 20);
}
