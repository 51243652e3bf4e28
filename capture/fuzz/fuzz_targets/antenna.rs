//! Any sequence of datagrams at any times: what leaves is what may leave, what is held is bounded,
//! and every datagram is accounted for.
//!
//! The input is a script. Its first byte says how the antenna is set up, then comes one step after
//! the other: a byte that says what happens and the bytes that say how. Datagrams come word for word
//! from the script, or are made up with ids, tokens and transaction ids that the antenna knows.
#![no_main]

use capture::clock::{MINUTE, Micros, SECOND};
use capture::deny::DenyList;
use capture::event::Event;
use capture::guard::Limits;
use capture::id::Id;
use capture::keyspace::Keyspace;
use capture::krpc::compact::{self, Contact};
use capture::krpc::{Flaw, Kind, Message, Method, Methods, Packet, decode};
use capture::node::reach::Reach;
use capture::node::{Antenna, Datagram, Settings, Sink};
use capture::routing::K;
use capture::sources::network;
use capture_fuzz::Value;
use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::Range;

const START: Micros = 1_795_239_480 * SECOND;
/// Addresses of three kinds, with as many sockets each.
const BIND: [IpAddr; 3] = [
    IpAddr::V4(Ipv4Addr::new(203, 0, 113, 1)),
    IpAddr::V4(Ipv4Addr::LOCALHOST),
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)),
];
const PORTS: [u16; 3] = [6881, 6882, 51413];
const METHODS: [&str; 9] =
    ["ping", "find_node", "get_peers", "announce_peer", "get", "put", "sample_infohashes", "vote", ""];
/// IPv4 and UDP headers.
const HEADERS: usize = 28;
/// Queries under way and counts of floods, at most.
const MOST_QUERIES: usize = 4096;
const MOST_FLOODS: usize = 1 << 14;

fuzz_target!(|script: &[u8]| {
    let mut script = Unstructured::new(script);
    let Ok(setup) = script.arbitrary() else { return };
    let mut session = Session::new(setup);
    while !script.is_empty() && session.step(&mut script).is_ok() {}
});

/// What came out of the antenna in one step.
#[derive(Default)]
struct Output {
    sent: Vec<(usize, SocketAddr, Vec<u8>)>,
    events: Vec<Event>,
}

impl Sink for Output {
    fn send(&mut self, socket: usize, to: SocketAddr, packet: Packet<'_>) {
        self.sent.push((socket, to, packet.as_bytes().to_vec()));
    }

    fn record(&mut self, event: Event) {
        self.events.push(event);
    }
}

struct Session {
    antenna: Antenna,
    keyspace: Keyspace,
    limits: Limits,
    deny: DenyList,
    /// The clock on the wall, which may be set.
    wall: Micros,
    /// Time that has passed; what a clock is set ahead counts, what it is set back does not.
    passed: Micros,
    /// Ids of the presences since the last tick, and how long all of them last.
    ids: Vec<Id>,
    valid: Range<Micros>,
    /// When each remote was sent something.
    sent: HashMap<IpAddr, Vec<Micros>>,
    /// When each remote was last asked something.
    asked: HashMap<IpAddr, Micros>,
    /// Queries that may be answered: socket, remote, transaction id.
    questions: Vec<(usize, SocketAddr, Vec<u8>)>,
    token: Vec<u8>,
    events: u64,
    floods: u64,
}

impl Session {
    fn new(setup: u8) -> Self {
        let has = |bit: u8| setup >> bit & 1 == 1;
        let ids_per_port = if has(0) { 4 } else { 1 };
        let keyspace = Keyspace::new("seed", &BIND, &PORTS, ids_per_port, 1.0).expect("a keyspace");
        let slow = Limits { interval: 20 * SECOND, burst: 6, query_interval: 90 * SECOND };
        let limits = if has(1) { slow } else { Limits::default() };
        let some: Methods = [Method::GetPeers, Method::Garbage].into_iter().collect();
        let settings = Settings {
            query_rate: 10.0,
            limits,
            record: if has(2) { some } else { Methods::ALL },
            event_limit: if has(3) { 2 } else { 36_000 },
        };
        let mut session = Self {
            antenna: Antenna::new(keyspace.clone(), "secret", settings, START),
            keyspace,
            limits,
            deny: DenyList::default(),
            wall: START,
            passed: START,
            ids: Vec::new(),
            valid: 0..0,
            sent: HashMap::new(),
            asked: HashMap::new(),
            questions: Vec::new(),
            token: Vec::new(),
            events: 0,
            floods: 0,
        };
        session.antenna.add_bootstrap(vec![SocketAddr::from(([8, 8, 8, 8], 6881))]);
        session.tick();
        session
    }

