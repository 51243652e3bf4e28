//! The antenna: hundreds of passive DHT presences that answer what they are asked and write every
//! query down.
//!
//! A pure core ([`keyspace`], [`krpc`], [`node`], [`routing`], [`token`], [`guard`],
//! [`deny`], [`floods`]) turns bytes and the time into bytes and events. A thin shell ([`socket`], [`daemon`], [`writer`],
//! [`state`], [`saved`]) owns sockets, clock, threads and files. Between them and the dataset stand
//! [`spool`] and [`partition`], which know tables but not what their columns mean.
//!
//! On the wire this crate answers queries, sends `ping`, and sends `find_node` for its own ids.
//! Nothing else can be expressed: see [`krpc::Outbound`].

pub mod clock;
pub mod config;
pub mod counters;
pub mod daemon;
pub mod deny;
pub mod event;
pub mod floods;
pub mod guard;
pub mod id;
pub mod keyspace;
pub mod krpc;
pub mod merge;
pub mod node;
pub mod partition;
pub mod plan;
pub mod routing;
pub mod saved;
pub mod secret;
pub mod socket;
pub mod sources;
pub mod spool;
pub mod state;
pub mod tables;
pub mod token;
pub mod writer;
