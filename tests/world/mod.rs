//! A small simulated DHT, seen from a few presences: clients with their habits, and actors whose
//! behaviour is known. It writes captured tables through the daemon's own spool and sealing.
//!
//! Everything follows from one seed. Addresses are from the ranges reserved for documentation and
//! benchmarks, infohashes are hashes of numbers: nothing in it was ever on a network.

mod actors;
mod background;

use anyhow::Result;
use capture::event::{Attribution, Event, Rows, Short};
use capture::id::Id;
use capture::keyspace::Keyspace;
use datafusion::arrow::array::{ArrayRef, RecordBatch, StringArray, UInt32Array};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use schema::partition::{DAY, HOUR, Hour};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

/// Name of the sensor that sees this world.
pub const SENSOR: &str = "sample";
/// The seed of `data/sample`.
pub const SAMPLE_SEED: u64 = 1;
/// First day, in days since 1970-01-01: 2026-01-05, a Monday.
pub const FIRST_DAY: i32 = 20_458;
/// Days that are simulated.
pub const DAYS: i32 = 3;

const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;

/// A network with its place in the world.
#[derive(Clone, Copy, Debug)]
struct Network {
    asn: u32,
    country: &'static str,
    /// The second and third octet of 198.18.0.0/15.
    prefix: (u8, u8),
}

/// Autonomous systems from the range reserved for documentation (RFC 5398).
const NETWORKS: [Network; 8] = [
    Network { asn: 64496, country: "DE", prefix: (18, 1) },
    Network { asn: 64497, country: "FR", prefix: (18, 2) },
    Network { asn: 64498, country: "US", prefix: (18, 3) },
    Network { asn: 64499, country: "BR", prefix: (18, 4) },
    Network { asn: 64500, country: "IN", prefix: (19, 5) },
    Network { asn: 64501, country: "JP", prefix: (19, 6) },
    Network { asn: 64502, country: "PL", prefix: (19, 7) },
    Network { asn: 64503, country: "NL", prefix: (19, 8) },
];

/// One party with one client.
#[derive(Clone, Copy, Debug)]
struct Client {
    network: Network,
    address: SocketAddr,
    id: Id,
    version: [u8; 4],
}

/// Collects what happens in the world.
struct World {
    rng: StdRng,
    keyspace: Keyspace,
    events: Vec<(Event, Network)>,
}

impl World {
    fn start() -> i64 {
        i64::from(FIRST_DAY) * DAY
    }

    fn end() -> i64 {
        i64::from(FIRST_DAY + DAYS) * DAY
    }

    fn id(&mut self) -> Id {
        Id(self.rng.random())
    }

    fn client(&mut self, network: Network, host: u8, version: &[u8; 4]) -> Client {
        let address = IpAddr::V4(Ipv4Addr::new(198, network.prefix.0, network.prefix.1, host));
        let port = self.rng.random_range(1024..=u16::MAX);
        Client { network, address: SocketAddr::new(address, port), id: self.id(), version: *version }
    }

    /// One lookup: the same query reaches one to three of our presences within seconds.
    fn lookup(&mut self, client: &Client, at: i64, infohash: Id) {
        for _ in 0..self.rng.random_range(1..=3) {
            let later = self.rng.random_range(0..3 * SECOND);
            let event = self.query(client, at + later, "get_peers", infohash);
            self.events.push((event, client.network));
        }
    }

    /// One announce with a good token.
    fn announce(&mut self, client: &Client, at: i64, infohash: Id) {
        let mut event = self.query(client, at, "announce_peer", infohash);
        event.token_valid = Some(true);
        event.announced_port = Some(client.address.port());
        event.implied_port = Some(true);
        self.events.push((event, client.network));
    }

    fn query(&mut self, client: &Client, at: i64, method: &str, infohash: Id) -> Event {
        let presence = self.rng.random_range(0..self.keyspace.presences());
        Event {
            ts: at,
            method: Some(Short::cut(method.as_bytes())),
            infohash: Some(infohash),
            target: None,
            peer: client.address,
            source_node: presence,
            local_port: self.keyspace.sockets()[self.keyspace.socket_of(presence)].port(),
            querier_id: Some(client.id),
            client_version: Some(Short::cut(&client.version)),
            transaction_id: Some(Short::cut(&self.rng.random::<[u8; 2]>())),
            read_only: None,
            implied_port: None,
            announced_port: None,
            seed: None,
            no_seed: None,
            scrape: None,
            want: None,
            token_valid: None,
            attribution: Attribution::Exact,
            ttl: Some(self.rng.random_range(44..=58)),
            length: 95,
            canonical: true,
            decode_error: None,
        }
    }
}

/// Every hour of the world as a batch of `captured.events`, in order of time.
///
/// # Errors
/// When the columns differ from the declared ones.
pub fn events(seed: u64) -> Result<Vec<RecordBatch>> {
    let mut world = World { rng: StdRng::seed_from_u64(seed), keyspace: keyspace(seed)?, events: Vec::new() };
    background::live(&mut world);
    actors::act(&mut world);
    let mut events = world.events;
    events.retain(|(event, _)| (World::start()..World::end()).contains(&event.ts));
    events.sort_by_key(|(event, _)| event.ts);
    events.chunk_by(|(a, _), (b, _)| Hour::of(a.ts) == Hour::of(b.ts)).map(hour).collect()
}

/// The presences of a sensor with default settings.
fn keyspace(seed: u64) -> Result<Keyspace> {
    Ok(capture::config::Config::default().keyspace(&format!("{SENSOR} {seed}"))?)
}

fn hour(events: &[(Event, Network)]) -> Result<RecordBatch> {
    let mut rows = Rows::new(SENSOR);
    events.iter().for_each(|(event, _)| rows.push(event));
    let batch = rows.take();
    // A sensor fills these in from geo files when it seals the hour; this world knows them.
    let asn: ArrayRef =
        Arc::new(UInt32Array::from_iter_values(events.iter().map(|(_, network)| network.asn)));
    let country: ArrayRef =
        Arc::new(StringArray::from_iter_values(events.iter().map(|(_, network)| network.country)));
    let mut columns = batch.columns().to_vec();
    columns[batch.schema().index_of("asn")?] = asn;
    columns[batch.schema().index_of("country")?] = country;
    Ok(RecordBatch::try_new(batch.schema(), columns)?)
}

/// Writes the captured tables of the world below `data`.
///
/// # Errors
/// When a file cannot be written.
pub fn write(data: &Path, seed: u64) -> Result<()> {
    capture::partition::write_partitions(data, SENSOR, &schema::events::TABLE, events(seed)?)?;
    let keyspace = keyspace(seed)?;
    let hours = (World::start()..World::end()).step_by(usize::try_from(HOUR)?);
    let presences: Result<Vec<_>, _> =
        hours.map(|hour| capture::tables::presences(SENSOR, &keyspace, hour, hour + HOUR)).collect();
    capture::partition::write_partitions(data, SENSOR, &schema::presences::TABLE, presences?)?;
    Ok(())
}
