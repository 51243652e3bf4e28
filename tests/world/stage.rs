//! One hour of the world, as the sensor receives it.

use super::Micros;
use super::chance::Chance;
use super::presences::Presences;
use super::query::{Caller, Query};
use capture::keyspace::Keyspace;
use rand::RngExt;
use schema::partition::Hour;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::Range;

/// Time before the hour in which something may begin that is still received in it.
const LEAD: Micros = 60 * super::SECOND;

/// Collects what is received in an hour.
pub struct Stage<'a> {
    /// The hour.
    pub hour: Range<Micros>,
    /// The time in which everything begins that may be received in the hour.
    pub reach: Range<Micros>,
    /// Our presences.
    pub presences: Presences<'a>,
    outages: &'a [Range<Micros>],
    callers: Vec<Caller>,
    queries: Vec<Query>,
}

impl<'a> Stage<'a> {
    /// Nothing received yet. What falls into `outages` never will be.
    #[must_use]
    pub fn new(keyspace: &'a Keyspace, outages: &'a [Range<Micros>], hour: Hour) -> Self {
        let reach = hour.start() - LEAD..hour.end();
        let presences = Presences::during(keyspace, &reach);
        let hour = hour.start()..hour.end();
        Self { hour, reach, presences, outages, callers: Vec::new(), queries: Vec::new() }
    }

    /// Makes a caller known and returns its number.
    pub fn enter(&mut self, caller: Caller) -> u32 {
        self.callers.push(caller);
        self.callers.len() as u32 - 1
    }

    /// A query arrives; outside the hour, or during an outage, nobody sees it.
    pub fn receive(&mut self, query: Query) {
        let recorded =
            self.hour.contains(&query.ts) && !self.outages.iter().any(|outage| outage.contains(&query.ts));
        if recorded {
            self.queries.push(query);
        }
    }

    /// Exchanges the times of the queries of each address among them.
    pub fn shuffle(&mut self, chance: Chance) {
        let mut of_address = BTreeMap::<IpAddr, Vec<usize>>::new();
        for (index, query) in self.queries.iter().enumerate() {
            of_address.entry(self.callers[query.caller as usize].address.ip()).or_default().push(index);
        }
        let mut rng = chance.of(self.hour.start as u64).rng();
        for indices in of_address.values() {
            for last in (1..indices.len()).rev() {
                let (a, b) = (indices[last], indices[rng.random_range(0..=last)]);
                (self.queries[a].ts, self.queries[b].ts) = (self.queries[b].ts, self.queries[a].ts);
            }
        }
    }

    /// What was received, in order of time.
    #[must_use]
    pub fn finish(mut self) -> Received {
        self.queries.sort_unstable_by_key(|query| (query.ts, query.caller, query.presence));
        Received { callers: self.callers, queries: self.queries }
    }
}

/// What was received in an hour.
pub struct Received {
    /// Those who asked.
    pub callers: Vec<Caller>,
    /// What they asked, in order of time.
    pub queries: Vec<Query>,
}
