//! Looks at one infohash by the clock and never announces it: five visits a day apart that all reach
//! us, and steady ones every three hours, six hours and day.

use super::super::families::LIBTORRENT;
use super::script::Script;
use super::{Drawn, Kind, Parameter};
use schema::partition::HOUR;

pub(super) const KIND: Kind = Kind {
    name: "dead_drop_checker",
    doc: "four parties that each look at an infohash of their own by the clock",
    parameters: &[
        Parameter {
            name: "jitter",
            unit: "SD / interval",
            reference: 0.0208,
            tuning: (0.01, 0.025),
            evaluation: (0.03, 0.05),
        },
        Parameter {
            name: "visibility",
            unit: "0–1",
            reference: 1.0,
            tuning: (0.95, 1.0),
            evaluation: (0.75, 0.85),
        },
    ],
    plan,
};

/// Of each party: what it is, the hours between two visits, and the number of visits where they do not go
/// on to the end.
const SCHEDULES: [(&str, i64, Option<usize>); 4] = [
    ("daily, five visits that are seen", 24, Some(5)),
    ("daily to the end", 24, None),
    ("every six hours", 6, None),
    ("every three hours", 3, None),
];

fn plan(drawn: &Drawn, script: &mut Script<'_>) {
    for (provider, (role, hours, visits)) in SCHEDULES.into_iter().enumerate() {
        let party = script.party(provider, &LIBTORRENT);
        let infohash = script.infohash();
        let visibility = if visits.is_some() { 1.0 } else { drawn.get("visibility") };
        let track = script.track(party, Some(infohash), visibility);
        let time = script.time();
        let interval = hours * HOUR;
        let deviation = (interval as f64 * drawn.get("jitter")) as i64;
        let mut at = time.start + HOUR + script.draw().between(0, interval.min(6 * HOUR));
        for _ in 0..visits.unwrap_or(usize::MAX) {
            if at >= time.end {
                break;
            }
            script.look_up(track, infohash, at);
            at += script.about(interval, deviation);
        }
        script.role(role);
        let subject = format!("{} {infohash}", script.address(party));
        script.unit("rendezvous_events", "SCHEDULED", subject, &[track], 5);
        script.unit("hash_behavior_profiles", "periodic_lookup_target", infohash.to_string(), &[track], 10);
    }
}
