//! The antenna: all presences as one state machine without sockets, files, clock or chance.
//!
//! Datagrams and the time go in; packets and events come out through a [`Sink`]. Whatever looks
//! random follows from the secret given at the start, so a run can be repeated exactly.
//!
//! - [`answer`](self::answer) says what is answered to what,
//! - [`maintain`](self::maintain) keeps the presences in other nodes' routing tables with `ping` and
//!   `find_node` for our own ids,
//! - [`reach`] says which addresses count as nodes.

mod answer;
mod maintain;
mod pending;
pub mod reach;
#[cfg(test)]
mod tests;

use crate::clock::{Micros, Steady};
use crate::counters::Counters;
use crate::deny::DenyList;
use crate::event::{Attribution, Event, Short};
use crate::floods::Floods;
use crate::guard::{Guard, Limits};
use crate::id::Id;
use crate::keyspace::{Keyspace, OwnId};
use crate::krpc::compact::Contact;
use crate::krpc::{self, Encoder, Kind, Message, Method, Methods, Packet};
use crate::routing::Table;
use crate::secret::{Secret, mapped};
use crate::token::Tokens;
use pending::Pending;
use reach::Reach;
use std::net::SocketAddr;
use std::ops::Range;

/// Where the antenna's output goes.
pub trait Sink {
    /// Send `packet` to `to` from the socket numbered `socket`.
    fn send(&mut self, socket: usize, to: SocketAddr, packet: Packet<'_>);
    /// Write `event` down.
    fn record(&mut self, event: Event);
}

/// One received datagram.
#[derive(Clone, Copy, Debug)]
pub struct Datagram<'a> {
    /// When it was received.
    pub ts: Micros,
    /// The socket that received it, an index into [`Keyspace::sockets`].
    pub socket: usize,
    /// Who sent it.
    pub source: SocketAddr,
    /// What it says.
    pub payload: &'a [u8],
    /// Time to live or hop limit on arrival.
    pub ttl: Option<u8>,
}

/// What the antenna may do of its own accord.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Queries of ours per second, all presences together.
    pub query_rate: f64,
    /// What one remote address may be sent.
    pub limits: Limits,
    /// What becomes an event; the rest is counted only.
    pub record: Methods,
    /// Events of one source in a clock hour; what comes after them is counted only.
    pub event_limit: u32,
}

/// One id at one socket.
struct Presence {
    id: OwnId,
    /// The id before, which others may still believe in.
    previous: OwnId,
    valid: Range<Micros>,
    /// When it took its id over from the one before; never, if it began with it.
    changed: Option<Micros>,
    socket: usize,
    reach: Reach,
    is_ipv4: bool,
    table: Table,
    /// Nodes to be asked for a sign of life, closest to our id first.
    candidates: Vec<Contact>,
    /// When to look for a first node again.
    seek: Micros,
}

/// All presences of a sensor.
pub struct Antenna {
    steady: Steady,
    keyspace: Keyspace,
    settings: Settings,
    presences: Vec<Presence>,
    tokens: Tokens,
    guard: Guard,
    deny: DenyList,
    floods: Floods,
    pending: Pending,
    /// Decides which of several ids at one socket a remote is shown.
    sticky: Secret,
    bootstrap: Vec<SocketAddr>,
    /// Index of the presence that asked last, and of the bootstrap host that was asked last.
    turn: usize,
    bootstrap_turn: usize,
    /// When the next query is due.
    next_query: Micros,
    /// When the next query that introduces a new id is due; see [`maintain`](self::maintain).
    next_introduction: Micros,
    counters: Counters,
    encoder: Encoder,
    scratch: Scratch,
}

/// Buffers that are filled anew for every message.
#[derive(Default)]
struct Scratch {
    found: Vec<Contact>,
    nodes: Vec<u8>,
    nodes6: Vec<u8>,
}

impl Antenna {
    /// An antenna at `now` that knows nobody. `secret` must be one that nobody else knows: tokens
    /// and transaction ids follow from it.
    #[must_use]
    pub fn new(keyspace: Keyspace, secret: &str, settings: Settings, now: Micros) -> Self {
        let secret = Secret::from_text(secret);
        let presences = (0..keyspace.presences())
            .map(|number| {
                let id = keyspace.id(number, now);
                let socket = keyspace.socket_of(number);
                let local = keyspace.sockets()[socket];
                Presence {
                    id,
                    previous: id,
                    valid: keyspace.validity(number, now),
                    changed: None,
                    socket,
                    reach: Reach::of(local.ip()),
                    is_ipv4: local.is_ipv4(),
                    table: Table::new(id.get()),
                    candidates: Vec::new(),
                    seek: now,
                }
            })
            .collect();
        Self {
            steady: Steady::new(now),
            keyspace,
            settings,
            presences,
            tokens: Tokens::new(&secret),
            guard: Guard::new(&secret, settings.limits),
            deny: DenyList::default(),
            floods: Floods::new(&secret, settings.event_limit),
            pending: Pending::new(&secret),
            sticky: secret.derive("sticky"),
            bootstrap: Vec::new(),
            turn: 0,
            bootstrap_turn: 0,
            next_query: now,
            next_introduction: now,
            counters: Counters::default(),
            encoder: Encoder::default(),
            scratch: Scratch::default(),
        }
    }

    /// More hosts that presences without any node ask first.
    pub fn add_bootstrap(&mut self, hosts: Vec<SocketAddr>) {
        self.bootstrap.extend(hosts);
    }

