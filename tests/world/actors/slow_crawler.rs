//! Crawls the network patiently: so few queries an hour that no rate gives it away.

use super::super::families::NAMELESS;
use super::script::Script;
use super::{Drawn, Kind, Parameter};
use capture::krpc::Method;

pub(super) const KIND: Kind = Kind {
    name: "slow_crawler",
    doc: "asks one presence after the other for random infohashes, all day long",
    parameters: &[Parameter {
        name: "rate",
        unit: "queries/h",
        reference: 50.0,
        tuning: (30.0, 70.0),
        evaluation: (10.0, 25.0),
    }],
    plan,
};

fn plan(drawn: &Drawn, script: &mut Script<'_>) {
    let party = script.party(2, &NAMELESS);
    let track = script.track(party, None, 1.0);
    let time = script.time();
    script.stream(track, &[Method::GetPeers], drawn.get("rate"), time);
    script.unit("operators", "BROAD_SWEEP", script.address(party), &[track], 500);
}
