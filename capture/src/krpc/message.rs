//! What a datagram says, borrowed from it, and what was wrong with it.

use crate::id::Id;
use std::fmt;

/// A decoded datagram. A field is `None` when the message leaves it out or gives it the wrong type.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Message<'a> {
    /// Query, response or error (key `y`).
    pub kind: Kind,
    /// Name of the method asked for (key `q`), any bytes.
    pub method: Option<&'a [u8]>,
    /// Transaction id (key `t`), any bytes.
    pub transaction: Option<&'a [u8]>,
    /// Client and version (key `v`), any bytes.
    pub version: Option<&'a [u8]>,
    /// The sender answers no queries (BEP 43): true only for the value 1.
    pub read_only: Option<bool>,
    /// Node id of the sender.
    pub id: Option<Id>,
    /// `info_hash` of get_peers and announce_peer.
    pub info_hash: Option<Id>,
    /// `target` of find_node, get and sample_infohashes.
    pub target: Option<Id>,
    /// Write token of announce_peer and put.
    pub token: Option<&'a [u8]>,
    /// `port` of announce_peer.
    pub port: Option<u16>,
    /// `implied_port` of announce_peer.
    pub implied_port: Option<bool>,
    /// `seed` of announce_peer (BEP 33).
    pub seed: Option<bool>,
    /// `noseed` of get_peers (BEP 33).
    pub no_seed: Option<bool>,
    /// `scrape` of get_peers (BEP 33).
    pub scrape: Option<bool>,
    /// Address families that nodes are wanted of (BEP 32).
    pub want: Option<Want>,
    /// Compact IPv4 nodes of a response.
    pub nodes: Option<&'a [u8]>,
    /// Compact IPv6 nodes of a response (BEP 32).
    pub nodes6: Option<&'a [u8]>,
    /// Whether the bencoding is canonical.
    pub canonical: bool,
    /// The worst thing that was wrong, if anything was.
    pub flaw: Option<Flaw>,
}

/// The type of a message, key `y`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// `q`
    Query,
    /// `r`
    Response,
    /// `e`
    Error,
    /// Anything else, or no message at all.
    #[default]
    Unknown,
}

/// Address families of BEP 32, key `want`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Want {
    /// `n4`: IPv4 nodes.
    pub n4: bool,
    /// `n6`: IPv6 nodes.
    pub n6: bool,
}

impl Want {
    /// As it is stored; `None` when the list named no family we know.
    #[must_use]
    pub fn as_str(self) -> Option<&'static str> {
        match (self.n4, self.n6) {
            (true, true) => Some("n4,n6"),
            (true, false) => Some("n4"),
            (false, true) => Some("n6"),
            (false, false) => None,
        }
    }
}

/// What can be wrong with a datagram, from harmless to hopeless.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Flaw {
    /// Keys of a dictionary are not in order.
    UnsortedKeys,
    /// A dictionary has a key twice; the first one counts.
    DuplicateKey,
    /// A number is not written the shortest way.
    LeadingZeros,
    /// Something stands behind the message.
    TrailingBytes,
    /// `port` is not a number from 0 to 65535.
    BadPort,
    /// `info_hash` or `target` is not 20 bytes long.
    BadTarget,
    /// A query's `id` is missing or not 20 bytes long.
    BadId,
    /// A query without a transaction id cannot be answered.
    NoTransaction,
    /// A query without a method.
    NoMethod,
    /// Neither query nor response nor error.
    UnknownType,
    /// The message ends in the middle.
    Truncated,
    /// Nested deeper than 16 levels.
    TooDeep,
    /// Not bencoding.
    Syntax,
    /// Bencoding, but no dictionary.
    NotADictionary,
}

impl Flaw {
    /// Nobody can answer a message like this.
    #[must_use]
    pub fn forbids_an_answer(self) -> bool {
        self >= Self::BadId
    }

    /// As it stands in `decode_error`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UnsortedKeys => "unsorted keys",
            Self::DuplicateKey => "duplicate key",
            Self::LeadingZeros => "leading zeros",
            Self::TrailingBytes => "trailing bytes",
            Self::BadPort => "bad port",
            Self::BadTarget => "bad target",
            Self::BadId => "bad id",
            Self::NoTransaction => "no transaction id",
            Self::NoMethod => "no method",
            Self::UnknownType => "unknown message type",
            Self::Truncated => "truncated",
            Self::TooDeep => "nested too deep",
            Self::Syntax => "not bencoding",
            Self::NotADictionary => "not a dictionary",
        }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
