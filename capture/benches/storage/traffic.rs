//! An hour of queries, made up, that repeat the way those of real clients do.
//!
//! Popularity of torrents follows Zipf's law; clients come in families that differ in version, transaction
//! ids and options; each has one address, port and node id, a session, and a few torrents; a lookup
//! reaches several presences within seconds; targets of find_node are drawn anew for every lookup;
//! few crawlers ask much. Addresses belong to networks of very different sizes.

use anyhow::Context as _;
use arrow_array::{ArrayRef, RecordBatch, StringArray, UInt32Array};
use capture::event::{Attribution, Event, Short};
use capture::id::Id;
use capture::keyspace::Keyspace;
use capture::krpc::{Flaw, Want};
use capture::rows::Rows;
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};
use schema::partition::HOUR;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

/// 2026-01-05T00 UTC.
const START: i64 = 20_458 * 24 * HOUR;
const SECOND: i64 = 1_000_000;
const TORRENTS: usize = 50_000;
/// Exponent of the popularity of torrents by rank.
const ZIPF: f64 = 0.9;
const NETWORKS: usize = 3000;
/// Queries of an average client in the hour.
const QUERIES_PER_CLIENT: usize = 15;

/// How clients of one kind write their queries.
struct Family {
    /// Share of all clients, percent.
    share: u32,
    version: Option<&'static [u8; 2]>,
    /// Different releases that are in use.
    releases: u8,
    transaction: Transaction,
    want: Option<Want>,
    read_only: Option<bool>,
}

#[derive(Clone, Copy)]
enum Transaction {
    /// Two random bytes.
    Random,
    /// Four bytes that count up.
    Counted,
    /// Two letters for the method and two bytes that count up.
    Lettered,
}

const BOTH: Want = Want { n4: true, n6: true };

const FAMILIES: [Family; 5] = [
    Family {
        share: 55,
        version: Some(b"LT"),
        releases: 12,
        transaction: Transaction::Random,
        want: None,
        read_only: None,
    },
    Family {
        share: 18,
        version: Some(b"UT"),
        releases: 9,
        transaction: Transaction::Counted,
        want: None,
        read_only: None,
    },
    Family {
        share: 12,
        version: Some(b"TR"),
        releases: 5,
        transaction: Transaction::Lettered,
        want: Some(BOTH),
        read_only: None,
    },
    Family {
        share: 10,
        version: None,
        releases: 1,
        transaction: Transaction::Random,
        want: None,
        read_only: None,
    },
    Family {
        share: 5,
        version: Some(b"ml"),
        releases: 3,
        transaction: Transaction::Counted,
        want: None,
        read_only: Some(false),
    },
];

struct Network {
    asn: u32,
    organization: String,
    country: &'static str,
    prefix: u32,
}

struct Client {
    network: usize,
    address: SocketAddr,
    id: Id,
    family: &'static Family,
    version: Option<[u8; 4]>,
    ttl: u8,
    begins: i64,
    ends: i64,
    torrents: Vec<Id>,
    /// Presences in its routing table.
    known: Vec<u16>,
    count: u32,
}

/// About `events` events of one hour, in order of time, as the columns of `captured.events`.
///
/// # Errors
/// When the columns differ from the declared ones.
pub fn hour(events: usize) -> anyhow::Result<RecordBatch> {
    let mut world = World::new(events)?;
    while world.events.len() < events {
        world.act();
    }
    world.rows()
}

struct World {
    rng: StdRng,
    keyspace: Keyspace,
    networks: Vec<Network>,
    clients: Vec<Client>,
    events: Vec<(Event, usize)>,
}

impl World {
    fn new(events: usize) -> anyhow::Result<Self> {
        let mut rng = StdRng::seed_from_u64(1);
        let torrents: Vec<Id> = (0..TORRENTS).map(|_| Id(rng.random())).collect();
        let networks: Vec<_> = (0..NETWORKS).map(|_| network(&mut rng)).collect();
        let keyspace = capture::config::Config::default().keyspace("storage")?;
        let clients = 0..(events / QUERIES_PER_CLIENT).max(1);
        let clients = clients.map(|_| client(&mut rng, &networks, &torrents, keyspace.presences())).collect();
        Ok(Self { rng, keyspace, networks, clients, events: Vec::new() })
    }

