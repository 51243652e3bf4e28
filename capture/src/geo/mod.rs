//! Where an address belongs: its autonomous system, the organisation behind that, and its country,
//! from MaxMind DB files of the user's choice.
//!
//! Addresses are looked up when a segment is sealed, never while datagrams come in. What a file knows
//! is recognised by the keys of its records, in the layouts of GeoLite2, DB-IP and IPinfo, so that
//! either setting may name a file of either kind, or one that has everything. Files are looked after
//! at every seal: one that was replaced is used from then on, and one that cannot be used leaves its
//! predecessor in force, as long as that was not written over.

mod mmdb;

pub use mmdb::{Database, MmdbError, Record, Value};

use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, RecordBatch, StringArray, UInt32Array};
use arrow_schema::ArrowError;
use std::collections::HashMap;
use std::fs;
use std::net::{IpAddr, Ipv6Addr};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Addresses whose places are kept while a segment is sealed, some 2 MiB. Most come back within
/// minutes or not at all.
const MOST_PLACES: usize = 16_384;

/// Keys of the number of the autonomous system. IPinfo writes it as text, `AS15169`.
const ASN: [&[&str]; 2] = [&["autonomous_system_number"], &["asn"]];
/// Keys of the organisation's name.
const ORGANIZATION: [&[&str]; 3] = [&["autonomous_system_organization"], &["as_name"], &["name"]];
/// Keys of the country's code. IPinfo's `country` is a code in some files and a name in others.
const COUNTRY: [&[&str]; 3] = [&["country", "iso_code"], &["country_code"], &["country"]];

/// A file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot use the geo file {path}: {cause}")]
pub struct GeoError {
    /// The file.
    pub path: String,
    /// What is wrong with it.
    pub cause: MmdbError,
}

/// What is known about an address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Place {
    asn: Option<u32>,
    organization: Option<String>,
    country: Option<String>,
}

/// Fills in the columns `asn`, `as_organization` and `country` of tables that have `peer_ip`.
#[derive(Default)]
pub struct Geo {
    /// The file that is asked first for the autonomous system.
    asn: Option<Source>,
    /// The file that is asked first for the country.
    city: Option<Source>,
    places: HashMap<[u8; 16], Arc<Place>>,
}

impl Geo {
    /// Opens both files; an empty path stands for none. One that does not exist is used once it does.
    ///
    /// # Errors
    /// When a file is there and cannot be used.
    pub fn open(asn: &Path, city: &Path) -> Result<Self, GeoError> {
        Ok(Self { asn: Source::open(asn)?, city: Source::open(city)?, places: HashMap::new() })
    }

    /// Takes files that were replaced, and forgets what the old ones said.
    pub fn refresh(&mut self) {
        self.places.clear();
        [&mut self.asn, &mut self.city].into_iter().flatten().for_each(Source::refresh);
    }

    /// `batch` with everything that the files know about the addresses in `peer_ip`. Without files it
    /// stays as it is.
    ///
    /// # Errors
    /// When the columns to fill in are declared with other types.
    pub fn enrich(&mut self, batch: RecordBatch) -> Result<RecordBatch, ArrowError> {
        let addresses = batch.column_by_name("peer_ip").and_then(|column| column.as_fixed_size_binary_opt());
        let Some(addresses) = addresses.filter(|_| self.asn.is_some() || self.city.is_some()) else {
            return Ok(batch);
        };
        let places: Vec<_> =
            addresses.iter().map(|address| self.place(address.unwrap_or_default())).collect();
        let schema = batch.schema();
        let fill = |(name, column): (&str, &ArrayRef)| -> ArrayRef {
            match name {
                "asn" => Arc::new(places.iter().map(|place| place.asn).collect::<UInt32Array>()),
                "as_organization" => {
                    let names = places.iter().map(|place| place.organization.as_deref());
                    Arc::new(names.collect::<StringArray>())
                }
                "country" => {
                    Arc::new(places.iter().map(|place| place.country.as_deref()).collect::<StringArray>())
                }
                _ => column.clone(),
            }
        };
        let names = schema.fields().iter().map(|field| field.name().as_str());
        let columns = names.zip(batch.columns()).map(fill).collect();
        RecordBatch::try_new(schema, columns)
    }