    fn step(&mut self, script: &mut Unstructured<'_>) -> Result<()> {
        match script.arbitrary::<u8>()? % 8 {
            0 | 1 => {
                let socket = self.socket(script)?;
                let source = self.address(script, socket)?;
                let length = script.arbitrary::<u16>()? % 2048;
                let payload = script.bytes(usize::from(length).min(script.len()))?;
                self.receive(socket, source, payload);
            }
            2 => {
                let socket = self.socket(script)?;
                let source = self.address(script, socket)?;
                let query = self.query(script)?;
                self.receive(socket, source, &query);
            }
            3 => self.answer(script)?,
            4 => {
                let time = Micros::from(script.arbitrary::<u16>()?) * SECOND / 20;
                self.wall += time;
                self.passed += time;
                self.tick();
            }
            5 => {
                let time = Micros::from(script.arbitrary::<i16>()?) * MINUTE;
                self.wall += time;
                self.passed += time.max(0);
                self.tick();
            }
            6 => {
                let networks = ["8.8.9.0/24", "127.0.1.0/28", "2a00::/32"].map(|net| net.parse().expect(net));
                let choice: u8 = script.arbitrary()?;
                let chosen = networks.into_iter().enumerate().filter(|(i, _)| choice >> i & 1 == 1);
                self.deny = chosen.map(|(_, network)| network).collect();
                self.antenna.set_deny(self.deny.clone());
            }
            _ => {
                let good = self.antenna.good_nodes(100);
                self.antenna.recall(&good);
                self.note_floods();
            }
        }
        self.check_bounds();
        Ok(())
    }

    fn socket(&self, script: &mut Unstructured<'_>) -> Result<usize> {
        Ok(usize::from(script.arbitrary::<u8>()?) % self.keyspace.sockets().len())
    }

    /// An address of the family of `socket`: in crowded and in empty networks, of public hosts and
    /// of none, and our own.
    fn address(&self, script: &mut Unstructured<'_>, socket: usize) -> Result<SocketAddr> {
        let [kind, host]: [u8; 2] = script.arbitrary()?;
        let local = self.keyspace.sockets()[socket];
        let ip: IpAddr = match (local.is_ipv4(), kind % 6) {
            (true, 0) => [8, 8, 8, host].into(),
            (true, 1) => [8, 8, 9, host].into(),
            (true, 2) => [9, host, 1, 1].into(),
            (true, 3) => [127, 0, 1, host].into(),
            (true, 4) => [10, 0, 0, host].into(),
            (false, 0) => Ipv6Addr::from([0x2a00, 0, 0, 0, 0, 0, 0, host.into()]).into(),
            (false, 1) => Ipv6Addr::from([0x2a01, host.into(), 0, 0, 0, 0, 0, 1]).into(),
            (false, 2) => Ipv6Addr::from([0x2a02, 0, 0, host.into(), 0, 0, 0, 1]).into(),
            (false, 3) => Ipv6Addr::LOCALHOST.into(),
            (false, 4) => Ipv6Addr::from([0xfe80, 0, 0, 0, 0, 0, 0, host.into()]).into(),
            _ => return Ok(local),
        };
        Ok(SocketAddr::new(ip, if host == 0xff { 0 } else { 6881 + u16::from(kind / 64) }))
    }

    /// An id anywhere, near one of ours, or one of ours.
    fn id(&self, script: &mut Unstructured<'_>) -> Result<Id> {
        let [kind, number, rest]: [u8; 3] = script.arbitrary()?;
        let own = self.ids[usize::from(number) % self.ids.len()];
        let shared = usize::from(kind) % 21;
        Ok(Id(std::array::from_fn(|i| if i < shared { own.0[i] } else { rest })))
    }

    fn query(&self, script: &mut Unstructured<'_>) -> Result<Vec<u8>> {
        let [method, form, length]: [u8; 3] = script.arbitrary()?;
        let method = METHODS[usize::from(method) % METHODS.len()];
        let has = |bit: u8| form >> bit & 1 == 1;
        let mut query = b"d1:ad".to_vec();
        string(&mut query, "id", &self.id(script)?.0);
        if has(0) {
            string(&mut query, "info_hash", &self.id(script)?.0);
        }
        if has(1) {
            string(&mut query, "target", &self.id(script)?.0);
        }
        if has(2) {
            string(&mut query, "token", &self.token);
        }
        if has(3) || has(4) {
            query.extend_from_slice(b"4:wantl");
            query.extend_from_slice(if has(3) { b"2:n4" } else { b"" });
            query.extend_from_slice(if has(4) { b"2:n6" } else { b"" });
            query.push(b'e');
        }
        query.push(b'e');
        string(&mut query, "q", method.as_bytes());
        if has(5) {
            query.extend_from_slice(b"2:roi1e");
        }
        // A long one now and then, as no client has it.
        let length = usize::from(length) * if has(6) { 16 } else { 1 };
        string(&mut query, "t", &vec![length as u8; length]);
        query.extend_from_slice(b"1:y1:qe");
        if has(7) {
            query.pop();
        }
        Ok(query)
    }