    /// Something that one client does.
    fn act(&mut self) {
        // Squaring makes the first clients busy ones, and the very first crawlers.
        let client = (self.rng.random::<f64>().powi(3) * self.clients.len() as f64) as usize;
        let at = self.rng.random_range(self.clients[client].begins..self.clients[client].ends);
        let crawler = client < self.clients.len() / 200;
        match self.rng.random_range(0..100) {
            0..50 if !crawler => self.look_up(client, at),
            0..90 => {
                let target = self.id();
                self.ask(client, at, "find_node", None, Some(target));
            }
            90..98 => self.query(client, at, "ping", None, None),
            98 => {
                let target = self.id();
                let method = if crawler { "sample_infohashes" } else { "get" };
                self.ask(client, at, method, None, Some(target));
            }
            _ => self.garbage(client, at),
        }
    }

    fn id(&mut self) -> Id {
        Id(self.rng.random())
    }

    /// A lookup of a torrent, and now and then an announce after it.
    fn look_up(&mut self, client: usize, at: i64) {
        let torrents = &self.clients[client].torrents;
        let torrent = torrents[self.rng.random_range(0..torrents.len())];
        self.ask(client, at, "get_peers", Some(torrent), None);
        if self.rng.random_bool(0.15) {
            self.query(client, at + 5 * SECOND, "announce_peer", Some(torrent), None);
        }
    }

    /// The same query to several presences within seconds.
    fn ask(&mut self, client: usize, at: i64, method: &str, infohash: Option<Id>, target: Option<Id>) {
        let mut later = at;
        for _ in 0..self.rng.random_range(1..=3) {
            self.query(client, later, method, infohash, target);
            later += self.rng.random_range(SECOND / 20..2 * SECOND);
        }
    }

    fn query(&mut self, client: usize, at: i64, method: &str, infohash: Option<Id>, target: Option<Id>) {
        let drawn = self.rng.random_range(0..3);
        let from = &mut self.clients[client];
        from.count += 1;
        let known = from.known[drawn % from.known.len()];
        let presence = match infohash.or(target) {
            // The last step of a lookup is the presence in whose slice the target lies.
            Some(Id([first, second, ..])) if drawn == 0 => {
                let place = u32::from(first) << 8 | u32::from(second);
                ((place * u32::from(self.keyspace.presences())) >> 16) as u16
            }
            _ => known,
        };
        let transaction = match from.family.transaction {
            Transaction::Random => Short::cut(&self.rng.random::<[u8; 2]>()),
            Transaction::Counted => Short::cut(&from.count.to_be_bytes()),
            Transaction::Lettered => {
                let [.., high, low] = from.count.to_be_bytes();
                Short::cut(&[method.as_bytes()[0], method.as_bytes()[1], high, low])
            }
        };
        let announce = method == "announce_peer";
        let length = 45 + method.len() + transaction.as_bytes().len();
        let length = length
            + if infohash.or(target).is_some() { 36 } else { 0 }
            + if from.version.is_some() { 9 } else { 0 }
            + if from.family.want.is_some() { 19 } else { 0 }
            + if announce { 40 } else { 0 };
        let event = Event {
            ts: at,
            method: Some(Short::cut(method.as_bytes())),
            infohash,
            target,
            peer: from.address,
            source_node: presence,
            local_port: self.keyspace.sockets()[self.keyspace.socket_of(presence)].port(),
            querier_id: Some(from.id),
            client_version: from.version.map(|version| Short::cut(&version)),
            transaction_id: Some(transaction),
            read_only: from.family.read_only,
            implied_port: announce.then_some(true),
            announced_port: announce.then_some(from.address.port()),
            seed: announce.then_some(false),
            no_seed: None,
            scrape: None,
            want: from.family.want,
            token_valid: announce.then_some(true),
            attribution: Attribution::Exact,
            ttl: Some(from.ttl),
            length: length as u16,
            canonical: true,
            decode_error: None,
        };
        self.events.push((event, from.network));
    }

    /// A datagram that is no message.
    fn garbage(&mut self, client: usize, at: i64) {
        self.query(client, at, "ping", None, None);
        if let Some((event, _)) = self.events.last_mut() {
            event.method = None;
            event.querier_id = None;
            event.client_version = None;
            event.transaction_id = None;
            event.canonical = false;
            event.decode_error = Some(Flaw::Syntax);
        }
    }

