//! MaxMind DB files, read where they lie.
//!
//! A file is a binary tree over the bits of an address, sixteen zero bytes, records of typed values,
//! and metadata of the same kind behind a marker (format 2.0,
//! <https://maxmind.github.io/MaxMind-DB/>). Readers for it want the whole file as one piece of
//! memory: a copy of up to 130 MB, or a mapping, where a file that is shortened in place ends the
//! process. This one reads pages at their positions and keeps a bounded number of them. Whatever the
//! bytes are, the outcome is a value or an error, after a bounded number of steps.

use crate::clock::{Micros, SECOND};
use std::fs::File;
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// What stands between the records and the metadata.
const MARKER: &[u8] = b"\xab\xcd\xefMaxMind.com";
/// The metadata, marker included, is in this many bytes at the end.
const METADATA: u64 = 128 << 10;
/// Zero bytes between the tree and the records.
const SEPARATOR: u64 = 16;
/// Bytes that are read at once.
const PAGE: usize = 4096;
/// Pages that are kept: 2 MiB of a file.
const PAGES: usize = 512;
/// Values that may be passed on the way to one of them: far more than any record has.
const MOST_VALUES: u64 = 10_000;

/// Why a file, or a record of it, cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum MmdbError {
    /// The system refused, or the file has become shorter.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The bytes break the rules of the format.
    #[error("it is not a whole MaxMind DB file: {0}")]
    Damaged(&'static str),
}

use MmdbError::Damaged;

/// A value of a kind that we ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// UTF-8 text.
    Text(String),
    /// An unsigned integer of up to 64 bits.
    Number(u64),
}

/// Where the record of an address begins, from the start of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record(u64);

/// An open file.
pub struct Database {
    pages: Pages,
    nodes: u64,
    /// Bytes of a node: two links of 24, 28 or 32 bits.
    node_bytes: u64,
    ipv6: bool,
    /// Where IPv4 addresses begin: below 96 zero bits in a tree of IPv6.
    ipv4_root: u64,
    /// Where records begin.
    records: u64,
    built: Micros,
}

impl Database {
    /// Opens the file at `path` and reads its metadata.
    ///
    /// # Errors
    /// When it cannot be read, is not of this format, or is cut off.
    pub fn open(path: &Path) -> Result<Self, MmdbError> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        let mut pages = Pages::new(file, length);
        let mut tail = vec![0; length.min(METADATA) as usize];
        let tail_start = length - tail.len() as u64;
        pages.file.read_exact_at(&mut tail, tail_start)?;
        let marker = tail.windows(MARKER.len()).rposition(|window| window == MARKER);
        let marker = tail_start + marker.ok_or(Damaged("it has no metadata"))? as u64;
        let start = marker + MARKER.len() as u64;

