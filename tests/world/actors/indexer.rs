//! Collects infohashes with BEP 51: `sample_infohashes` to every presence it meets.

use super::super::families::LIBTORRENT;
use super::script::Script;
use super::{Drawn, Kind, Parameter};
use capture::krpc::Method;

pub(super) const KIND: Kind = Kind {
    name: "indexer",
    doc: "asks all presences for samples of infohashes (BEP 51)",
    parameters: &[Parameter {
        name: "rate",
        unit: "queries/h",
        reference: 120.0,
        tuning: (80.0, 160.0),
        evaluation: (20.0, 60.0),
    }],
    plan,
};

fn plan(drawn: &Drawn, script: &mut Script<'_>) {
    let party = script.party(3, &LIBTORRENT);
    let track = script.track(party, None, 1.0);
    let time = script.time();
    script.stream(track, &[Method::SampleInfohashes], drawn.get("rate"), time);
    script.unit("operator_profiles", "indexer", script.address(party), &[track], 10);
}