    /// The place of an address as the dataset writes it.
    fn place(&mut self, address: &[u8]) -> Arc<Place> {
        let Ok(address) = <[u8; 16]>::try_from(address) else { return Arc::default() };
        if let Some(place) = self.places.get(&address) {
            return place.clone();
        }
        let ip = IpAddr::V6(Ipv6Addr::from(address));
        let ask = |source: &mut Option<Source>| {
            source.as_mut().map_or_else(Place::default, |source| source.place(ip))
        };
        let (first, second) = (ask(&mut self.asn), ask(&mut self.city));
        // The name must be that of the number.
        let system = if first.asn.is_some() { &first } else { &second };
        let place = Arc::new(Place {
            asn: system.asn,
            organization: system.organization.clone(),
            country: second.country.as_ref().or(first.country.as_ref()).cloned(),
        });
        if self.places.len() == MOST_PLACES {
            self.places.clear();
        }
        self.places.insert(address, place.clone());
        place
    }
}

/// Tells a file from what was there before it.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    length: u64,
    modified: (i64, i64),
}

impl Identity {
    /// The file at `path`, if there is one.
    fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        Some(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            length: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        })
    }
}

/// A file that can be used.
struct Opened {
    database: Database,
    identity: Identity,
    /// Records that were found, and those of them that told anything.
    found: u64,
    useful: u64,
}

/// One file.
struct Source {
    path: PathBuf,
    /// What stood at the path when it was last looked at.
    seen: Option<Identity>,
    /// The last file that could be used.
    opened: Option<Opened>,
}

impl Source {
    fn open(path: &Path) -> Result<Option<Self>, GeoError> {
        if path.as_os_str().is_empty() {
            return Ok(None);
        }
        let mut source = Self { path: path.to_owned(), seen: None, opened: None };
        match Identity::of(path) {
            Some(identity) => source.take(identity)?,
            None => tracing::warn!(
                "the geo file {} does not exist: what it would tell stays null until it does",
                path.display()
            ),
        }
        Ok(Some(source))
    }

    /// Uses the file that is at the path now.
    fn take(&mut self, identity: Identity) -> Result<(), GeoError> {
        self.seen = Some(identity);
        let database = Database::open(&self.path)
            .map_err(|cause| GeoError { path: self.path.display().to_string(), cause })?;
        self.opened = Some(Opened { database, identity, found: 0, useful: 0 });
        Ok(())
    }

    fn refresh(&mut self) {
        if let Some(Opened { found: found @ 1.., useful: 0, .. }) = self.opened {
            tracing::warn!(
                "none of {found} records in the geo file {} has a key that GeoLite2, DB-IP or IPinfo use for \
                 autonomous systems and countries: it tells nothing",
                self.path.display()
            );
        }
        let now = Identity::of(&self.path);
        if now == self.seen {
            return;
        }
        self.seen = now;
        let Some(identity) = now else {
            tracing::warn!(
                "the geo file {} is gone: what was read from it before stays in use",
                self.path.display()
            );
            return;
        };
        match self.take(identity) {
            Ok(()) => tracing::info!("the geo file {} was replaced", self.path.display()),
            Err(error) => {
                // A file that was replaced lives on for whoever has it open, but not its bytes if it was
                // written over.
                let same = |old: &Identity| (old.device, old.inode) == (identity.device, identity.inode);
                self.opened.take_if(|opened| same(&opened.identity));
                let now = if self.opened.is_some() {
                    "the one before it stays in use"
                } else {
                    "its columns stay null"
                };
                tracing::warn!("{error}; {now} until it is replaced");
            }
        }
    }