        let mut metadata = Values { pages: &mut pages, start, left: MOST_VALUES };
        let mut number = |key| match metadata.get(start, &[key])? {
            Some(Value::Number(number)) => Ok(number),
            _ => Err(Damaged("its metadata is incomplete")),
        };
        if number("binary_format_major_version")? != 2 {
            return Err(Damaged("its format is not version 2"));
        }
        let (nodes, bits, version) = (number("node_count")?, number("record_size")?, number("ip_version")?);
        let built = number("build_epoch")?;
        if !matches!(bits, 24 | 28 | 32) || !matches!(version, 4 | 6) || nodes > u64::from(u32::MAX) {
            return Err(Damaged("its metadata describes no known tree"));
        }
        let node_bytes = bits / 4;
        let records = nodes * node_bytes + SEPARATOR;
        if records > marker {
            return Err(Damaged("its tree is cut off"));
        }
        let built = Micros::try_from(built).unwrap_or_default().saturating_mul(SECOND);
        let mut database =
            Self { pages, nodes, node_bytes, ipv6: version == 6, ipv4_root: 0, records, built };
        if database.ipv6 {
            database.ipv4_root = database.walk(0, 0, 96)?;
        }
        Ok(database)
    }

    /// When its publisher made it.
    #[must_use]
    pub fn built(&self) -> Micros {
        self.built
    }

    /// The record of `ip`; none when no network of the file holds it.
    ///
    /// # Errors
    /// When the tree cannot be read.
    pub fn find(&mut self, ip: IpAddr) -> Result<Option<Record>, MmdbError> {
        let end = match ip.to_canonical() {
            IpAddr::V4(ip) => self.walk(self.ipv4_root, u128::from(ip.to_bits()) << 96, 32)?,
            IpAddr::V6(ip) if self.ipv6 => self.walk(0, ip.to_bits(), 128)?,
            IpAddr::V6(_) => return Ok(None),
        };
        if end < self.nodes {
            return Err(Damaged("its tree is deeper than an address"));
        }
        // A link to a node that does not exist says that there is nothing; beyond, links count bytes from
        // the separator on.
        match end - self.nodes {
            0 => Ok(None),
            offset if offset < SEPARATOR => Err(Damaged("a link ends between tree and records")),
            offset => Ok(Some(Record(self.records + offset - SEPARATOR))),
        }
    }

    /// The value below `path`, one key after the other, in the maps of `record`; none when a key is
    /// missing or the value is of another kind.
    ///
    /// # Errors
    /// When the record cannot be read.
    pub fn get(&mut self, record: Record, path: &[&str]) -> Result<Option<Value>, MmdbError> {
        Values { pages: &mut self.pages, start: self.records, left: MOST_VALUES }.get(record.0, path)
    }

    /// Follows the first `length` bits of `bits` from `node` on, as far as there are nodes.
    fn walk(&mut self, mut node: u64, bits: u128, length: u32) -> Result<u64, MmdbError> {
        for depth in 0..length {
            if node >= self.nodes {
                break;
            }
            let right = bits >> (127 - depth) & 1 == 1;
            node = self.link(node, right)?;
        }
        Ok(node)
    }

    /// The left or right link of a node.
    fn link(&mut self, node: u64, right: bool) -> Result<u64, MmdbError> {
        let mut bytes = [0; 8];
        self.pages.read(node * self.node_bytes, &mut bytes[..self.node_bytes as usize])?;
        let [a, b, c, d, e, f, g, h] = bytes;
        Ok(u64::from(u32::from_be_bytes(match (self.node_bytes, right) {
            (6, false) => [0, a, b, c],
            (6, true) => [0, d, e, f],
            // The middle byte has the highest bits of both.
            (7, false) => [d >> 4, a, b, c],
            (7, true) => [d & 0x0f, e, f, g],
            (_, false) => [a, b, c, d],
            (_, true) => [e, f, g, h],
        })))
    }
}

/// A section of values: the records or the metadata.
struct Values<'a> {
    pages: &'a mut Pages,
    /// What pointers count from.
    start: u64,
    /// Values that may still be passed.
    left: u64,
}

/// Head of a value: its type, its size, and where its content begins.
#[derive(Clone, Copy)]
struct Head {
    kind: u8,
    size: u64,
    content: u64,
}

/// Types that are treated each in its own way.
const POINTER: u8 = 1;
const TEXT: u8 = 2;
const UINT16: u8 = 5;
const UINT32: u8 = 6;
const MAP: u8 = 7;
const UINT64: u8 = 9;
const ARRAY: u8 = 11;
const BOOLEAN: u8 = 14;
/// Set in front of types that do not fit into three bits.
const EXTENDED: u8 = 7;
/// What pointers of one, two, three and four bytes count from.
const POINTER_BASE: [u64; 4] = [0, 2048, 526_336, 0];
/// What sizes of one, two and three further bytes count from.
const SIZE_BASE: [u64; 3] = [29, 285, 65_821];

