//! Every claim of the project that needs more than one crate to be shown. Started by `tests/run`,
//! which prepares the real clients and readers.

mod architecture;
mod cases;
mod cli;
mod corpus;
mod damage;
mod features;
mod incremental;
mod invariance;
mod live;
mod memory;
mod oracle;
mod parameters;
mod readers;
mod sample;
mod simulation;
mod versions;
mod views;
mod watch;
