//! The antenna: hundreds of passive DHT presences that answer what they are asked and write every
//! query down.
//!
//! A pure core ([`keyspace`], [`krpc`], [`node`], [`routing`], [`token`], [`guard`], [`deny`], [`floods`])
//! turns bytes and the time into bytes and events. A thin shell ([`socket`], [`daemon`], [`bootstrap`],
//! [`writer`], [`sealer`], [`state`], [`saved`], [`metrics`]) owns sockets, clock, threads and files;
//! [`service`], [`log`], [`check`] and [`tail`] face the operator. Between them and the dataset stand
//! [`spool`], [`partition`] and [`retention`], which know tables but not what their columns mean, and
//! [`geo`], which fills in what is known about addresses. Without the feature `daemon` there is the core
//! alone.
//!
//! On the wire this crate answers queries, sends `ping`, and sends `find_node` for its own ids.
//! Nothing else can be expressed: see [`krpc::Outbound`].

pub mod clock;
pub mod counters;
pub mod deny;
pub mod event;
pub mod floods;
pub mod guard;
pub mod id;
pub mod keyspace;
pub mod krpc;
pub mod node;
pub mod routing;
pub mod secret;
pub mod sources;
pub mod token;

#[cfg(feature = "daemon")]
pub mod bootstrap;
#[cfg(feature = "daemon")]
pub mod check;
#[cfg(feature = "daemon")]
pub mod config;
#[cfg(feature = "daemon")]
pub mod daemon;
#[cfg(feature = "daemon")]
pub mod day_summary;
#[cfg(feature = "daemon")]
pub mod geo;
#[cfg(feature = "daemon")]
pub mod log;
#[cfg(feature = "daemon")]
pub mod merge;
#[cfg(feature = "daemon")]
pub mod metrics;
#[cfg(feature = "daemon")]
pub mod partition;
#[cfg(feature = "daemon")]
pub mod plan;
#[cfg(feature = "daemon")]
pub mod retention;
#[cfg(feature = "daemon")]
pub mod rows;
#[cfg(feature = "daemon")]
pub mod saved;
#[cfg(feature = "daemon")]
pub mod sealed;
#[cfg(feature = "daemon")]
pub mod sealer;
#[cfg(feature = "daemon")]
pub mod service;
#[cfg(feature = "daemon")]
pub mod socket;
#[cfg(feature = "daemon")]
pub mod spool;
#[cfg(feature = "daemon")]
pub mod state;
#[cfg(feature = "daemon")]
pub mod tables;
#[cfg(feature = "daemon")]
pub mod tail;
#[cfg(feature = "daemon")]
pub mod writer;