impl Values<'_> {
    /// The value at `at`, or below `path` in the map there.
    fn get(&mut self, at: u64, path: &[&str]) -> Result<Option<Value>, MmdbError> {
        let head = self.target(at)?;
        let Some((key, path)) = path.split_first() else { return self.value(head) };
        if head.kind != MAP {
            return Ok(None);
        }
        let mut at = head.content;
        for _ in 0..head.size {
            let (found, next) = (self.target(at)?, self.skip(at)?);
            if found.kind == TEXT && found.size == key.len() as u64 && self.bytes(found)? == key.as_bytes() {
                return self.get(next, path);
            }
            at = self.skip(next)?;
        }
        Ok(None)
    }

    fn value(&mut self, head: Head) -> Result<Option<Value>, MmdbError> {
        match head.kind {
            TEXT => {
                let text = String::from_utf8(self.bytes(head)?);
                text.map(|text| Some(Value::Text(text))).map_err(|_| Damaged("a text is not UTF-8"))
            }
            UINT16 | UINT32 | UINT64 if head.size <= 8 => self.number(head).map(|n| Some(Value::Number(n))),
            _ => Ok(None),
        }
    }

    /// The head of the value at `at`, or of the one that it points to.
    fn target(&mut self, at: u64) -> Result<Head, MmdbError> {
        let head = self.head(at)?;
        if head.kind != POINTER {
            return Ok(head);
        }
        let pointer = self.pointer(head)?;
        let target = self.head(self.start + pointer)?;
        if target.kind == POINTER {
            return Err(Damaged("a pointer points to a pointer"));
        }
        Ok(target)
    }

    fn head(&mut self, at: u64) -> Result<Head, MmdbError> {
        self.left = self.left.checked_sub(1).ok_or(Damaged("a record has no end"))?;
        let [control] = self.pages.array(at)?;
        let mut head = Head { kind: control >> 5, size: u64::from(control & 0x1f), content: at + 1 };
        if head.kind == POINTER {
            return Ok(head);
        }
        if head.kind == 0 {
            let [kind] = self.pages.array(head.content)?;
            head.kind = kind.saturating_add(EXTENDED);
            head.content += 1;
        }
        if let Some(more @ 1..) = head.size.checked_sub(28) {
            let further = Head { size: more, ..head };
            head.size = SIZE_BASE[more as usize - 1] + self.number(further)?;
            head.content += more;
        }
        Ok(head)
    }

    /// Bytes that a pointer counts from the start of its section.
    fn pointer(&mut self, head: Head) -> Result<u64, MmdbError> {
        let bytes = pointer_bytes(head);
        let high = if bytes == 4 { 0 } else { (head.size & 7) << (8 * bytes) };
        let low = self.number(Head { size: bytes, ..head })?;
        Ok((high | low) + POINTER_BASE[bytes as usize - 1])
    }

    /// Where the value after the one at `at` begins.
    fn skip(&mut self, mut at: u64) -> Result<u64, MmdbError> {
        let mut values = 1_u64;
        while values > 0 {
            let head = self.head(at)?;
            at = head.content;
            values -= 1;
            match head.kind {
                POINTER => at += pointer_bytes(head),
                MAP => values += 2 * head.size,
                ARRAY => values += head.size,
                // Its size is its value.
                BOOLEAN => {}
                _ => at += head.size,
            }
        }
        Ok(at)
    }

    fn number(&mut self, head: Head) -> Result<u64, MmdbError> {
        let mut bytes = [0; 8];
        self.pages.read(head.content, &mut bytes[8 - head.size as usize..])?;
        Ok(u64::from_be_bytes(bytes))
    }

    fn bytes(&mut self, head: Head) -> Result<Vec<u8>, MmdbError> {
        // Checked before it is allocated: a damaged size must not cost memory.
        if head.size > self.pages.length.saturating_sub(head.content) {
            return Err(Damaged("a value is cut off"));
        }
        let mut bytes = vec![0; head.size as usize];
        self.pages.read(head.content, &mut bytes)?;
        Ok(bytes)
    }
}

/// Bytes of a pointer after its head.
fn pointer_bytes(head: Head) -> u64 {
    (head.size >> 3) + 1
}

/// A file in pages, the latest of which are kept.
struct Pages {
    file: File,
    length: u64,
    /// The page of each slot, by its number; a page has one slot that it can be in.
    slots: Vec<Option<(u64, Box<[u8]>)>>,
}

impl Pages {
    fn new(file: File, length: u64) -> Self {
        Self { file, length, slots: vec![None; PAGES] }
    }

