//! What a world measures, beside the figures that it follows.
//!
//! A figure without a source is an assumption of this world; the table says so.

use super::families::{FAMILIES, Upkeep};
use super::population::Stay;
use super::presences::shared;
use super::{Micros, World, prefix};
use capture::krpc::Method;
use schema::partition::{DAY, HOUR, Hour};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::net::SocketAddr;

/// Bits of the querier's id from which on a target counts as maintenance of its table.
const NEAR: u32 = 8;
/// Time within which queries of one caller for one target are one lookup.
const LOOKUP: Micros = 60 * super::SECOND;

/// One line of the table.
#[derive(Debug, Serialize)]
pub struct Figure {
    /// What is measured.
    pub name: String,
    /// What it is in this world.
    pub value: f64,
    /// Its unit.
    pub unit: &'static str,
    /// What it should be.
    pub reference: &'static str,
    /// Who says so.
    pub source: &'static str,
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, value, unit, reference, source } = self;
        write!(f, "{name:<52} {value:>12.3} {unit:<4} {reference} ({source})")
    }
}

/// Measures `world` over at most its first two days.
#[must_use]
pub fn measure(world: &World) -> Vec<Figure> {
    let mut tally = Tally::default();
    for hour in world.hours().take(48) {
        tally.add(world, hour);
    }
    tally.figures(world)
}

#[derive(Default)]
struct Tally {
    /// Queries an hour, of hours without an outage.
    hours: Vec<u64>,
    methods: BTreeMap<&'static str, u64>,
    /// Lookups of an infohash, by who asks what: when it last did, and in how many queries.
    last: HashMap<(SocketAddr, u64), Micros>,
    lookups: u64,
    in_lookups: u64,
    popularity: HashMap<u64, u64>,
    /// Gaps between lookups, by version of the client.
    gaps: BTreeMap<[u8; 4], Vec<Micros>>,
    get_peers_of_libtorrent: u64,
    near_of_libtorrent: u64,
    addresses: HashMap<SocketAddr, u64>,
}

impl Tally {
    fn add(&mut self, world: &World, hour: Hour) {
        let received = world.hour(hour);
        let whole = hour.start()..hour.end();
        if world.recorded(whole.clone()).first() == Some(&whole) {
            self.hours.push(received.queries.len() as u64);
        }
        for query in &received.queries {
            let caller = &received.callers[query.caller as usize];
            *self.methods.entry(query.method.as_str()).or_default() += 1;
            *self.addresses.entry(caller.address).or_default() += 1;
            if query.method != Method::GetPeers {
                continue;
            }
            let target = prefix(&query.target);
            let near = shared(prefix(&caller.id), target) >= NEAR;
            if caller.family.upkeep == Upkeep::GetPeers {
                self.get_peers_of_libtorrent += 1;
                self.near_of_libtorrent += u64::from(near);
            }
            if near {
                continue;
            }
            self.in_lookups += 1;
            let before = self.last.insert((caller.address, target), query.ts);
            let gap = before.map(|before| query.ts - before);
            if gap.is_none_or(|gap| gap > LOOKUP) {
                self.lookups += 1;
                *self.popularity.entry(target).or_default() += 1;
                if let (Some(gap), Some(version)) = (gap, caller.family.version) {
                    self.gaps.entry(version).or_default().push(gap);
                }
            }
        }
    }

