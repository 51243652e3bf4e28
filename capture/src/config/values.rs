//! Values that are lists. On the command line and in the file they are one text, items separated by
//! commas; the file may write them as a TOML array too.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// Items separated by commas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List<T>(
    /// The items, in order.
    pub Vec<T>,
);

impl<T: FromStr<Err: fmt::Display>> FromStr for List<T> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let item = |item: &str| item.parse().map_err(|error| format!("`{item}`: {error}"));
        text.split(',')
            .map(str::trim)
            .filter(|text| !text.is_empty())
            .map(item)
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

impl<T: fmt::Display> fmt::Display for List<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let items: Vec<_> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&items.join(","))
    }
}

/// Thirteen ports that BitTorrent clients listen on by default or by habit.
const LEADERS: [u16; 13] =
    [6881, 6882, 6883, 6969, 6889, 51413, 51414, 16881, 26881, 49160, 49161, 45682, 7881];
/// Fifteen followers for each of them.
const FOLLOWERS: std::ops::RangeInclusive<u16> = 21_000..=21_194;

/// Ports and ranges of ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ports {
    text: String,
    list: Vec<u16>,
}

impl Ports {
    /// The ports, in order, ranges spelt out.
    #[must_use]
    pub fn list(&self) -> &[u16] {
        &self.list
    }
}

impl Default for Ports {
    fn default() -> Self {
        let leaders = LEADERS.map(|port| port.to_string()).join(",");
        let text = format!("{leaders},{}-{}", FOLLOWERS.start(), FOLLOWERS.end());
        Self { text, list: LEADERS.into_iter().chain(FOLLOWERS).collect() }
    }
}

impl FromStr for Ports {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let port = |text: &str| {
            let port = text.trim().parse().map_err(|_| format!("`{text}` is not a port from 1 to 65535"))?;
            if port == 0 { Err("port 0 cannot be asked for".to_owned()) } else { Ok(port) }
        };
        let mut list = Vec::new();
        for item in text.split(',') {
            match item.split_once('-') {
                Some((first, last)) if port(first)? <= port(last)? => list.extend(port(first)?..=port(last)?),
                Some(_) => return Err(format!("the range `{item}` is empty")),
                None => list.push(port(item)?),
            }
        }
        Ok(Self { text: text.to_owned(), list })
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Hosts to ask first: `host:port` items, or none at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bootstrap(Vec<String>);

impl Bootstrap {
    /// The hosts as `host:port`.
    #[must_use]
    pub fn hosts(&self) -> &[String] {
        &self.0
    }
}

impl Default for Bootstrap {
    /// The public routers that common clients come with.
    fn default() -> Self {
        let hosts = [
            "router.bittorrent.com:6881",
            "dht.libtorrent.org:25401",
            "dht.transmissionbt.com:6881",
            "router.utorrent.com:6881",
        ];
        Self(hosts.map(str::to_owned).to_vec())
    }
}

impl FromStr for Bootstrap {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(Self(Vec::new()));
        }
        let host = |item: &str| match item.trim().rsplit_once(':') {
            Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0) => {
                Ok(item.trim().to_owned())
            }
            _ => Err(format!("`{item}` is not host:port (write `none` for no hosts)")),
        };
        text.split(',').map(host).collect::<Result<_, _>>().map(Self)
    }
}

impl fmt::Display for Bootstrap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "none".to_owned() } else { self.0.join(",") }.as_str())
    }
}

/// What the file may hold for a list.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a text, a number or an array of them")]
enum Written {
    One(Item),
    Many(Vec<Item>),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Item {
    Text(String),
    Number(i64),
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Number(number) => write!(f, "{number}"),
        }
    }
}

fn deserialize<'de, D: Deserializer<'de>, T: FromStr<Err = String>>(deserializer: D) -> Result<T, D::Error> {
    let text = match Written::deserialize(deserializer)? {
        Written::One(item) => item.to_string(),
        Written::Many(items) => List(items).to_string(),
    };
    text.parse().map_err(serde::de::Error::custom)
}

impl<'de, T: FromStr<Err: fmt::Display>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize(deserializer)
    }
}

impl<'de> Deserialize<'de> for Ports {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize(deserializer)
    }
}

impl<'de> Deserialize<'de> for Bootstrap {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize(deserializer)
    }
}

impl<T: fmt::Display> Serialize for List<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for Ports {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for Bootstrap {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