    fn array<const N: usize>(&mut self, at: u64) -> Result<[u8; N], MmdbError> {
        let mut bytes = [0; N];
        self.read(at, &mut bytes)?;
        Ok(bytes)
    }

    /// Fills `into` with the bytes at `at`.
    fn read(&mut self, mut at: u64, mut into: &mut [u8]) -> Result<(), MmdbError> {
        while !into.is_empty() {
            let page = self.page(at / PAGE as u64)?;
            let rest = page.get(at as usize % PAGE..).filter(|rest| !rest.is_empty());
            let rest = rest.ok_or(Damaged("a value lies behind its end"))?;
            let length = rest.len().min(into.len());
            let (now, later) = into.split_at_mut(length);
            now.copy_from_slice(&rest[..length]);
            into = later;
            at += length as u64;
        }
        Ok(())
    }

    /// A page; the last one is shorter, and those behind it are empty.
    fn page(&mut self, number: u64) -> Result<&[u8], MmdbError> {
        let slot = &mut self.slots[(number % PAGES as u64) as usize];
        if slot.as_ref().is_none_or(|(held, _)| *held != number) {
            let start = number * PAGE as u64;
            let mut page = vec![0; self.length.saturating_sub(start).min(PAGE as u64) as usize];
            self.file.read_exact_at(&mut page, start)?;
            *slot = Some((number, page.into()));
        }
        Ok(slot.as_ref().map_or(&[], |(_, page)| page))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ipnet::IpNet;
    use mmdb_writer::{IpVersion, RecordSize, Writer};
    use proptest::prelude::*;
    use std::io::Write;
    use std::net::{Ipv4Addr, Ipv6Addr};

    /// A database of these bytes.
    fn open(bytes: &[u8]) -> Result<Database, MmdbError> {
        let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
        file.write_all(bytes).expect("written");
        // It lives on while it is open.
        Database::open(file.path())
    }

    fn numbered(networks: &[IpNet], version: IpVersion, size: RecordSize) -> Vec<u8> {
        let mut writer = Writer::builder("Numbers").ip_version(version).record_size(size).build();
        for (number, network) in networks.iter().enumerate() {
            let record = mmdb_writer::Value::map([("number", mmdb_writer::Value::from(number as u32))]);
            writer.insert_value(*network, record).expect("inserted");
        }
        writer.to_bytes().expect("bytes")
    }

    fn number_of(database: &mut Database, ip: IpAddr) -> Option<usize> {
        let record = database.find(ip).expect("searched")?;
        match database.get(record, &["number"]).expect("read") {
            Some(Value::Number(number)) => Some(number as usize),
            other => panic!("{other:?}"),
        }
    }

    const SIZES: [RecordSize; 3] = [RecordSize::Bits24, RecordSize::Bits28, RecordSize::Bits32];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn an_address_has_the_record_of_the_last_network_that_holds_it(
            v4 in prop::collection::vec((any::<u32>(), 1u8..=32), 1..40),
            v6 in prop::collection::vec((any::<u128>(), 4u8..=128), 1..40),
            probes: [u32; 32],
            size in prop::sample::select(SIZES.to_vec()),
        ) {
            let v4 = v4.into_iter().map(|(ip, length)| IpNet::new(Ipv4Addr::from(ip).into(), length).expect("a network").trunc());
            // Of addresses in use only 2000::/3, and of that not what is set aside for IPv4.
            let v6 = v6.into_iter().map(|(ip, length)| {
                IpNet::new(Ipv6Addr::from(ip >> 4 | 0x3 << 124).into(), length).expect("a network").trunc()
            });
            for version in [IpVersion::V4, IpVersion::V6] {
                let networks: Vec<IpNet> = match version {
                    IpVersion::V4 => v4.clone().collect(),
                    _ => v4.clone().chain(v6.clone()).collect(),
                };
                let mut database = open(&numbered(&networks, version, size)).expect("opened");
                let ends = networks.iter().flat_map(|network| [network.network(), network.broadcast()]);
                for ip in probes.map(|ip| Ipv4Addr::from(ip).into()).into_iter().chain(ends) {
                    let expected = networks.iter().rposition(|network| network.contains(&ip));
                    prop_assert_eq!(number_of(&mut database, ip), expected, "{} in {:?}", ip, networks);
                    if let IpAddr::V4(ip) = ip {
                        prop_assert_eq!(number_of(&mut database, ip.to_ipv6_mapped().into()), expected);
                    }
                }
            }
        }
    }

