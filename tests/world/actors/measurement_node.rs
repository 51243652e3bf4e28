//! Measures who is there: `ping` and `find_node` by the clock, day and night, and nothing else.

use super::super::families::NAMELESS;
use super::script::Script;
use super::{Drawn, Kind, Parameter};
use capture::krpc::Method;

pub(super) const KIND: Kind = Kind {
    name: "measurement_node",
    doc: "pings all presences and asks them for nodes, day and night",
    parameters: &[Parameter {
        name: "rate",
        unit: "queries/h",
        reference: 60.0,
        tuning: (45.0, 90.0),
        evaluation: (15.0, 40.0),
    }],
    plan,
};

fn plan(drawn: &Drawn, script: &mut Script<'_>) {
    let party = script.party(4, &NAMELESS);
    let track = script.track(party, None, 1.0);
    let time = script.time();
    script.stream(track, &[Method::Ping, Method::FindNode], drawn.get("rate"), time);
    script.unit("operator_profiles", "measurement_node", script.address(party), &[track], 200);
}
