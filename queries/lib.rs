//! The detectors. One folder is one derived table: what it measures (`mod.rs`), how
//! (`query.sql`), how people see it (`summary.sql`, `report.sql`, …) and what it must answer on
//! small inputs (`case.toml`). One file in [`functions`] is one SQL function.
//!
//! The folder's name is the table's name in SQL, its section in the configuration and its folder
//! in the dataset. To add a detector, add the folder and its line in [`tables!`] below: command
//! line, configuration, data dictionary, report and tests find it from there.
//!
//! What SQL already says is not said again: dependencies between tables are read from the
//! queries. What SQL cannot say (parameters with their reasons, columns with their units) stands
//! beside the query as typed constants.

pub mod functions;
mod parameter;
mod table;

pub use parameter::{Kind, Parameter, ParameterError, Value};
pub use table::{Argument, Grain, Live, Retention, Section, Table, View, sections};

tables! {
    lookups,
    visits,
    pair_days,
    pairs,
    cross_hash_days,
    hash_days,
    operator_days,
    daily_summaries,
    hash_behavior_profiles,
    hash_audiences,
    hash_bursts,
    hash_signals,
    operators,
    operator_profiles,
    keyspace_passes,
    sweep_events,
    prefix_walk_events,
    prefix_entropy,
    keyspace_heatmap,
    prefix_families,
    rendezvous_events,
    coordination,
    operator_clusters,
    campaigns,
}

/// The derived table called `name`, without its `derived.` prefix.
#[must_use]
pub fn table(name: &str) -> Option<&'static Table> {
    TABLES.iter().find(|table| table.name == name)
}
