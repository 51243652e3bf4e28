//! Parties whose behaviour is known, one file each, and what a detector should say about them.
//!
//! A kind of actor declares its parameters with one reference value and two ranges that do not
//! overlap: thresholds are tuned on the one and judged on the other. What it does is planned when the
//! world is made: [`script`] keeps the plan, and counts what of it can be observed. How likely a lookup is
//! to reach us is drawn for each pair of address and infohash, around a parameter; the parties of the
//! dead-drop checker have exactly that of the parameter.

mod cross_hash_monitor;
mod dead_drop_checker;
mod distributed_campaign;
mod enumerator;
mod family_watcher;
mod fast_crawler;
mod heavy_announcer;
mod indexer;
mod measurement_node;
mod prober;
mod region_collector;
mod scattered_crowd;
pub mod script;
mod sequential_walker;
mod slow_crawler;
mod sybil_cluster;
mod zone_scanner;

use super::chance::Chance;
use clap::ValueEnum;
use script::Script;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;

/// Every kind, in alphabetical order.
pub const KINDS: [&Kind; 16] = [
    &cross_hash_monitor::KIND,
    &dead_drop_checker::KIND,
    &distributed_campaign::KIND,
    &enumerator::KIND,
    &family_watcher::KIND,
    &fast_crawler::KIND,
    &heavy_announcer::KIND,
    &indexer::KIND,
    &measurement_node::KIND,
    &prober::KIND,
    &region_collector::KIND,
    &scattered_crowd::KIND,
    &sequential_walker::KIND,
    &slow_crawler::KIND,
    &sybil_cluster::KIND,
    &zone_scanner::KIND,
];

/// A kind of actor.
pub struct Kind {
    /// Its name.
    pub name: &'static str,
    /// What it does, in a sentence.
    pub doc: &'static str,
    /// What varies.
    pub parameters: &'static [Parameter],
    /// Puts its plan into the script.
    pub plan: fn(&Drawn, &mut Script<'_>),
}

/// Something about an actor that varies.
#[derive(Debug)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// Its unit.
    pub unit: &'static str,
    /// The value that the definitions of the detectors name.
    pub reference: f64,
    /// Least and greatest value for tuning.
    pub tuning: (f64, f64),
    /// Least and greatest value for evaluation.
    pub evaluation: (f64, f64),
}

/// The actors of a world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Cast {
    /// None at all.
    Nobody,
    /// One of each kind, with the reference values.
    Reference,
    /// One of each kind, drawn from the ranges for tuning.
    Tuning,
    /// One of each kind, drawn from the ranges for evaluation.
    Evaluation,
}

/// The parameters of one actor, by name.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct Drawn(BTreeMap<&'static str, f64>);

impl Drawn {
    /// Values for an actor of `kind`; none for [`Cast::Nobody`].
    #[must_use]
    pub fn new(kind: &Kind, cast: Cast, chance: Chance) -> Option<Self> {
        let draw = |parameter: &Parameter| {
            let (least, greatest) = match cast {
                Cast::Nobody => return None,
                Cast::Reference => (parameter.reference, parameter.reference),
                Cast::Tuning => parameter.tuning,
                Cast::Evaluation => parameter.evaluation,
            };
            Some((parameter.name, least + (greatest - least) * chance.named(parameter.name).unit()))
        };
        kind.parameters.iter().map(draw).collect::<Option<_>>().map(Self)
    }

    /// The value called `name`.
    ///
    /// # Panics
    /// When the kind declares no such parameter.
    #[must_use]
    pub fn get(&self, name: &str) -> f64 {
        *self.0.get(name).unwrap_or_else(|| panic!("no parameter {name} is declared"))
    }

    /// The value called `name`, as a count.
    #[must_use]
    pub fn count(&self, name: &str) -> u64 {
        self.get(name).round() as u64
    }
}

impl fmt::Display for Drawn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let values: Vec<_> = self.0.iter().map(|(name, value)| format!("{name} {value:.2}")).collect();
        f.write_str(&values.join(", "))
    }
}
