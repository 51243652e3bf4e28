//! What a derived file is computed from, and what has changed since it was.
//!
//! Every derived file carries the list in its metadata. The same list is made here from footers alone,
//! so that finding out what is stale reads no data, and `compute --explain` can name the reason.

use crate::digest::Digest;
use crate::plan::Source;
use anyhow::{Context, Result, ensure};
use schema::partition;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

/// Stands for the day of what is not kept by day.
const NO_DAY: &str = "all";

/// Name and day of an input.
type Key = (String, Option<i32>);

/// Everything that a derived file depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inputs {
    /// Version of this program, query, declared columns and day.
    query: Digest,
    /// Thresholds.
    config: Digest,
    /// Digests of what is read, by table and day.
    read: BTreeMap<Key, Digest>,
}

/// Why a derived file has to be computed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// There is no such file.
    Missing,
    /// It does not say what it was computed from.
    Unknown,
    /// The query, its columns or the program are others.
    Query,
    /// The thresholds are others.
    Config,
    /// Something new is to be read.
    New(String),
    /// Something that was read is another.
    Changed(String),
    /// Something that was read is no longer there.
    Gone(String),
}

impl Inputs {
    /// Of a file with this query and these thresholds that reads nothing.
    #[must_use]
    pub fn new(query: Digest, config: Digest) -> Self {
        Self { query, config, read: BTreeMap::new() }
    }

    /// Adds what is read of `source` on `day`: the digests of its files, in any order.
    pub fn add(&mut self, source: Source, day: Option<i32>, mut files: Vec<Digest>) {
        files.sort_unstable();
        self.read.insert((source.to_string(), day), Digest::of(files.iter().map(Digest::as_bytes)));
    }

    /// The days of what is read.
    pub fn days(&self) -> impl Iterator<Item = i32> {
        self.read.keys().filter_map(|(_, day)| *day)
    }

    /// All of it as one number.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of([self.to_string().as_bytes()])
    }

    /// Whether a file `was` computed by the same rules: by this query with these thresholds, and from the same of the
    /// first day that both have read.
    #[must_use]
    pub fn agree(&self, was: &Self) -> bool {
        let days = |inputs: &Self| inputs.days().collect::<BTreeSet<_>>();
        let first = days(self).intersection(&days(was)).next().copied();
        let of_first = |inputs: &Self| -> Vec<_> {
            let all = inputs.read.iter().filter(|((_, day), _)| *day == first);
            all.map(|(key, digest)| (key.clone(), *digest)).collect()
        };
        first.is_some()
            && self.query == was.query
            && self.config == was.config
            && of_first(self) == of_first(was)
    }

    /// What is different here from what a file `was` computed from. What was read of a day that has
    /// `left` is not missed.
    #[must_use]
    pub fn changes(&self, was: &Self, left: impl Fn(i32) -> bool) -> Vec<Change> {
        let mut changes = Vec::new();
        changes.extend((self.query != was.query).then_some(Change::Query));
        changes.extend((self.config != was.config).then_some(Change::Config));
        for (key, digest) in &self.read {
            match was.read.get(key) {
                None => changes.push(Change::New(name(key))),
                Some(then) if then != digest => changes.push(Change::Changed(name(key))),
                Some(_) => {}
            }
        }
        let gone = was.read.keys().filter(|key| !self.read.contains_key(key) && !key.1.is_some_and(&left));
        changes.extend(gone.map(|key| Change::Gone(name(key))));
        changes
    }
}

/// For people: `derived.lookups of 2026-01-05`.
fn name((table, day): &Key) -> String {
    day.map_or_else(|| table.clone(), |day| format!("{table} of {}", partition::date_text(day)))
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("not computed yet"),
            Self::Unknown => f.write_str("computed by an older version"),
            Self::Query => f.write_str("another query"),
            Self::Config => f.write_str("other thresholds"),
            Self::New(name) => write!(f, "new: {name}"),
            Self::Changed(name) => write!(f, "changed: {name}"),
            Self::Gone(name) => write!(f, "gone: {name}"),
        }
    }
}

/// One line an entry, as it stands in a file's metadata.
impl fmt::Display for Inputs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.query)?;
        writeln!(f, "{}", self.config)?;
        for ((table, day), digest) in &self.read {
            let day = day.map_or_else(|| NO_DAY.to_owned(), partition::date_text);
            writeln!(f, "{table} {day} {digest}")?;
        }
        Ok(())
    }
}

impl FromStr for Inputs {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let digest = |text: &str| text.parse::<Digest>().ok().context("not a digest");
        let mut lines = text.lines();
        let mut first = || digest(lines.next().unwrap_or_default());
        let mut inputs = Self::new(first()?, first()?);
        for line in lines {
            let fields: Vec<&str> = line.split(' ').collect();
            ensure!(fields.len() == 3, "an input is a table, a day and a digest");
            let day = match fields[1] {
                NO_DAY => None,
                day => Some(partition::parse_date(day).context("not a day")?),
            };
            inputs.read.insert((fields[0].to_owned(), day), digest(fields[2])?);
        }
        Ok(inputs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Tier;

    const EVENTS: Source = Source { tier: Tier::Captured, name: "events" };
    const ACTORS: Source = Source { tier: Tier::User, name: "actors" };

    fn digest(text: &str) -> Digest {
        Digest::of([text.as_bytes()])
    }

    fn inputs(days: &[(i32, &str)]) -> Inputs {
        let mut inputs = Inputs::new(digest("query"), digest("config"));
        inputs.add(ACTORS, None, vec![digest("actors")]);
        for (day, file) in days {
            inputs.add(EVENTS, Some(*day), vec![digest(file), digest("another")]);
        }
        inputs
    }

    #[test]
    fn what_a_file_says_of_itself_is_read_back() {
        let inputs = inputs(&[(1, "a"), (2, "b")]);
        assert_eq!(inputs.to_string().parse::<Inputs>().expect("inputs"), inputs);
        assert!("".parse::<Inputs>().is_err());
        assert!(format!("{inputs}captured.events").parse::<Inputs>().is_err());
    }

    #[test]
    fn the_rules_are_the_same_while_a_day_that_is_over_looks_the_same() {
        let now = inputs(&[(1, "a"), (2, "b")]);
        assert!(now.agree(&inputs(&[(0, "x"), (1, "a"), (2, "less")])));
        assert!(now.agree(&inputs(&[(2, "b")])));
        assert!(!now.agree(&inputs(&[(1, "other"), (2, "b")])));
        assert!(!now.agree(&inputs(&[(0, "a")])));
        assert!(!now.agree(&Inputs { config: digest("another"), ..now.clone() }));
    }

    #[test]
    fn every_change_is_named_and_a_day_that_left_is_none() {
        let said = |now: &Inputs, was: &Inputs| {
            let changes = now.changes(was, |day| day < 1);
            changes.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        let now = inputs(&[(1, "a"), (2, "b")]);
        assert!(said(&now, &inputs(&[(0, "x"), (1, "a"), (2, "b")])).is_empty());
        assert_eq!(
            said(&now, &inputs(&[(1, "x"), (3, "c")])),
            [
                "changed: captured.events of 1970-01-02",
                "new: captured.events of 1970-01-03",
                "gone: captured.events of 1970-01-04"
            ]
        );
        let other = Inputs { query: digest("another"), config: digest("another"), ..now.clone() };
        assert_eq!(said(&now, &other), ["another query", "other thresholds"]);
    }
}
