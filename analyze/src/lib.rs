//! The laptop tier: runs the detectors of [`queries`] over the files that `capture` wrote, keeps
//! their results as Parquet beside them, and shows what they found.
//!
//! Data flows in one direction: [`dataset`] lists files, [`plan`] orders the tables, [`run`]
//! computes what is stale ([`inputs`]) in sessions made by [`session`], which share [`memory`], [`report`]
//! formats. [`actors`] adds what the user knows. Commands stand in [`command`], one file each. Nothing here
//! knows a particular detector.

pub mod actors;
mod aside;
pub mod cli;
pub mod command;
pub mod config;
pub mod dataset;
pub mod digest;
pub mod error;
pub mod files;
mod fold_once;
mod held;
pub mod inputs;
pub mod job;
mod lock;
pub mod memory;
mod once;
pub mod party;
pub mod period;
pub mod plan;
pub mod report;
pub mod run;
pub mod session;
pub mod watch;