    /// What the file knows about `ip`. A file that turns out to be damaged knows nothing any more.
    fn place(&mut self, ip: IpAddr) -> Place {
        let Some(opened) = &mut self.opened else { return Place::default() };
        match read(&mut opened.database, ip) {
            Ok(None) => Place::default(),
            Ok(Some(place)) => {
                opened.found += 1;
                opened.useful += u64::from(place != Place::default());
                place
            }
            Err(error) => {
                tracing::error!(
                    "the geo file {} cannot be read: {error}; its columns stay null until it is replaced",
                    self.path.display()
                );
                self.opened = None;
                Place::default()
            }
        }
    }
}

/// What the record of `ip` tells; none when there is no record.
fn read(database: &mut Database, ip: IpAddr) -> Result<Option<Place>, MmdbError> {
    let Some(record) = database.find(ip)? else { return Ok(None) };
    let asn = first(database, record, &ASN, asn)?;
    // Without a number, `name` may be the name of anything.
    let organization = if asn.is_some() { first(database, record, &ORGANIZATION, text)? } else { None };
    Ok(Some(Place { asn, organization, country: first(database, record, &COUNTRY, country)? }))
}

/// The first value below one of `paths` that `parse` accepts.
fn first<T>(
    database: &mut Database,
    record: Record,
    paths: &[&[&str]],
    parse: fn(Value) -> Option<T>,
) -> Result<Option<T>, MmdbError> {
    for path in paths {
        if let Some(value) = database.get(record, path)?.and_then(parse) {
            return Ok(Some(value));
        }
    }
    Ok(None)
}

fn asn(value: Value) -> Option<u32> {
    match value {
        Value::Number(number) => u32::try_from(number).ok(),
        Value::Text(text) => text.strip_prefix("AS").unwrap_or(&text).parse().ok(),
    }
    .filter(|&number| number > 0)
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::Text(text) => Some(text).filter(|text| !text.is_empty()),
        Value::Number(_) => None,
    }
}