    /// Answers one of the antenna's queries, as it should be or not quite.
    fn answer(&mut self, script: &mut Unstructured<'_>) -> Result<()> {
        let [pick, form, count]: [u8; 3] = script.arbitrary()?;
        if self.questions.is_empty() {
            return Ok(());
        }
        let pick = usize::from(pick) % self.questions.len();
        let (socket, mut source, transaction) = self.questions.swap_remove(pick);
        let has = |bit: u8| form >> bit & 1 == 1;
        if has(0) {
            source = self.address(script, socket)?;
        }
        let mut answer = if has(1) { b"d1:eli202ee".to_vec() } else { b"d".to_vec() };
        if !has(2) {
            answer.extend_from_slice(b"1:rd");
            string(&mut answer, "id", &self.id(script)?.0);
            for (family, socket) in [("nodes", 0), ("nodes6", self.keyspace.sockets().len() - 1)] {
                let mut nodes = Vec::new();
                for _ in 0..count % 20 {
                    let addr = self.address(script, socket)?;
                    compact::push(&Contact { id: self.id(script)?, addr }, &mut nodes);
                }
                string(&mut answer, family, &nodes);
            }
            answer.push(b'e');
        }
        string(&mut answer, "t", &transaction);
        answer.extend_from_slice(if has(1) { b"1:y1:ee" } else { b"1:y1:re" });
        self.receive(socket, source, &answer);
        Ok(())
    }

    /// Hands the antenna a datagram and looks at what it does with it.
    fn receive(&mut self, socket: usize, source: SocketAddr, payload: &[u8]) {
        let mut output = Output::default();
        let datagram = Datagram { ts: self.wall, socket, source, payload, ttl: None };
        self.antenna.receive(self.wall, &datagram, &mut output);

        let message = decode(payload);
        for event in &output.events {
            assert_eq!((event.peer, usize::from(event.length)), (source, payload.len()));
            assert_eq!((event.canonical, event.decode_error), (message.canonical, message.flaw));
            assert!(self.keyspace.presences_of(socket).contains(&event.source_node));
            assert!(matches!(message.kind, Kind::Query | Kind::Unknown));
        }
        self.events += output.events.len() as u64;
        assert!(output.sent.len() <= 2 && output.events.len() <= 1);
        if self.deny.contains(source.ip()) {
            assert!(output.sent.is_empty() && output.events.is_empty(), "denied, but not ignored");
        }
        // An answer, and behind it a query if that was the first one under a new id.
        for (i, (from, to, packet)) in output.sent.iter().enumerate() {
            assert_eq!((*from, *to), (socket, source), "the answer goes elsewhere");
            if i == 0 {
                self.check_answer(socket, &message, payload, packet);
                self.charge(source.ip());
            } else {
                self.check_query(socket, source, packet);
            }
        }
        assert_eq!(self.antenna.counters().unaccounted(), 0);
    }

    fn tick(&mut self) {
        let mut output = Output::default();
        self.antenna.tick(self.wall, &mut output);
        self.follow_rotation();
        for (socket, to, packet) in output.sent {
            self.check_query(socket, to, &packet);
            let before = self.asked.insert(network(to.ip()), self.passed);
            assert!(before.is_none_or(|before| self.passed - before >= self.limits.query_interval));
        }
    }

    /// `packet` is a query that may go to `to` from `socket` now; it waits for its answer.
    fn check_query(&mut self, socket: usize, to: SocketAddr, packet: &[u8]) {
        let query = Value::read(packet, 2).expect("canonical");
        let a = query.get("a").expect("arguments");
        assert_eq!(query.string("y"), Some(&b"q"[..]));
        assert_eq!(query.keys(), [b"a", b"q", b"t", b"y"]);
        match query.string("q") {
            Some(b"ping") => assert_eq!(a.keys(), [b"id"]),
            Some(b"find_node") => {
                assert_eq!(a.keys(), [&b"id"[..], b"target"]);
                assert!(self.ids.iter().any(|id| a.string("target") == Some(&id.0)), "a foreign target");
            }
            other => panic!("asked {other:?}"),
        }
        let is_shown_there = self.ids_at(socket).any(|id| a.string("id") == Some(&id.0));
        assert!(is_shown_there, "another presence's id");
        assert!(self.may_be_named(to, Reach::of(self.keyspace.sockets()[socket].ip())), "asked {to}");
        self.charge(to.ip());
        let transaction = query.string("t").expect("a transaction id").to_vec();
        self.questions.push((socket, to, transaction));
    }

