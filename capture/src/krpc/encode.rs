//! [`Outbound`] to bytes: the only way from this crate onto the wire.
//!
//! What we may say is what these types can say: answers, `ping`, and `find_node` for an
//! [`OwnId`]. A [`Packet`] can be made nowhere else, and the sockets send nothing but packets.

use crate::keyspace::OwnId;
use std::io::Write;

/// Everything this crate ever sends.
#[derive(Clone, Copy, Debug)]
pub enum Outbound<'a> {
    /// The answer to a query.
    Reply {
        /// The query's transaction id, to be echoed exactly.
        transaction: &'a [u8],
        /// The presence that answers.
        id: OwnId,
        /// What it says besides.
        reply: Reply<'a>,
    },
    /// The answer to a query that cannot be met.
    Error {
        /// The query's transaction id, to be echoed exactly.
        transaction: &'a [u8],
        /// Why.
        failure: Failure,
    },
    /// Are you there?
    Ping {
        /// Our transaction id.
        transaction: [u8; 4],
        /// The presence that asks.
        id: OwnId,
    },
    /// Who is near this id of ours?
    FindNode {
        /// Our transaction id.
        transaction: [u8; 4],
        /// The presence that asks.
        id: OwnId,
        /// One of our own ids.
        target: OwnId,
    },
}

/// The fields of a response besides `id`. There are no `values`: we know no peers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reply<'a> {
    /// Compact IPv4 nodes.
    pub nodes: Option<&'a [u8]>,
    /// Compact IPv6 nodes.
    pub nodes6: Option<&'a [u8]>,
    /// Write token.
    pub token: Option<[u8; 8]>,
    /// Whether this answers sample_infohashes (BEP 51): we have none, ask again in six hours.
    pub samples: bool,
}

/// Errors of BEP 5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// 203, an argument is missing.
    MissingArgument,
    /// 203, the token was not given to this address.
    BadToken,
    /// 204, no such method.
    UnknownMethod,
}

/// The longest interval that BEP 51 allows, seconds: nobody need ask an empty store more often.
const SAMPLE_INTERVAL: u32 = 21_600;

/// One encoded message.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a>(&'a [u8]);

impl<'a> Packet<'a> {
    /// The bytes to send.
    #[must_use]
    pub fn as_bytes(self) -> &'a [u8] {
        self.0
    }
}

/// Encodes messages into one buffer, over and over.
#[derive(Debug, Default)]
pub struct Encoder(Vec<u8>);

impl Encoder {
    /// The canonical bencoding of `message`.
    pub fn encode(&mut self, message: &Outbound<'_>) -> Packet<'_> {
        let out = &mut self.0;
        out.clear();
        match *message {
            Outbound::Reply { transaction, id, reply } => {
                out.extend_from_slice(b"d1:rd2:id");
                string(out, &id.get().0);
                if reply.samples {
                    // Writing to a Vec cannot fail.
                    let _ = write!(out, "8:intervali{SAMPLE_INTERVAL}e");
                }
                if let Some(nodes) = reply.nodes {
                    out.extend_from_slice(b"5:nodes");
                    string(out, nodes);
                }
                if let Some(nodes) = reply.nodes6 {
                    out.extend_from_slice(b"6:nodes6");
                    string(out, nodes);
                }
                if reply.samples {
                    out.extend_from_slice(b"3:numi0e7:samples0:");
                }
                if let Some(token) = reply.token {
                    out.extend_from_slice(b"5:token");
                    string(out, &token);
                }
                out.extend_from_slice(b"e1:t");
                string(out, transaction);
                out.extend_from_slice(b"1:y1:re");
            }
            Outbound::Error { transaction, failure } => {
                let (code, text) = match failure {
                    Failure::MissingArgument => (203, "missing argument"),
                    Failure::BadToken => (203, "bad token"),
                    Failure::UnknownMethod => (204, "unknown method"),
                };
                let _ = write!(out, "d1:eli{code}e");
                string(out, text.as_bytes());
                out.extend_from_slice(b"e1:t");
                string(out, transaction);
                out.extend_from_slice(b"1:y1:ee");
            }
            Outbound::Ping { transaction, id } => {
                out.extend_from_slice(b"d1:ad2:id");
                string(out, &id.get().0);
                out.extend_from_slice(b"e1:q4:ping1:t");
                string(out, &transaction);
                out.extend_from_slice(b"1:y1:qe");
            }
            Outbound::FindNode { transaction, id, target } => {
                out.extend_from_slice(b"d1:ad2:id");
                string(out, &id.get().0);
                out.extend_from_slice(b"6:target");
                string(out, &target.get().0);
                out.extend_from_slice(b"e1:q9:find_node1:t");
                string(out, &transaction);
                out.extend_from_slice(b"1:y1:qe");
            }
        }
        self.last()
    }

    /// The message encoded last.
    #[must_use]
    pub fn last(&self) -> Packet<'_> {
        Packet(&self.0)
    }
}

fn string(out: &mut Vec<u8>, bytes: &[u8]) {
    decimal(out, bytes.len());
    out.push(b':');
    out.extend_from_slice(bytes);
}

/// Appends the digits of `number`. `write!` would take longer than everything else in an answer.
fn decimal(out: &mut Vec<u8>, number: usize) {
    if number >= 10 {
        decimal(out, number / 10);
    }
    out.push(b'0' + (number % 10) as u8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyspace::Keyspace;
    use crate::krpc::{Kind, decode};
    use proptest::prelude::*;

    fn own_id() -> OwnId {
        let here = std::net::Ipv4Addr::LOCALHOST.into();
        Keyspace::new("s", &[here], &[1], 1, 0.0).expect("a valid keyspace").id(0, 0)
    }

    proptest! {
        #[test]
        fn whatever_is_sent_is_canonical_and_says_what_was_meant(
            transaction in prop::collection::vec(any::<u8>(), 0..64),
            nodes in prop::collection::vec(any::<u8>(), 0..208),
            with_nodes: bool, with_nodes6: bool, token: Option<[u8; 8]>, samples: bool,
        ) {
            let mut encoder = Encoder::default();
            let reply = Reply {
                nodes: with_nodes.then_some(&nodes[..]),
                nodes6: with_nodes6.then_some(&nodes[..]),
                token,
                samples,
            };
            let sent = Outbound::Reply { transaction: &transaction, id: own_id(), reply };
            let read = decode(encoder.encode(&sent).as_bytes());
            prop_assert_eq!(read.flaw, None);
            prop_assert!(read.canonical);
            prop_assert_eq!(read.kind, Kind::Response);
            prop_assert_eq!(read.transaction, Some(&transaction[..]));
            prop_assert_eq!(read.id, Some(own_id().get()));
            prop_assert_eq!(read.nodes, reply.nodes);
            prop_assert_eq!(read.nodes6, reply.nodes6);
        }
    }

    #[test]
    fn the_two_queries_read_back() {
        let mut encoder = Encoder::default();
        let ping = Outbound::Ping { transaction: *b"abcd", id: own_id() };
        let read = decode(encoder.encode(&ping).as_bytes());
        assert_eq!((read.method, read.flaw, read.canonical), (Some(&b"ping"[..]), None, true));
        let find = Outbound::FindNode { transaction: *b"abcd", id: own_id(), target: own_id() };
        let read = decode(encoder.encode(&find).as_bytes());
        assert_eq!((read.method, read.flaw, read.canonical), (Some(&b"find_node"[..]), None, true));
        assert_eq!(read.target, Some(own_id().get()));
    }
}