    fn figures(mut self, world: &World) -> Vec<Figure> {
        const DESIGN: &str = "specification of this world";
        const CORPUS: &str = "tests/corpus, captures of 2016 and 2023";
        const LIBTORRENT: &str = "tests/corpus; libtorrent's source, see contact.rs";
        const ASSUMED: &str = "assumption";
        let figure = |name: &str, value, unit, reference, source| Figure {
            name: name.to_owned(),
            value,
            unit,
            reference,
            source,
        };
        self.hours.sort_unstable();
        let total: u64 = self.hours.iter().sum();
        let mut figures = vec![figure(
            "queries an hour, mean",
            ratio(total, self.hours.len() as u64),
            "1/h",
            "1,000–10,000 with 1 address, 10⁶ with 190, of 100,000 clients",
            DESIGN,
        )];
        let (least, most) =
            (self.hours.first().copied().unwrap_or(0), self.hours.last().copied().unwrap_or(0));
        figures.push(figure(
            "busiest over quietest hour",
            ratio(most, least),
            "",
            "up to 1.8: 15 to 27 million nodes, with a clear pattern of the day",
            "Wang and Kangasharju 2013, Measuring Large-Scale Distributed Systems",
        ));
        let all: u64 = self.methods.values().sum();
        for (method, count) in &self.methods {
            let reference = match *method {
                "get_peers" => ("0.83", CORPUS),
                "find_node" => ("0.12", CORPUS),
                "announce_peer" => ("0.04", CORPUS),
                "ping" => ("0.01 as sent after a start; later one per node and refresh", LIBTORRENT),
                _ => ("", ASSUMED),
            };
            figures.push(figure(
                &format!("share of {method}"),
                ratio(*count, all),
                "",
                reference.0,
                reference.1,
            ));
        }
        figures.push(figure(
            "libtorrent get_peers that share 8 bits with its id",
            ratio(self.near_of_libtorrent, self.get_peers_of_libtorrent),
            "",
            "0.6 as sent after a start; 0.02 as received, by geometry",
            LIBTORRENT,
        ));
        figures.push(figure(
            "presences hit by a lookup",
            ratio(self.in_lookups, self.lookups),
            "",
            "about 1: a lookup asks some tens of 15 to 27 million nodes, 208 of them ours",
            "geometry; Wang and Kangasharju 2013",
        ));
        figures.push(figure(
            "popularity, exponent of lookups by rank",
            self.exponent(),
            "",
            "0.9 as wished for; sampling flattens it",
            DESIGN,
        ));
        for (family, reference) in FAMILIES.iter().zip(["15", "30", "25–28", "15–18", "5", "5"]) {
            if let Some((version, gaps)) =
                family.version.and_then(|version| Some((version, self.gaps.get_mut(&version)?)))
            {
                let name = format!("median gap between lookups, {}", String::from_utf8_lossy(&version[..2]));
                figures.push(figure(
                    &name,
                    median(gaps) / 60e6,
                    "min",
                    reference,
                    "defaults of the programs",
                ));
            }
        }
        let (mut lengths, always) = stays(world);
        figures.push(figure("median session", median(&mut lengths) / HOUR as f64, "h", "1.5", DESIGN));
        figures.push(figure("clients that are always online", always, "", "0.12", DESIGN));
        let mut queries: Vec<_> = self.addresses.values().map(|&count| count as i64).collect();
        figures.push(figure(
            "queries of a client in two days, median",
            median(&mut queries),
            "",
            "few: most are seen seldom",
            ASSUMED,
        ));
        figures
    }

    /// The slope of log lookups over log rank, by least squares over ranks 10 to 1000.
    fn exponent(&self) -> f64 {
        let mut counts: Vec<_> = self.popularity.values().copied().collect();
        counts.sort_unstable_by(|a, b| b.cmp(a));
        let points =
            (10..=counts.len().min(1000)).map(|rank| ((rank as f64).ln(), (counts[rank - 1] as f64).ln()));
        let (mut n, mut x, mut y, mut xx, mut xy) = (0.0, 0.0, 0.0, 0.0, 0.0);
        for (a, b) in points {
            (n, x, y, xx, xy) = (n + 1.0, x + a, y + b, xx + a * a, xy + a * b);
        }
        -(n * xy - x * y) / (n * xx - x * x)
    }
}

/// Lengths of the sessions that begin on the first day, and the share of clients without an end.
fn stays(world: &World) -> (Vec<Micros>, f64) {
    let start = world.time().start;
    let day = start..start + DAY;
    let mut stays: Vec<Stay> = Vec::new();
    for client in &world.clients {
        client.stays(&day, &world.settings.society, &world.torrents, &mut stays);
    }
    let always = world.clients.iter().filter(|client| client.is_always_online()).count();
    let lengths = stays
        .iter()
        .filter(|stay| stay.since == stay.online.start && stay.online.start >= start)
        .map(|stay| stay.online.end - stay.online.start)
        .collect();
    (lengths, ratio(always as u64, world.clients.len() as u64))
}

fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}

fn median(values: &mut [Micros]) -> f64 {
    values.sort_unstable();
    values.get(values.len() / 2).map_or(f64::NAN, |&value| value as f64)
}