/// A code of two letters; names of countries are longer.
fn country(value: Value) -> Option<String> {
    text(value).filter(|text| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Event;
    use crate::partition::seal;
    use crate::rows::Rows;
    use crate::rows::sample::event;
    use crate::spool::Spool;
    use arrow_array::types::UInt32Type;
    use ipnet::IpNet;
    use mmdb_writer::{Value as Field, Writer};
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
    use std::fs::File;

    type Entry = (&'static str, Vec<(&'static str, Field)>);

    fn mmdb(networks: Vec<Entry>) -> Vec<u8> {
        let mut writer = Writer::new("Test");
        for (network, fields) in networks {
            let network = network.parse::<IpNet>().expect("a network");
            writer.insert_value(network, Field::map(fields)).expect("inserted");
        }
        writer.to_bytes().expect("bytes")
    }

    fn systems(network: &'static str, number: u32, organization: &str) -> Entry {
        let fields = vec![
            ("autonomous_system_number", number.into()),
            ("autonomous_system_organization", organization.into()),
        ];
        (network, fields)
    }

    fn countries(network: &'static str, code: &str) -> Entry {
        let names = Field::map([("en", "Somewhere"), ("de", "Irgendwo")].map(|(k, v)| (k, Field::from(v))));
        let country = [("geoname_id", 7_u32.into()), ("iso_code", code.into()), ("names", names.clone())];
        let continent = Field::map([("code", Field::from("EU")), ("names", names)]);
        (network, vec![("continent", continent), ("country", Field::map(country))])
    }

    /// A file in `folder`, put there the way that is asked of users: all at once.
    fn put(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
        let path = folder.join(name);
        fs::write(path.with_extension("new"), bytes).expect("written");
        fs::rename(path.with_extension("new"), &path).expect("renamed");
        path
    }

    type Told = (Option<u32>, Option<String>, Option<String>);

    fn told(number: u32, organization: &str, country: &str) -> Told {
        (Some(number), Some(organization.to_owned()), Some(country.to_owned()))
    }

    const NOTHING: Told = (None, None, None);

    fn columns(batch: &RecordBatch) -> Vec<Told> {
        let text = |name: &str| -> Vec<Option<String>> {
            batch[name].as_string::<i32>().iter().map(|text| text.map(str::to_owned)).collect()
        };
        let numbers = batch["asn"].as_primitive::<UInt32Type>().iter();
        numbers.zip(text("as_organization")).zip(text("country")).map(|((n, o), c)| (n, o, c)).collect()
    }

    fn events(sources: &[&str]) -> RecordBatch {
        let mut rows = Rows::new("here");
        for source in sources {
            let ip: IpAddr = source.parse().expect("an address");
            rows.push(Event { peer: (ip, 6881).into(), ..event() });
        }
        rows.take()
    }

    /// What stands in the file of a sealed hour in which `sources` asked.
    fn sealed(geo: &mut Geo, sources: &[&str]) -> Vec<Told> {
        let data = tempfile::tempdir().expect("a folder");
        let (mut spool, _) = Spool::open(data.path(), "here").expect("opened");
        let table = &schema::events::TABLE;
        spool.append(table, &events(sources), 0).map_err(|(_, error)| error).expect("appended");
        let segment = spool.close_all().expect("closed").remove(0);
        geo.refresh();
        let path = seal(data.path(), &segment, geo).expect("sealed").expect("a file");
        let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).expect("opened"));
        let reader = reader.expect("Parquet").build().expect("a reader");
        reader.flat_map(|batch| columns(&batch.expect("a batch"))).collect()
    }

    #[test]
    fn addresses_of_both_families_get_what_the_innermost_network_says() {
        let folder = tempfile::tempdir().expect("a folder");
        let asn = mmdb(vec![
            systems("192.0.0.0/16", 64496, "Outer"),
            systems("192.0.2.0/24", 64497, "Inner"),
            systems("2001:db8::/32", 64498, "Six"),
        ]);
        let city = mmdb(vec![countries("192.0.2.0/25", "DE"), countries("2001:db8::/32", "FR")]);
        let (asn, city) = (put(folder.path(), "asn", &asn), put(folder.path(), "city", &city));
        let mut geo = Geo::open(&asn, &city).expect("opened");
        let sources = ["192.0.1.1", "192.0.2.1", "192.0.2.1", "2001:db8::1", "10.0.0.1", "fe80::1"];
        let expected = [
            (Some(64496), Some("Outer".to_owned()), None),
            told(64497, "Inner", "DE"),
            told(64497, "Inner", "DE"),
            told(64498, "Six", "FR"),
            NOTHING,
            NOTHING,
        ];
        assert_eq!(sealed(&mut geo, &sources), expected);
    }

    #[test]
    fn every_layout_says_the_same() {
        let folder = tempfile::tempdir().expect("a folder");
        let net = "192.0.2.0/24";
        let ipinfo = |fields: &[(&'static str, &str)]| -> Entry {
            (net, fields.iter().map(|&(key, value)| (key, value.into())).collect())
        };
        let geolite = [systems(net, 64496, "Example"), countries(net, "DE")];
        // DB-IP has the keys of GeoLite2, and files that have both.
        let dbip = (net, geolite.clone().into_iter().flat_map(|(_, fields)| fields).collect());
        let lite = [
            ("as_domain", "example.org"),
            ("as_name", "Example"),
            ("asn", "AS64496"),
            ("continent", "Europe"),
            ("country", "Germany"),
            ("country_code", "DE"),
        ];
        let older =
            [("as_name", "Example"), ("asn", "AS64496"), ("country", "DE"), ("country_name", "Germany")];
        let asn = [("asn", "AS64496"), ("domain", "example.org"), ("name", "Example")];
        let country = [("continent", "EU"), ("country", "DE"), ("name", "Germany")];
        let files = |entries: Vec<Entry>| -> Vec<PathBuf> {
            let put = |(i, entry)| put(folder.path(), &format!("{i}"), &mmdb(vec![entry]));
            entries.into_iter().enumerate().map(put).collect()
        };
        for entries in [
            geolite.to_vec(),
            vec![dbip],
            vec![ipinfo(&lite)],
            vec![ipinfo(&older)],
            vec![ipinfo(&asn), ipinfo(&country)],
        ] {
            let paths = files(entries);
            let (first, last) = (&paths[0], &paths[paths.len() - 1]);
            let (none, both) = (PathBuf::new(), paths.len() == 1);
            // One file with everything will do for either setting; of two each will do for the other's.
            let other = if both { &none } else { last };
            for (asn, city) in [(first, last), (last, first), (first, other), (other, first)] {
                let mut geo = Geo::open(asn, city).expect("opened");
                assert_eq!(sealed(&mut geo, &["192.0.2.1"]), [told(64496, "Example", "DE")]);
            }
        }
    }

    #[test]
    fn a_replaced_file_is_used_from_the_next_seal_on() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = put(folder.path(), "asn", &mmdb(vec![systems("192.0.2.0/24", 64496, "Old")]));
        let mut geo = Geo::open(&path, Path::new("")).expect("opened");
        let mut organization = || sealed(&mut geo, &["192.0.2.1"])[0].1.clone();
        assert_eq!(organization().as_deref(), Some("Old"));

        put(folder.path(), "asn", &mmdb(vec![systems("192.0.2.0/24", 64496, "New")]));
        assert_eq!(organization().as_deref(), Some("New"));

        put(folder.path(), "asn", b"not this");
        assert_eq!(organization().as_deref(), Some("New"), "a broken file leaves the one before it in force");

        fs::remove_file(&path).expect("removed");
        assert_eq!(organization().as_deref(), Some("New"), "so does none");

        put(folder.path(), "asn", &mmdb(vec![systems("192.0.2.0/24", 64496, "Newest")]));
        assert_eq!(organization().as_deref(), Some("Newest"));
    }

    #[test]
    fn a_file_that_is_shortened_in_place_leaves_the_columns_null() {
        let folder = tempfile::tempdir().expect("a folder");
        // A name that is longer than the pages that opening the file has read.
        let whole = mmdb(vec![systems("192.0.2.0/24", 64496, &"Example".repeat(5000))]);
        let path = put(folder.path(), "asn", &whole);
        let mut geo = Geo::open(&path, Path::new("")).expect("opened");
        fs::write(&path, &whole[..whole.len() / 2]).expect("written");
        // At the moment at which nobody has looked at the file again.
        let batch = geo.enrich(events(&["192.0.2.1"])).expect("enriched");
        assert_eq!(columns(&batch), [NOTHING]);
        assert_eq!(sealed(&mut geo, &["192.0.2.1"]), [NOTHING]);
        fs::write(&path, &whole).expect("written");
        assert_eq!(sealed(&mut geo, &["192.0.2.1"])[0].0, Some(64496));
    }

    #[test]
    fn a_missing_file_is_waited_for_and_a_broken_one_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("city.mmdb");
        let mut geo = Geo::open(Path::new(""), &path).expect("opened");
        assert_eq!(sealed(&mut geo, &["192.0.2.1"]), [NOTHING]);
        put(folder.path(), "city.mmdb", &mmdb(vec![countries("192.0.2.0/24", "DE")]));
        assert_eq!(sealed(&mut geo, &["192.0.2.1"]), [(None, None, Some("DE".to_owned()))]);

        put(folder.path(), "city.mmdb", b"not this");
        let error = Geo::open(Path::new(""), &path).err().expect("refused").to_string();
        assert!(error.contains("city.mmdb") && error.contains("MaxMind DB"), "{error}");
    }

    #[test]
    fn more_addresses_than_are_kept_all_get_their_place() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = put(folder.path(), "asn", &mmdb(vec![systems("192.0.0.0/8", 64496, "Example")]));
        let mut geo = Geo::open(&path, Path::new("")).expect("opened");
        let sources =
            (0..MOST_PLACES as u32 + 10).map(|i| std::net::Ipv4Addr::from(0xc000_0000 + i).to_string());
        let sources: Vec<_> = sources.collect();
        let batch =
            geo.enrich(events(&sources.iter().map(String::as_str).collect::<Vec<_>>())).expect("enriched");
        assert!(columns(&batch).iter().all(|told| told.0 == Some(64496)));
        assert!(geo.places.len() <= MOST_PLACES);
    }
}
