//! Crawls the network in a hurry: thousands of queries an hour, two hours a day, for some days.

use super::super::families::NAMELESS;
use super::script::Script;
use super::{Drawn, Kind, Parameter};
use capture::krpc::Method;
use schema::partition::{DAY, HOUR};

pub(super) const KIND: Kind = Kind {
    name: "fast_crawler",
    doc: "asks every presence for random targets, thousands of times an hour, two hours a day",
    parameters: &[
        Parameter {
            name: "rate",
            unit: "queries/h",
            reference: 5000.0,
            tuning: (5000.0, 8000.0),
            evaluation: (9000.0, 15_000.0),
        },
        Parameter { name: "days", unit: "days", reference: 14.0, tuning: (3.0, 7.0), evaluation: (1.0, 2.0) },
    ],
    plan,
};

fn plan(drawn: &Drawn, script: &mut Script<'_>) {
    let party = script.party(1, &NAMELESS);
    let track = script.track(party, None, 1.0);
    let time = script.time();
    let mut day = time.start + 13 * HOUR;
    let end = time.end.min(day + drawn.count("days") as i64 * DAY);
    while day < end {
        script.stream(track, &[Method::FindNode, Method::GetPeers], drawn.get("rate"), day..day + 2 * HOUR);
        day += DAY;
    }
    script.unit("operator_profiles", "crawler", script.address(party), &[track], 1000);
    script.unit("operators", "BROAD_SWEEP", script.address(party), &[track], 2000);
}
