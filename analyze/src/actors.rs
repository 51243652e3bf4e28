//! `user.actors`: what the user knows about networks and autonomous systems, from a CSV file.
//!
//! The file has a header and one line a party: an address, a network or an AS number, its label,
//! and a note that may be empty.
//!
//! ```csv
//! party,label,note
//! 192.0.2.0/24,measurement_node,announced on a mailing list
//! AS64496,hosting,
//! ```

use crate::digest::Digest;
use crate::error::Failure;
use crate::party::Party;
use anyhow::{Context, Result, bail, ensure};
use csv::{ReaderBuilder, StringRecord, Trim};
use datafusion::arrow::array::{ArrayRef, FixedSizeBinaryArray, RecordBatch, StringArray, UInt32Array};
use ipnet::IpNet;
use schema::{Column, columns};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

/// The table's name within the schema `user`.
pub const NAME: &str = "actors";

/// What a row is.
pub const DOC: &str = "One row per party that the user has named in the file of the setting `actors`; empty \
                       without one. A row has either a network or an AS number. Of several networks that hold \
                       an address the most specific one is meant. The label `measurement_node` marks known \
                       measurement nodes.";

/// The columns.
pub const COLUMNS: &[Column] = columns! {
    /// The network, as text; a single address is a network too.
    network: Text null ["CIDR"];
    /// First address of the network.
    network_start: Address null ["16 bytes"];
    /// Last address of the network.
    network_end: Address null ["16 bytes"];
    /// The autonomous system.
    asn: U32 null ["AS number"];
    /// What the user calls the party.
    label: Text ["–"];
    /// What else the user knows.
    note: Text null ["–"];
};

/// The first line of the file.
const HEADER: [&str; 3] = ["party", "label", "note"];

/// Begins a line that says nothing.
const COMMENT: u8 = b'#';

/// What the file says of one party.
#[derive(Clone, Debug)]
struct Actor {
    label: String,
    note: Option<String>,
    line: usize,
}

/// The parties that the user has named.
#[derive(Clone, Debug, Default)]
pub struct Actors(BTreeMap<Party, Actor>);

impl Actors {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// [`Failure::Usage`] when it cannot be read, or with the line that makes no sense.
    pub fn load(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| Failure::Usage(format!("cannot read {}: {error}", path.display())))?;
        Self::parse(&text).map_err(|error| Failure::Usage(format!("{}: {error:#}", path.display())).into())
    }

    fn parse(text: &str) -> Result<Self> {
        let mut reader = ReaderBuilder::new()
            .trim(Trim::All)
            .comment(Some(COMMENT))
            .flexible(true)
            .from_reader(text.as_bytes());
        ensure!(*reader.headers()? == HEADER[..], "the first line must be `{}`", HEADER.join(","));
        let mut actors = BTreeMap::<Party, Actor>::new();
        for record in reader.records() {
            let record = record?;
            let line = line(text, &record);
            let (party, actor) = actor(&record, line).with_context(|| format!("line {line}"))?;
            if let Some(earlier) = actors.insert(party, actor) {
                bail!("line {line}: {party} has a label on line {} already", earlier.line);
            }
        }
        Ok(Self(actors))
    }

    /// The rows of `user.actors`.
    ///
    /// # Errors
    /// When Arrow refuses the columns.
    pub fn rows(&self) -> Result<RecordBatch> {
        let networks = || {
            self.0.keys().map(|party| match party {
                Party::Network(network) => Some(*network),
                Party::Asn(_) => None,
            })
        };
        let asns = self.0.keys().map(|party| match party {
            Party::Network(_) => None,
            Party::Asn(number) => Some(*number),
        });
        let addresses = |of: fn(&IpNet) -> IpAddr| {
            FixedSizeBinaryArray::try_from_sparse_iter_with_size(
                networks().map(|network| network.map(|network| stored(of(&network)))),
                16,
            )
        };
        let columns: Vec<ArrayRef> = vec![
            Arc::new(networks().map(|network| network.map(|it| it.to_string())).collect::<StringArray>()),
            Arc::new(addresses(IpNet::network)?),
            Arc::new(addresses(IpNet::broadcast)?),
            Arc::new(asns.collect::<UInt32Array>()),
            Arc::new(self.0.values().map(|actor| Some(&actor.label)).collect::<StringArray>()),
            Arc::new(self.0.values().map(|actor| actor.note.as_ref()).collect::<StringArray>()),
        ];
        Ok(RecordBatch::try_new(schema::table::arrow(COLUMNS), columns)?)
    }

    /// One number for everything the file says, comments and order left out.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let texts: Vec<String> = self
            .0
            .iter()
            .flat_map(|(party, actor)| {
                [party.to_string(), actor.label.clone(), actor.note.clone().unwrap_or_default()]
            })
            .collect();
        Digest::of(texts.iter().map(String::as_bytes))
    }
}

