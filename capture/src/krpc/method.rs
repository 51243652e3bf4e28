//! The kinds of query that settings and counts tell apart.

use std::fmt;
use std::str::FromStr;

/// What a datagram that is no answer asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    /// `ping` (BEP 5).
    Ping,
    /// `find_node` (BEP 5).
    FindNode,
    /// `get_peers` (BEP 5), scrapes (BEP 33) among them.
    GetPeers,
    /// `announce_peer` (BEP 5).
    AnnouncePeer,
    /// `get` (BEP 44).
    Get,
    /// `put` (BEP 44).
    Put,
    /// `sample_infohashes` (BEP 51).
    SampleInfohashes,
    /// Any other name.
    Other,
    /// No name at all: a broken message, or none.
    Garbage,
}

impl Method {
    /// All of them, in order.
    pub const ALL: [Self; 9] = [
        Self::Ping,
        Self::FindNode,
        Self::GetPeers,
        Self::AnnouncePeer,
        Self::Get,
        Self::Put,
        Self::SampleInfohashes,
        Self::Other,
        Self::Garbage,
    ];

    /// The method that a message names (key `q`), if it names one.
    #[must_use]
    pub fn of(name: Option<&[u8]>) -> Self {
        match name {
            Some(b"ping") => Self::Ping,
            Some(b"find_node") => Self::FindNode,
            Some(b"get_peers") => Self::GetPeers,
            Some(b"announce_peer") => Self::AnnouncePeer,
            Some(b"get") => Self::Get,
            Some(b"put") => Self::Put,
            Some(b"sample_infohashes") => Self::SampleInfohashes,
            Some(_) => Self::Other,
            None => Self::Garbage,
        }
    }

    /// As it is written on the wire; `other` and `garbage` for what has no one name there.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ping => "ping",
            Self::FindNode => "find_node",
            Self::GetPeers => "get_peers",
            Self::AnnouncePeer => "announce_peer",
            Self::Get => "get",
            Self::Put => "put",
            Self::SampleInfohashes => "sample_infohashes",
            Self::Other => "other",
            Self::Garbage => "garbage",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Method {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|method| method.as_str() == text).ok_or_else(|| {
            let known = Self::ALL.map(Self::as_str).join(", ");
            format!("not a method that can be chosen; there are {known}")
        })
    }
}

/// Some of the methods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Methods(u16);

impl Methods {
    /// Every method.
    pub const ALL: Self = Self((1 << Method::ALL.len()) - 1);

    /// Whether `method` is among them.
    #[must_use]
    pub fn contains(self, method: Method) -> bool {
        self.0 & (1 << method as u16) != 0
    }
}

impl FromIterator<Method> for Methods {
    fn from_iter<I: IntoIterator<Item = Method>>(methods: I) -> Self {
        Self(methods.into_iter().fold(0, |set, method| set | 1 << method as u16))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_reads_back_from_its_name() {
        for method in Method::ALL {
            assert_eq!(method.as_str().parse(), Ok(method));
        }
        for method in &Method::ALL[..7] {
            assert_eq!(Method::of(Some(method.as_str().as_bytes())), *method);
        }
        assert_eq!(Method::of(Some(b"vote")), Method::Other);
        assert_eq!(Method::of(Some(b"garbage")), Method::Other);
        assert_eq!(Method::of(None), Method::Garbage);
        assert!("Ping".parse::<Method>().is_err_and(|error| error.contains("sample_infohashes")));
    }

    #[test]
    fn a_set_holds_what_was_put_in() {
        let set: Methods = [Method::GetPeers, Method::Garbage].into_iter().collect();
        let held: Vec<_> = Method::ALL.into_iter().filter(|&method| set.contains(method)).collect();
        assert_eq!(held, [Method::GetPeers, Method::Garbage]);
        assert_eq!(Method::ALL.into_iter().collect::<Methods>(), Methods::ALL);
    }
}
