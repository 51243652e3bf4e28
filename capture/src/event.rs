//! A row of `captured.events`.

use crate::clock::Micros;
use crate::id::Id;
use crate::krpc::{Flaw, Want};
use std::borrow::Cow;
use std::net::SocketAddr;

/// Up to `N` bytes held in place, so that a row needs no allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Short<const N: usize> {
    length: u8,
    bytes: [u8; N],
}

impl<const N: usize> Short<N> {
    /// The first `N` of `bytes`. `N` is at most 255.
    #[must_use]
    pub fn cut(bytes: &[u8]) -> Self {
        let length = bytes.len().min(N);
        let mut short = Self { length: length as u8, bytes: [0; N] };
        short.bytes[..length].copy_from_slice(&bytes[..length]);
        short
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }

    /// The bytes as far as they are text.
    #[must_use]
    pub fn to_text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(self.as_bytes())
    }
}

/// How the presence that a datagram reached is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attribution {
    /// The socket has one id.
    Exact,
    /// Several ids share the socket; the remote is always shown the same one.
    Inferred,
}

impl Attribution {
    /// As it is stored.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Inferred => "inferred",
        }
    }
}

/// One query, or one datagram that could not be decoded. The fields are the columns of
/// `captured.events`; the schema crate says what they mean.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the schema crate documents every column")]
pub struct Event {
    pub ts: Micros,
    pub method: Option<Short<64>>,
    pub infohash: Option<Id>,
    pub target: Option<Id>,
    pub peer: SocketAddr,
    pub source_node: u16,
    pub local_port: u16,
    pub querier_id: Option<Id>,
    pub client_version: Option<Short<16>>,
    pub transaction_id: Option<Short<32>>,
    pub read_only: Option<bool>,
    pub implied_port: Option<bool>,
    pub announced_port: Option<u16>,
    pub seed: Option<bool>,
    pub no_seed: Option<bool>,
    pub scrape: Option<bool>,
    pub want: Option<Want>,
    pub token_valid: Option<bool>,
    pub attribution: Attribution,
    pub ttl: Option<u8>,
    pub length: u16,
    pub canonical: bool,
    pub decode_error: Option<Flaw>,
}