/// The line on which `record` begins: the reader counts comments and empty lines before it as part
/// of it.
fn line(text: &str, record: &StringRecord) -> usize {
    let start = record.position().map_or(0, csv::Position::byte);
    let split = usize::try_from(start).ok().and_then(|start| text.split_at_checked(start));
    let (before, from) = split.unwrap_or((text, ""));
    let skipped = from.lines().take_while(|line| line.bytes().next().is_none_or(|first| first == COMMENT));
    1 + before.lines().count() + skipped.count()
}

fn actor(record: &StringRecord, line: usize) -> Result<(Party, Actor)> {
    ensure!(record.len() <= HEADER.len(), "expected `{}`, found {} fields", HEADER.join(","), record.len());
    let field = |index| record.get(index).filter(|text| !text.is_empty());
    let party = field(0).context("the party is missing")?.parse()?;
    let label = field(1).context("the label is missing")?.to_owned();
    Ok((party, Actor { label, note: field(2).map(str::to_owned), line }))
}

/// An address as the dataset stores it.
fn stored(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::array::{Array, AsArray};
    use datafusion::arrow::datatypes::UInt32Type;

    const FILE: &str = "party, label, note\n\
                        # known to all\n\
                        192.0.2.0/24, measurement_node,\"asks, never answers\"\n\
                        2001:db8::1, relay,\n\
                        AS64496, hosting,\n";

    fn parsed(text: &str) -> Actors {
        Actors::parse(text).expect("a file of actors")
    }

    #[test]
    fn every_line_is_a_network_or_an_autonomous_system() {
        let rows = parsed(FILE).rows().expect("rows");
        let networks: Vec<_> = rows["network"].as_string::<i32>().iter().collect();
        assert_eq!(networks, [Some("192.0.2.0/24"), Some("2001:db8::/64"), None]);
        assert_eq!(
            rows["asn"].as_primitive::<UInt32Type>().iter().collect::<Vec<_>>(),
            [None, None, Some(64496)]
        );
        let ends = rows["network_end"].as_fixed_size_binary();
        assert_eq!(ends.value(0), stored("192.0.2.255".parse().expect("an address")));
        assert_eq!(ends.value(1), stored("2001:db8::ffff:ffff:ffff:ffff".parse().expect("an address")));
        assert!(ends.is_null(2));
        assert_eq!(rows["note"].as_string::<i32>().iter().next(), Some(Some("asks, never answers")));
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_its_line() {
        let refused = |text: &str| format!("{:#}", Actors::parse(text).expect_err("must be refused"));
        assert!(refused("network,label\n").contains("the first line must be `party,label,note`"));
        assert!(refused("party,label,note\n\nAS1,x\nhost.example,x\n").starts_with("line 4: `host.example`"));
        assert!(refused("party,label,note\nAS1,,\n").starts_with("line 2: the label is missing"));
        assert!(refused("party,label,note\n# x\nAS1,x,y,z\n").starts_with("line 3: expected `party,"));
        let twice = refused("party,label,note\n192.0.2.1,x,\n192.0.2.1/32,y,\n");
        assert_eq!(twice, "line 3: 192.0.2.1/32 has a label on line 2 already");
    }

    #[test]
    fn the_digest_follows_the_content() {
        let digest = |text: &str| parsed(text).digest();
        assert_eq!(digest(FILE), digest(&FILE.replace("# known to all\n", "")));
        assert_ne!(digest(FILE), digest(&FILE.replace("relay", "mirror")));
        assert_ne!(digest(FILE), Actors::default().digest());
    }
}
