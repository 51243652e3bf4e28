//! What is answered to a query: everything that a node without any stored item would say.
//!
//! | query | answer |
//! |---|---|
//! | ping | our id |
//! | find_node, and unknown methods that name a target | nodes |
//! | get_peers (BEP 5), get (BEP 44) | nodes and a token |
//! | sample_infohashes (BEP 51) | nodes and no samples |
//! | announce_peer, put | our id for a good token, error 203 for another one |
//! | other unknown methods | error 204 |
//!
//! An answer is never longer than three times its query, and never so long that it would be sent in
//! pieces: nodes are left out until it is not.

use super::{Antenna, Datagram, Presence, Scratch, Sink};
use crate::clock::Micros;
use crate::id::Id;
use crate::krpc::compact::{self, NODE4, NODE6};
use crate::krpc::{Encoder, Failure, Kind, Message, Outbound, Reply, Want};

/// IPv4 and UDP headers, which a reflected packet costs its victim as well.
const HEADERS: usize = 28;
/// How many times longer than its query an answer may be, headers counted on both sides.
const AMPLIFICATION: usize = 3;
/// The longest answer, bytes: with its headers it passes every IPv6 path (1,280 bytes) in one piece.
/// Only a transaction id of a thousand bytes comes near, and who sends that wants it sent elsewhere.
const LONGEST: usize = 1232;

/// What an answer to a query consists of.
enum Answer {
    Id,
    Nodes { near: Id, token: bool, samples: bool },
    Failure(Failure),
}

impl Antenna {
    /// Answers a query as far as it can be answered and the remote's budget allows; says whether the
    /// remote was shown our id.
    pub(super) fn answer(
        &mut self,
        now: Micros,
        datagram: &Datagram<'_>,
        message: &Message<'_>,
        presence: u16,
        token_valid: Option<bool>,
        sink: &mut impl Sink,
    ) -> bool {
        let (Kind::Query, Some(transaction), Some(method)) =
            (message.kind, message.transaction, message.method)
        else {
            self.counters.events_unanswerable += 1;
            return false;
        };
        if message.flaw.is_some_and(crate::krpc::Flaw::forbids_an_answer) || datagram.source.port() == 0 {
            self.counters.events_unanswerable += 1;
            return false;
        }
        if !self.guard.allow_answer(now, datagram.source.ip()) {
            self.counters.answers_withheld += 1;
            return false;
        }
        let answer = compose(method, message, token_valid);
        let id = self.presences[usize::from(presence)].id;
        let mut reply = Reply::default();
        self.scratch.nodes.clear();
        self.scratch.nodes6.clear();
        if let Answer::Nodes { near, token, samples } = &answer {
            let own_family = Want { n4: datagram.source.is_ipv4(), n6: datagram.source.is_ipv6() };
            let want = message.want.filter(|want| want.as_str().is_some()).unwrap_or(own_family);
            self.gather(now, near, want, presence);
            reply = Reply {
                nodes: want.n4.then_some(&[]),
                nodes6: want.n6.then_some(&[]),
                token: token.then(|| self.tokens.issue(now, datagram.socket, datagram.source.ip())),
                samples: *samples,
            };
        }
        let limit = (AMPLIFICATION * (datagram.payload.len() + HEADERS) - HEADERS).min(LONGEST);
        let Self { encoder, scratch, counters, .. } = self;
        let shows_id = !matches!(answer, Answer::Failure(_));
        let fits = match answer {
            Answer::Failure(failure) => {
                encoder.encode(&Outbound::Error { transaction, failure }).as_bytes().len() <= limit
            }
            Answer::Id | Answer::Nodes { .. } => fit(encoder, scratch, transaction, id, reply, limit),
        };
        if fits {
            counters.answers_sent += 1;
            sink.send(datagram.socket, datagram.source, encoder.last());
        } else {
            counters.events_unanswerable += 1;
        }
        fits && shows_id
    }

    /// Fills the scratch buffers with the nodes nearest to `near`, of the families in `want`.
    fn gather(&mut self, now: Micros, near: &Id, want: Want, presence: u16) {
        let Presence { is_ipv4, reach, .. } = self.presences[usize::from(presence)];
        for (wanted, family) in [(want.n4, true), (want.n6, false)] {
            if !wanted {
                continue;
            }
            let teller = if family == is_ipv4 {
                Some(usize::from(presence))
            } else {
                self.nearest(near, |other| other.is_ipv4 == family && other.reach == reach)
            };
            let Some(teller) = teller else { continue };
            let Scratch { found, nodes, nodes6 } = &mut self.scratch;
            self.presences[teller].table.closest(now, near, found);
            let out = if family { nodes } else { nodes6 };
            for contact in found {
                compact::push(contact, out);
            }
        }
    }

    /// The presence nearest to `near` of those that `may` holds for.
    pub(super) fn nearest(&self, near: &Id, may: impl Fn(&Presence) -> bool) -> Option<usize> {
        (0..self.presences.len())
            .filter(|&i| may(&self.presences[i]))
            .min_by_key(|&i| self.presences[i].id.get().distance(near))
    }
}

/// What `message` deserves.
fn compose(method: &[u8], message: &Message<'_>, token_valid: Option<bool>) -> Answer {
    let target = message.target.or(message.info_hash);
    let (near, token, samples) = match method {
        b"ping" => return Answer::Id,
        b"announce_peer" if message.info_hash.is_none() => return Answer::Failure(Failure::MissingArgument),
        b"announce_peer" | b"put" if token_valid == Some(true) => return Answer::Id,
        b"announce_peer" | b"put" => return Answer::Failure(Failure::BadToken),
        b"find_node" => (message.target, false, false),
        b"get_peers" => (message.info_hash, true, false),
        b"get" => (message.target, true, false),
        b"sample_infohashes" => (message.target, false, true),
        _ if target.is_none() => return Answer::Failure(Failure::UnknownMethod),
        _ => (target, false, false),
    };
    match near {
        Some(near) => Answer::Nodes { near, token, samples },
        None => Answer::Failure(Failure::MissingArgument),
    }
}

/// Encodes a reply with as many of the nodes in `scratch` as `limit` bytes allow; says whether even
/// the one without nodes is short enough.
fn fit(
    encoder: &mut Encoder,
    scratch: &mut Scratch,
    transaction: &[u8],
    id: crate::keyspace::OwnId,
    reply: Reply<'_>,
    limit: usize,
) -> bool {
    loop {
        let Scratch { nodes, nodes6, .. } = &mut *scratch;
        let reply = Reply {
            nodes: reply.nodes.map(|_| nodes.as_slice()),
            nodes6: reply.nodes6.map(|_| nodes6.as_slice()),
            ..reply
        };
        if encoder.encode(&Outbound::Reply { transaction, id, reply }).as_bytes().len() <= limit {
            return true;
        }
        // The farthest node of the longer list goes first.
        let (list, size) = if nodes6.len() > nodes.len() { (nodes6, NODE6) } else { (nodes, NODE4) };
        if list.is_empty() {
            return false;
        }
        list.truncate(list.len() - size);
    }
}
