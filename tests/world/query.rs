//! A query on its way to us, as a row of `captured.events` and as a datagram.

use super::families::Family;
use super::{Micros, chance::Chance};
use capture::event::{Attribution, Event, Short};
use capture::id::Id;
use capture::keyspace::Keyspace;
use capture::krpc::{Method, Want};
use std::net::SocketAddr;

/// Length of the tokens that a sensor gives out.
pub const TOKEN: usize = 8;

/// Who asks: a program at an address.
#[derive(Clone, Copy, Debug)]
pub struct Caller {
    /// Source address of its datagrams.
    pub address: SocketAddr,
    /// The node id that it says it has.
    pub id: Id,
    /// The program.
    pub family: &'static Family,
    /// Whether it has the whole torrent (BEP 33).
    pub seeds: bool,
    /// Address families that it asks nodes of.
    pub want: Option<Want>,
    /// Time to live of its datagrams when they arrive.
    pub ttl: u8,
}

/// One query that reaches one presence.
#[derive(Clone, Copy, Debug)]
pub struct Query {
    /// When it arrives.
    pub ts: Micros,
    /// Index of the caller.
    pub caller: u32,
    /// The presence that it reaches.
    pub presence: u16,
    /// What it asks.
    pub method: Method,
    /// What for: infohash or target; without meaning in a ping.
    pub target: Id,
}

impl Query {
    /// What its transaction id begins with.
    #[must_use]
    pub fn transaction(&self, caller: &Caller) -> [u8; 8] {
        let chance = Chance::new(self.ts as u64).of(self.presence.into()).of(caller.address.port().into());
        chance.number().to_be_bytes()
    }

    /// The row that a sensor writes, except for its origin. `datagram` is overwritten.
    #[must_use]
    pub fn event(&self, caller: &Caller, keyspace: &Keyspace, datagram: &mut Vec<u8>) -> Event {
        use Method::{AnnouncePeer, FindNode, GetPeers, SampleInfohashes};
        let announces = self.method == AnnouncePeer;
        let more = caller.family.announces_more;
        let mut event = Event {
            ts: self.ts,
            method: Some(Short::cut(self.method.as_str().as_bytes())),
            infohash: matches!(self.method, GetPeers | AnnouncePeer).then_some(self.target),
            target: matches!(self.method, FindNode | SampleInfohashes).then_some(self.target),
            peer: caller.address,
            source_node: self.presence,
            local_port: keyspace.sockets()[keyspace.socket_of(self.presence)].port(),
            querier_id: Some(caller.id),
            client_version: caller.family.version.map(|version| Short::cut(&version)),
            transaction_id: Some(Short::cut(&self.transaction(caller)[..caller.family.transaction])),
            read_only: caller.family.read_only,
            implied_port: (announces && more).then_some(true),
            announced_port: announces.then_some(caller.address.port()),
            seed: (announces && more).then_some(caller.seeds),
            no_seed: (self.method == GetPeers && more && caller.seeds).then_some(true),
            scrape: None,
            want: caller.want.filter(|_| matches!(self.method, GetPeers | FindNode)),
            token_valid: announces.then_some(true),
            attribution: Attribution::Exact,
            ttl: Some(caller.ttl),
            length: 0,
            canonical: true,
            decode_error: None,
        };
        write_datagram(&event, &[0; TOKEN], datagram);
        event.length = datagram.len() as u16;
        event
    }
}

/// Writes the datagram that `event` tells of, with `token` if it needs one (BEP 5, 32, 33, 43).
pub fn write_datagram(event: &Event, token: &[u8], out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(b"d1:ad");
    entry(out, b"id", event.querier_id.as_ref().map(|id| &id.0[..]));
    flag(out, b"implied_port", event.implied_port);
    entry(out, b"info_hash", event.infohash.as_ref().map(|id| &id.0[..]));
    flag(out, b"noseed", event.no_seed);
    if let Some(port) = event.announced_port {
        text(out, b"port");
        out.extend_from_slice(format!("i{port}e").as_bytes());
    }
    flag(out, b"scrape", event.scrape);
    flag(out, b"seed", event.seed);
    entry(out, b"target", event.target.as_ref().map(|id| &id.0[..]));
    entry(out, b"token", event.token_valid.map(|_| token));
    if let Some(want) = event.want {
        text(out, b"want");
        out.push(b'l');
        if want.n4 {
            text(out, b"n4");
        }
        if want.n6 {
            text(out, b"n6");
        }
        out.push(b'e');
    }
    out.push(b'e');
    entry(out, b"q", event.method.as_ref().map(Short::as_bytes));
    flag(out, b"ro", event.read_only);
    entry(out, b"t", event.transaction_id.as_ref().map(Short::as_bytes));
    entry(out, b"v", event.client_version.as_ref().map(Short::as_bytes));
    out.extend_from_slice(b"1:y1:qe");
}

fn entry(out: &mut Vec<u8>, key: &[u8], value: Option<&[u8]>) {
    if let Some(value) = value {
        text(out, key);
        text(out, value);
    }
}

fn flag(out: &mut Vec<u8>, key: &[u8], value: Option<bool>) {
    if let Some(value) = value {
        text(out, key);
        out.extend_from_slice(if value { b"i1e" } else { b"i0e" });
    }
}

/// A byte string, of at most 99 bytes.
fn text(out: &mut Vec<u8>, bytes: &[u8]) {
    let length = bytes.len();
    if length >= 10 {
        out.push(b'0' + (length / 10) as u8);
    }
    out.push(b'0' + (length % 10) as u8);
    out.push(b':');
    out.extend_from_slice(bytes);
}