    fn follow_rotation(&mut self) {
        if !self.valid.contains(&self.wall) {
            let presences = 0..self.keyspace.presences();
            let ranges = presences.clone().map(|presence| self.keyspace.validity(presence, self.wall));
            self.valid = ranges
                .fold(Micros::MIN..Micros::MAX, |all, one| all.start.max(one.start)..all.end.min(one.end));
            self.ids = presences.map(|presence| self.keyspace.id(presence, self.wall).get()).collect();
        }
    }

    /// Whether `packet`, sent from `socket`, is an answer that `message` deserves.
    fn check_answer(&mut self, socket: usize, message: &Message<'_>, payload: &[u8], packet: &[u8]) {
        assert_eq!(message.kind, Kind::Query);
        assert!(!message.flaw.is_some_and(Flaw::forbids_an_answer), "garbage was answered");
        assert!(packet.len() + HEADERS <= 3 * (payload.len() + HEADERS), "an amplifier");
        let answer = Value::read(packet, 2).expect("canonical");
        assert_eq!(answer.string("t"), message.transaction);
        if answer.string("y") == Some(b"e") {
            assert_eq!(answer.keys(), [b"e", b"t", b"y"]);
            return;
        }
        assert_eq!(answer.string("y"), Some(&b"r"[..]));
        assert_eq!(answer.keys(), [b"r", b"t", b"y"]);
        let r = answer.get("r").expect("a response");
        let known: [&[u8]; 7] = [b"id", b"interval", b"nodes", b"nodes6", b"num", b"samples", b"token"];
        assert!(r.keys().iter().all(|key| known.contains(key)), "{:?}", r.keys());
        assert!(self.ids_at(socket).any(|id| r.string("id") == Some(&id.0)), "another presence's id");
        assert_eq!(r.string("samples").unwrap_or_default(), b"");
        let (nodes, nodes6) = (r.string("nodes").unwrap_or_default(), r.string("nodes6").unwrap_or_default());
        assert!(nodes.len().is_multiple_of(26) && nodes6.len().is_multiple_of(38));
        assert!(nodes.len() <= K * 26 && nodes6.len() <= K * 38);
        let reach = Reach::of(self.keyspace.sockets()[socket].ip());
        for node in compact::nodes4(nodes).chain(compact::nodes6(nodes6)) {
            assert!(self.may_be_named(node.addr, reach), "named {}", node.addr);
            assert!(!self.ids.contains(&node.id), "named one of our own ids");
        }
        if let Some(token) = r.string("token") {
            self.token = token.to_vec();
        }
    }

    /// Whether a presence may ask `addr` and name it to others.
    fn may_be_named(&self, addr: SocketAddr, reach: Reach) -> bool {
        reach.admits(addr) && !self.deny.contains(addr.ip()) && !self.keyspace.sockets().contains(&addr)
    }

    fn ids_at(&self, socket: usize) -> impl Iterator<Item = &Id> {
        self.keyspace.presences_of(socket).map(|presence| &self.ids[usize::from(presence)])
    }

    /// Notes that `ip` was sent something, and looks back whether it was sent too much.
    fn charge(&mut self, ip: IpAddr) {
        let sent = self.sent.entry(network(ip)).or_default();
        sent.push(self.passed);
        for (count, since) in (1..).zip(sent.iter().rev()) {
            assert!(count <= self.limits.most_within(self.passed - since), "over the budget of {ip}");
        }
    }

    /// Takes the counts of floods, as the daemon does.
    fn note_floods(&mut self) {
        let floods = self.antenna.floods().held();
        self.floods += floods.iter().map(|flood| u64::from(flood.count)).sum::<u64>();
        self.antenna.floods().clear();
    }

    fn check_bounds(&mut self) {
        assert!(self.antenna.queries_under_way() <= MOST_QUERIES);
        assert!(self.antenna.nodes() <= self.ids.len() * K * Id::BITS);
        let held = self.antenna.floods().held();
        assert!(held.len() <= MOST_FLOODS);
        let held: u64 = held.iter().map(|flood| u64::from(flood.count)).sum();
        let counters = self.antenna.counters();
        assert_eq!((counters.events, counters.flooding), (self.events, self.floods + held));
    }
}

/// Appends a key and a byte string.
fn string(out: &mut Vec<u8>, key: &str, bytes: &[u8]) {
    for part in [key.as_bytes(), bytes] {
        out.extend_from_slice(format!("{}:", part.len()).as_bytes());
        out.extend_from_slice(part);
    }
}