    /// The networks to ignore from now on; nodes in them are forgotten.
    pub fn set_deny(&mut self, deny: DenyList) {
        for presence in &mut self.presences {
            presence.table.retain(|node| !deny.contains(node.addr.ip()));
            presence.candidates.retain(|node| !deny.contains(node.addr.ip()));
        }
        self.deny = deny;
    }

    /// The counts that stand in for the events of sources over their limit.
    pub fn floods(&mut self) -> &mut Floods {
        &mut self.floods
    }

    /// What happened so far.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Nodes in all routing tables together.
    #[must_use]
    pub fn nodes(&self) -> usize {
        self.presences.iter().map(|presence| presence.table.len()).sum()
    }

    /// Queries of ours that wait for an answer.
    #[must_use]
    pub fn queries_under_way(&self) -> usize {
        self.pending.len()
    }

    /// Begins to fetch what is kept about `source` from memory. To be called for all datagrams of a batch
    /// before the first of them is taken.
    pub fn expect(&self, source: SocketAddr) {
        self.guard.fetch(source.ip());
        self.floods.fetch(source.ip());
    }

    /// Takes a datagram when the wall clock says `now`. Any bytes are fine.
    pub fn receive(&mut self, now: Micros, datagram: &Datagram<'_>, sink: &mut impl Sink) {
        let now = self.steady.advance(now);
        self.counters.received += 1;
        if self.deny.contains(datagram.source.ip()) {
            self.counters.denied += 1;
            return;
        }
        let message = krpc::decode(datagram.payload);
        match message.kind {
            Kind::Response | Kind::Error => self.receive_answer(now, datagram, &message),
            Kind::Query | Kind::Unknown => {
                let presence = self.presence_for(datagram.socket, datagram.source);
                let token_valid = message
                    .token
                    .map(|token| self.tokens.accept(now, datagram.socket, datagram.source.ip(), token));
                self.keep(datagram, &message, presence, token_valid, sink);
                let shown = self.answer(now, datagram, &message, presence, token_valid, sink);
                self.notice(now, datagram, &message, presence, shown, sink);
            }
        }
    }

    /// Makes an event of a query, or says in a counter why it is none.
    fn keep(
        &mut self,
        datagram: &Datagram<'_>,
        message: &Message<'_>,
        presence: u16,
        token_valid: Option<bool>,
        sink: &mut impl Sink,
    ) {
        let (ts, source, method) = (datagram.ts, datagram.source.ip(), Method::of(message.method));
        if !self.settings.record.contains(method) {
            self.counters.not_selected += 1;
        } else if self.floods.admit(ts, source) {
            self.counters.events += 1;
            sink.record(self.event(datagram, message, presence, token_valid));
        } else if self.floods.count(ts, source, method) {
            self.counters.flooding += 1;
        } else {
            self.counters.flooding_uncounted += 1;
        }
    }

    /// The presence that `remote` is shown at `socket`: always the same one.
    fn presence_for(&self, socket: usize, remote: SocketAddr) -> u16 {
        let shared = self.keyspace.presences_of(socket);
        if shared.len() == 1 {
            return shared.start;
        }
        let socket = socket as u64;
        let pick = self.sticky.number(&[&socket.to_be_bytes(), &mapped(remote.ip())]);
        shared.start + (pick % shared.len() as u64) as u16
    }

    /// The row of a query.
    fn event(
        &self,
        datagram: &Datagram<'_>,
        message: &Message<'_>,
        source_node: u16,
        token_valid: Option<bool>,
    ) -> Event {
        let asks_for_peers = matches!(message.method, Some(b"get_peers" | b"announce_peer"));
        let known_by_target = matches!(
            message.method,
            Some(b"ping" | b"find_node" | b"get" | b"put" | b"sample_infohashes") | None
        );
        Event {
            ts: datagram.ts,
            method: message.method.map(Short::cut),
            infohash: message.info_hash.filter(|_| asks_for_peers),
            target: match (asks_for_peers, known_by_target) {
                (true, _) => None,
                (_, true) => message.target,
                (false, false) => message.target.or(message.info_hash),
            },
            peer: datagram.source,
            source_node,
            local_port: self.keyspace.sockets()[datagram.socket].port(),
            querier_id: message.id,
            client_version: message.version.map(Short::cut),
            transaction_id: message.transaction.map(Short::cut),
            read_only: message.read_only,
            implied_port: message.implied_port,
            announced_port: message.port,
            seed: message.seed,
            no_seed: message.no_seed,
            scrape: message.scrape,
            want: message.want,
            token_valid,
            attribution: if self.keyspace.ids_per_port() == 1 {
                Attribution::Exact
            } else {
                Attribution::Inferred
            },
            ttl: datagram.ttl,
            length: u16::try_from(datagram.payload.len()).unwrap_or(u16::MAX),
            canonical: message.canonical,
            decode_error: message.flaw,
        }
    }

    /// Whether `id` is one that a presence of ours has, or had until the last change.
    fn is_own(&self, id: &Id) -> bool {
        let presence = &self.presences[usize::from(self.presence_near(id))];
        presence.id.get() == *id || presence.previous.get() == *id
    }

    /// The presence whose slice holds `id`.
    fn presence_near(&self, id: &Id) -> u16 {
        let front = u64::from_be_bytes(std::array::from_fn(|i| id.0[i]));
        // Below the number of presences, which has 16 bits.
        ((u128::from(front) * self.presences.len() as u128) >> 64) as u16
    }
}