    fn rows(mut self) -> anyhow::Result<RecordBatch> {
        self.events.retain(|(event, _)| event.ts < START + HOUR);
        self.events.sort_by_key(|(event, _)| event.ts);
        let mut rows = Rows::new("vps1");
        self.events.iter().for_each(|(event, _)| rows.push(event.clone()));
        let batch = rows.take();
        let places = self.events.iter().map(|&(_, network)| &self.networks[network]);
        let filled: [(&str, ArrayRef); 3] = [
            ("asn", Arc::new(UInt32Array::from_iter_values(places.clone().map(|place| place.asn)))),
            (
                "as_organization",
                Arc::new(StringArray::from_iter_values(places.clone().map(|place| &place.organization))),
            ),
            ("country", Arc::new(StringArray::from_iter_values(places.map(|place| place.country)))),
        ];
        let mut columns = batch.columns().to_vec();
        for (name, column) in filled {
            columns[batch.schema().index_of(name)?] = column;
        }
        RecordBatch::try_new(batch.schema(), columns).context("the columns of an hour")
    }
}

/// The most frequent codes first; most networks are in one of the first.
const COUNTRIES: [&str; 24] = [
    "US", "CN", "RU", "IN", "BR", "DE", "FR", "GB", "JP", "PL", "UA", "IT", "CA", "ES", "TR", "NL", "ID",
    "KR", "AU", "SE", "VN", "AR", "RO", "ZA",
];
const WORDS: [&str; 16] = [
    "Telecom",
    "Cable",
    "Networks",
    "Internet",
    "Communications",
    "Broadband",
    "Online",
    "Hosting",
    "Mobile",
    "Fibre",
    "Net",
    "Data",
    "Systems",
    "Services",
    "Digital",
    "Access",
];

fn network(rng: &mut StdRng) -> Network {
    let name: String =
        (0..rng.random_range(4..12)).map(|_| char::from(rng.random_range(b'a'..=b'z'))).collect();
    let (first, second) = (rng.random_range(0..WORDS.len()), rng.random_range(0..WORDS.len()));
    Network {
        asn: rng.random_range(100..400_000),
        organization: format!("{name} {} {}", WORDS[first], WORDS[second]),
        country: COUNTRIES[rank(rng, COUNTRIES.len(), 1.0 - f64::EPSILON)],
        prefix: rng.random_range(0x0100_0000..0xe000_0000) & 0xffff_0000,
    }
}

fn client(rng: &mut StdRng, networks: &[Network], torrents: &[Id], presences: u16) -> Client {
    let network = rank(rng, NETWORKS, ZIPF);
    let prefix = networks[network].prefix;
    let ip: IpAddr = if rng.random_bool(0.9) {
        Ipv4Addr::from(prefix | u32::from(rng.random::<u16>())).into()
    } else {
        let site = u128::from(0x2000_0000 | prefix >> 3) << 96 | u128::from(rng.random::<u32>()) << 64;
        Ipv6Addr::from(site | u128::from(rng.random::<u64>())).into()
    };
    let mut drawn = rng.random_range(0..100);
    let family = FAMILIES.iter().find(|family| {
        let found = drawn < family.share;
        drawn = drawn.saturating_sub(family.share);
        found
    });
    let family = family.unwrap_or(&FAMILIES[0]);
    let release = rng.random_range(0..family.releases);
    let begins = START + rng.random_range(-HOUR / 2..HOUR - 60 * SECOND);
    let begins = begins.max(START);
    let port = if rng.random_bool(0.3) { 6881 } else { rng.random_range(1024..=u16::MAX) };
    Client {
        network,
        address: SocketAddr::new(ip, port),
        id: Id(rng.random()),
        family,
        version: family.version.map(|&[a, b]| [a, b, 1 + release / 4, release % 4]),
        ttl: [64, 128][rng.random_range(0..2)] - rng.random_range(7..26),
        begins,
        ends: begins + rng.random_range(30 * SECOND..HOUR).min(START + HOUR - begins),
        torrents: (0..rng.random_range(1..=4)).map(|_| torrents[rank(rng, TORRENTS, ZIPF)]).collect(),
        known: (0..rng.random_range(1..=3)).map(|_| rng.random_range(0..presences)).collect(),
        count: rng.random::<u16>().into(),
    }
}

/// A rank below `n` by Zipf's law: the inverse of its continuous form.
fn rank(rng: &mut impl Rng, n: usize, exponent: f64) -> usize {
    let top = (n as f64).powf(1.0 - exponent);
    let rank = (1.0 + rng.random::<f64>() * (top - 1.0)).powf(1.0 / (1.0 - exponent));
    (rank as usize).clamp(1, n) - 1
}