    #[test]
    fn an_ipv6_address_is_in_no_ipv4_file() {
        let net = "192.0.2.0/24".parse().expect("a network");
        let mut database = open(&numbered(&[net], IpVersion::V4, RecordSize::Bits24)).expect("opened");
        assert_eq!(database.find("2001:db8::1".parse().expect("an address")).expect("searched"), None);
    }

    /// One record for 192.0.2.0/24 with values of every type and size before the one at the end.
    fn varied() -> Vec<u8> {
        use mmdb_writer::Value as V;
        let inner = V::map([("a", V::from("inner")), ("z", V::from(u64::MAX))]);
        let values = [
            ("a", V::from(vec![inner.clone(), V::from(-7), V::from(u128::MAX)])),
            ("b", V::from(true)),
            ("c", V::from(0.5_f64)),
            ("d", V::from(0.5_f32)),
            ("e", V::from(vec![0_u8; 40])),
            ("f", V::from("x".repeat(28) + "y")),
            ("g", V::from("x".repeat(300))),
            ("h", V::from("x".repeat(70_000))),
            ("i", inner),
            ("j", V::from(513_u16)),
            ("k", V::from("last")),
        ];
        let mut writer = Writer::new("Varied");
        writer
            .insert_value("192.0.2.0/24".parse::<IpNet>().expect("a network"), V::map(values))
            .expect("inserted");
        writer.to_bytes().expect("bytes")
    }

    #[test]
    fn a_value_is_found_behind_values_of_every_type() {
        let mut database = open(&varied()).expect("opened");
        let record = database.find(Ipv4Addr::new(192, 0, 2, 9).into()).expect("searched").expect("a record");
        let mut get = |path: &[&str]| database.get(record, path).expect("read");
        let text = |text: &str| Some(Value::Text(text.to_owned()));
        assert_eq!(get(&["k"]), text("last"));
        assert_eq!(get(&["h"]), text(&"x".repeat(70_000)));
        assert_eq!(get(&["i", "a"]), text("inner"));
        assert_eq!(get(&["i", "z"]), Some(Value::Number(u64::MAX)));
        assert_eq!(get(&["j"]), Some(Value::Number(513)));
        for nothing in [&["l"][..], &["i", "b"], &["k", "a"], &["a"], &["b"], &["e"]] {
            assert_eq!(get(nothing), None, "{nothing:?}");
        }
    }

    #[test]
    fn a_file_cut_off_anywhere_gives_an_error() {
        let bytes = varied();
        let cuts = (0..200).chain((200..bytes.len()).step_by(997)).chain(bytes.len() - 200..bytes.len());
        for length in cuts {
            assert!(open(&bytes[..length]).is_err(), "{length} of {} bytes", bytes.len());
        }
    }

    #[test]
    fn a_damaged_byte_gives_a_value_or_an_error() {
        let networks =
            ["192.0.2.0/24", "198.51.100.0/22", "2001:db8::/32"].map(|net| net.parse().expect("a network"));
        let mut bytes = numbered(&networks, IpVersion::V6, RecordSize::Bits28);
        let mut errors = 0;
        for at in 0..bytes.len() {
            for damage in [0x01, 0x20, 0x80, 0xff] {
                bytes[at] ^= damage;
                let read = open(&bytes).and_then(|mut database| {
                    for network in networks {
                        if let Some(record) = database.find(network.addr())? {
                            database.get(record, &["number"])?;
                        }
                    }
                    Ok(())
                });
                errors += usize::from(read.is_err());
                bytes[at] ^= damage;
            }
        }
        assert!(errors > 0);
    }
}
