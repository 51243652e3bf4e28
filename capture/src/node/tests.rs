//! The antenna against arbitrary and against well-behaved networks.

use super::*;
use crate::clock::{HOUR, MINUTE, SECOND};
use crate::krpc::{Flaw, decode};
use proptest::prelude::*;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};

const START: Micros = 1_795_239_480 * SECOND;
const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Keeps what came out.
#[derive(Default)]
struct Kept {
    sent: Vec<(usize, SocketAddr, Vec<u8>)>,
    events: Vec<Event>,
}

impl Sink for Kept {
    fn send(&mut self, socket: usize, to: SocketAddr, packet: Packet<'_>) {
        self.sent.push((socket, to, packet.as_bytes().to_vec()));
    }

    fn record(&mut self, event: Event) {
        self.events.push(event);
    }
}

fn antenna(bind: &[IpAddr], ports: u16, ids_per_port: u8) -> Antenna {
    let ports: Vec<u16> = (1000..1000 + ports).collect();
    let keyspace = Keyspace::new("seed", bind, &ports, ids_per_port, 1.0).expect("a valid keyspace");
    let settings =
        Settings { query_rate: 10.0, limits: Limits::default(), record: Methods::ALL, event_limit: 36_000 };
    Antenna::new(keyspace, "secret", settings, START)
}

fn from(ip: u32, payload: &[u8]) -> Datagram<'_> {
    let source = SocketAddr::from((Ipv4Addr::from(0x7f01_0000 | ip), 6881));
    Datagram { ts: START, socket: 0, source, payload, ttl: Some(64) }
}

fn query(method: &str, arguments: &str) -> Vec<u8> {
    format!("d1:ad2:id20:abcdefghij0123456789{arguments}e1:q{}:{method}1:t2:aa1:y1:qe", method.len())
        .into_bytes()
}

/// What one query is answered with.
fn ask(antenna: &mut Antenna, ip: u32, payload: &[u8]) -> Option<Vec<u8>> {
    let mut kept = Kept::default();
    antenna.receive(START, &from(ip, payload), &mut kept);
    assert_eq!(kept.events.len(), 1);
    kept.sent.pop().map(|(_, _, packet)| packet)
}

const HASH: &str = "9:info_hash20:mnopqrstuvwxyz123456";
const TARGET: &str = "6:target20:mnopqrstuvwxyz123456";

#[test]
fn every_kind_of_query_gets_its_answer() {
    let mut antenna = antenna(&[LOOPBACK], 1, 1);
    let cases = [
        ("ping", String::new(), "id"),
        ("find_node", TARGET.to_owned(), "nodes"),
        ("get_peers", HASH.to_owned(), "token"),
        ("get", TARGET.to_owned(), "token"),
        ("sample_infohashes", TARGET.to_owned(), "samples"),
        ("vote", TARGET.to_owned(), "nodes"),
        ("vote", HASH.to_owned(), "nodes"),
        ("vote", String::new(), "204"),
        ("get_peers", String::new(), "203"),
        ("announce_peer", format!("{HASH}4:porti1e5:token8:somebody"), "203"),
        ("put", "5:token8:somebody".to_owned(), "203"),
    ];
    for (ip, (method, arguments, expected)) in (0..).zip(&cases) {
        let answer = ask(&mut antenna, ip, &query(method, arguments)).expect(method);
        assert!(String::from_utf8_lossy(&answer).contains(expected), "{method}: {answer:?}");
        assert!(!String::from_utf8_lossy(&answer).contains("values"));
        assert_eq!(decode(&answer).transaction, Some(&b"aa"[..]));
    }
}

#[test]
fn a_token_that_was_given_is_good_for_an_announce() {
    let mut antenna = antenna(&[LOOPBACK], 1, 1);
    let answer = ask(&mut antenna, 1, &query("get_peers", HASH)).expect("an answer");
    let at = answer.windows(9).position(|window| window == b"5:token8:").expect("a token") + 9;
    let mut announce = format!("d1:ad2:id20:abcdefghij0123456789{HASH}4:porti1e5:token8:").into_bytes();
    announce.extend_from_slice(&answer[at..at + 8]);
    announce.extend_from_slice(b"e1:q13:announce_peer1:t2:aa1:y1:qe");
    for (ip, valid) in [(1, true), (2, false)] {
        let mut kept = Kept::default();
        antenna.receive(START, &from(ip, &announce), &mut kept);
        assert_eq!(kept.events[0].token_valid, Some(valid));
        assert_eq!(decode(&kept.sent[0].2).kind, if valid { Kind::Response } else { Kind::Error });
    }
}

#[test]
fn garbage_is_recorded_and_not_answered() {
    let mut antenna = antenna(&[LOOPBACK], 1, 1);
    for garbage in [&b""[..], b"\xff\xff", b"d1:ad2:id5:shorte1:q4:ping1:t2:aa1:y1:qe", b"d1:q4:ping1:y1:qe"]
    {
        assert_eq!(ask(&mut antenna, 1, garbage), None);
    }
    assert_eq!(antenna.counters().events_unanswerable, 4);
    assert_eq!(antenna.counters().unaccounted(), 0);
}

#[test]
fn what_is_not_to_be_recorded_is_answered_and_counted() {
    let mut antenna = antenna(&[LOOPBACK], 1, 1);
    antenna.settings.record = [Method::GetPeers, Method::Other].into_iter().collect();
    let mut kept = Kept::default();
    for (ip, (method, arguments)) in
        (0..).zip([("ping", ""), ("get_peers", HASH), ("vote", HASH), ("find_node", TARGET)])
    {
        antenna.receive(START, &from(ip, &query(method, arguments)), &mut kept);
    }
    antenna.receive(START, &from(9, b"\xff"), &mut kept);
    let recorded: Vec<_> = kept
        .events
        .iter()
        .filter_map(|event| event.method)
        .map(|method| method.as_bytes().to_vec())
        .collect();
    assert_eq!(recorded, [&b"get_peers"[..], b"vote"]);
    assert_eq!(kept.sent.len(), 4);
    assert_eq!((antenna.counters().events, antenna.counters().not_selected), (2, 3));
    assert_eq!(antenna.counters().unaccounted(), 0);
}

#[test]
fn a_source_over_its_limit_is_counted_and_the_others_are_not_touched() {
    let mut antenna = antenna(&[LOOPBACK], 1, 1);
    antenna.floods = Floods::new(&Secret::from_text("s"), 10);
    let mut kept = Kept::default();
    for _ in 0..25 {
        antenna.receive(START, &from(1, &query("find_node", TARGET)), &mut kept);
        antenna.receive(START, &from(1, b"garbage"), &mut kept);
    }
    for ip in 2..100 {
        antenna.receive(START, &from(ip, &query("ping", "")), &mut kept);
    }
    assert_eq!(kept.events.len(), 10 + 98);
    let floods: Vec<_> =
        antenna.floods().held().into_iter().map(|flood| (flood.method, flood.count)).collect();
    assert_eq!(floods, [(Method::FindNode, 20), (Method::Garbage, 20)]);
    assert_eq!(antenna.counters().flooding, 40);
    assert_eq!(antenna.counters().unaccounted(), 0);
}

#[test]
fn a_remote_over_its_budget_is_recorded_and_not_answered() {
    let mut antenna = antenna(&[LOOPBACK], 16, 1);
    let mut kept = Kept::default();
    for socket in 0..160 {
        let datagram = Datagram {
            socket: socket % 16,
            ..from(1, b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe")
        };
        antenna.receive(START, &datagram, &mut kept);
    }
    assert_eq!(kept.events.len(), 160);
    assert_eq!(kept.sent.len() as i64, Limits::default().burst);
    assert_eq!(antenna.counters().answers_withheld, 160 - kept.sent.len() as u64);
}

#[test]
fn at_a_shared_port_a_remote_always_meets_the_same_id() {
    let mut antenna = antenna(&[LOOPBACK], 13, 16);
    let mut shown: HashMap<(u32, usize), u16> = HashMap::new();
    let mut kept = Kept::default();
    for round in 0..3 {
        for ip in 0..50 {
            for socket in 0..13 {
                let payload = query("ping", "");
                antenna.receive(START + round * HOUR, &Datagram { socket, ..from(ip, &payload) }, &mut kept);
                let event = kept.events.pop().expect("an event");
                assert_eq!(event.attribution, Attribution::Inferred);
                assert_eq!(usize::from(event.source_node) / 16, socket);
                assert_eq!(*shown.entry((ip, socket)).or_insert(event.source_node), event.source_node);
            }
        }
    }
    let mut ids: Vec<_> = shown.into_values().collect();
    ids.sort_unstable();
    ids.dedup();
    assert!(ids.len() > 150, "all ids are in use, not {}", ids.len());
}

#[test]
fn both_families_answer_and_want_is_honoured() {
    let mut antenna = antenna(&[LOOPBACK, IpAddr::V6(std::net::Ipv6Addr::LOCALHOST)], 2, 1);
    let contact = |id: u8, addr: &str| Contact { id: Id([id; 20]), addr: addr.parse().expect("an address") };
    antenna.presences[0].table.answered(START, contact(1, "127.9.9.9:1"));
    antenna.presences[2].table.answered(START, contact(2, "[::1]:1"));
    let mut lists = |ip, want: &str| {
        let answer =
            ask(&mut antenna, ip, &query("find_node", &format!("{TARGET}{want}"))).expect("an answer");
        let message = decode(&answer);
        (message.nodes.map(<[u8]>::len), message.nodes6.map(<[u8]>::len))
    };
    assert_eq!(lists(1, ""), (Some(26), None));
    assert_eq!(lists(2, "4:wantl2:n6e"), (None, Some(0)));
    assert_eq!(lists(3, "4:wantl2:n42:n6e").0, Some(26));
}

/// A network of honest nodes around the antenna, in which every node knows all others.
struct Network {
    antenna: Antenna,
    nodes: HashMap<SocketAddr, Id>,
    now: Micros,
    /// Queries that the nodes got from us: when, who, what.
    asked: Vec<(Micros, SocketAddr, String)>,
}

impl Network {
    fn new(antenna: Antenna, size: u8) -> Self {
        let nodes = (0..size)
            .map(|i| {
                let id = Secret::from_text("network").id(u16::from(i), 0);
                (SocketAddr::from((Ipv4Addr::new(127, 2, i, 1), 6881)), id)
            })
            .collect();
        Self { antenna, nodes, now: START, asked: Vec::new() }
    }

    /// Lets `time` pass; every query of ours is answered at once with the eight nearest nodes.
    fn pass(&mut self, time: Micros) {
        let end = self.now + time;
        while self.now < end {
            self.now += SECOND / 10;
            let mut kept = Kept::default();
            self.antenna.tick(self.now, &mut kept);
            for (socket, to, packet) in kept.sent {
                let message = decode(&packet);
                let method = String::from_utf8_lossy(message.method.expect("a query")).into_owned();
                self.asked.push((self.now, to, method));
                let Some(id) = self.nodes.get(&to) else { continue };
                let near = message.target.unwrap_or(*id);
                let mut nodes: Vec<_> = self.nodes.iter().map(|(&addr, &id)| Contact { id, addr }).collect();
                nodes.sort_by_key(|contact| contact.id.distance(&near));
                let mut answer = b"d1:rd2:id20:".to_vec();
                answer.extend_from_slice(&id.0);
                answer.extend_from_slice(format!("5:nodes{}:", 8 * 26).as_bytes());
                nodes[..8].iter().for_each(|contact| krpc::compact::push(contact, &mut answer));
                answer.extend_from_slice(b"e1:t4:");
                answer.extend_from_slice(message.transaction.expect("a transaction id"));
                answer.extend_from_slice(b"1:y1:re");
                let datagram = Datagram { ts: self.now, socket, source: to, payload: &answer, ttl: None };
                self.antenna.receive(self.now, &datagram, &mut Kept::default());
            }
        }
    }
}

#[test]
fn one_bootstrap_host_is_enough_to_find_the_network() {
    let mut network = Network::new(antenna(&[LOOPBACK], 32, 1), 200);
    let host = *network.nodes.keys().next().expect("a node");
    network.antenna.add_bootstrap(vec![host]);
    network.pass(20 * MINUTE);
    for presence in &network.antenna.presences {
        assert!(presence.table.len() >= 16, "{} nodes", presence.table.len());
    }
    assert_eq!(network.antenna.counters().responses_unmatched, 0);
    // The nearest node of all is among those that each presence would name.
    let mut found = Vec::new();
    for presence in &network.antenna.presences {
        let nearest =
            network.nodes.values().min_by_key(|id| id.distance(&presence.id.get())).expect("a node");
        presence.table.closest(network.now, &presence.id.get(), &mut found);
        assert!(found.iter().any(|contact| contact.id == *nearest));
    }
}

#[test]
fn no_remote_is_asked_often_and_the_rate_holds() {
    let mut network = Network::new(antenna(&[LOOPBACK], 208, 1), 12);
    let host = *network.nodes.keys().next().expect("a node");
    network.antenna.add_bootstrap(vec![host]);
    network.pass(HOUR);
    let mut last: HashMap<SocketAddr, Micros> = HashMap::new();
    for (at, to, _) in &network.asked {
        if let Some(before) = last.insert(*to, *at) {
            assert!(at - before >= Limits::default().query_interval);
        }
    }
    assert!(network.asked.len() <= 10 * 3600 + 20);
    assert!(!network.asked.is_empty());
}

#[test]
fn an_answer_under_a_new_id_is_followed_by_a_query_under_it() {
    let mut antenna = antenna(&[LOOPBACK], 1, 1);
    let changed = antenna.presences[0].valid.end;
    let (old, ping) = (antenna.presences[0].id, query("ping", ""));
    let sent = |antenna: &mut Antenna, now, ip, payload: &[u8]| {
        let mut kept = Kept::default();
        antenna.receive(now, &from(ip, payload), &mut kept);
        kept.sent.iter().map(|(_, _, packet)| decode(packet).kind).collect::<Vec<_>>()
    };
    assert_eq!(sent(&mut antenna, changed - SECOND, 1, &ping), [Kind::Response]);
    antenna.settings.query_rate = 0.0;
    antenna.tick(changed, &mut Kept::default());
    assert_eq!(sent(&mut antenna, changed, 1, &ping), [Kind::Response], "no queries of ours at all");
    antenna.settings.query_rate = 4.0;
    let id = antenna.presences[0].id;
    assert_ne!(id, old);
    let mut kept = Kept::default();
    antenna.receive(changed, &from(1, &ping), &mut kept);
    let messages: Vec<_> = kept.sent.iter().map(|(_, _, packet)| decode(packet)).collect();
    assert_eq!(
        messages.iter().map(|message| message.kind).collect::<Vec<_>>(),
        [Kind::Response, Kind::Query]
    );
    assert!(messages.iter().all(|message| message.id == Some(id.get())));
    assert_eq!(messages[1].target, Some(id.get()));
    let refused = query("get_peers", "");
    assert_eq!(sent(&mut antenna, changed + MINUTE, 2, &refused), [Kind::Error], "it names no id");
    assert_eq!(sent(&mut antenna, changed + MINUTE, 2, &ping), [Kind::Response, Kind::Query]);
    assert_eq!(
        sent(&mut antenna, changed + 20 * MINUTE, 3, &ping),
        [Kind::Response],
        "it is no news any more"
    );
}

#[test]
fn introductions_take_half_of_the_query_rate_at_most() {
    let mut network = Network::new(antenna(&[LOOPBACK], 1, 1), 20);
    let host = *network.nodes.keys().next().expect("a node");
    network.antenna.add_bootstrap(vec![host]);
    network.now = network.antenna.presences[0].valid.end;
    network.pass(SECOND);
    let ping = query("ping", "");
    let (mut introductions, seconds) = (0, 100);
    for step in 0..10 * seconds {
        let mut kept = Kept::default();
        (0..10)
            .for_each(|i| network.antenna.receive(network.now, &from(100 + 10 * step + i, &ping), &mut kept));
        introductions += kept.sent.iter().filter(|(_, _, packet)| decode(packet).kind == Kind::Query).count();
        network.pass(SECOND / 10);
    }
    let rate = network.antenna.settings.query_rate as usize;
    let most = rate * seconds as usize;
    assert!((most / 2..=most / 2 + rate).contains(&introductions), "{introductions}");
    assert!(network.asked.len() + introductions <= most + 3 * rate);
    assert!(network.asked.len() >= most / 4, "{} other queries", network.asked.len());
}

#[test]
fn with_hardly_any_queries_one_introduction_takes_them_all() {
    let mut antenna = antenna(&[LOOPBACK], 1, 1);
    antenna.settings.query_rate = 1e-300;
    let changed = antenna.presences[0].valid.end;
    antenna.tick(changed, &mut Kept::default());
    let mut kept = Kept::default();
    (1..4).for_each(|ip| antenna.receive(changed, &from(ip, &query("ping", "")), &mut kept));
    antenna.tick(changed + MINUTE, &mut kept);
    let queries = kept.sent.iter().filter(|(_, _, packet)| decode(packet).kind == Kind::Query).count();
    assert_eq!(queries, 1);
}

#[test]
fn a_node_that_asks_is_asked_back_and_kept() {
    let mut network = Network::new(antenna(&[LOOPBACK], 16, 1), 20);
    let (&node, &id) = network.nodes.iter().next().expect("a node");
    let mut payload = b"d1:ad2:id20:".to_vec();
    payload.extend_from_slice(&id.0);
    payload.extend_from_slice(b"e1:q4:ping1:t2:aa1:y1:qe");
    let datagram = Datagram { ts: START, socket: 3, source: node, payload: &payload, ttl: None };
    network.antenna.receive(START, &datagram, &mut Kept::default());
    assert_eq!(network.antenna.nodes(), 0, "not before it has answered");
    network.pass(10 * SECOND);
    assert!(!network.antenna.presences[3].table.is_empty());
    assert_eq!(network.asked[0].1, node);
}

#[test]
fn a_read_only_node_is_left_alone() {
    let mut network = Network::new(antenna(&[LOOPBACK], 1, 1), 0);
    let payload = b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping2:roi1e1:t2:aa1:y1:qe";
    network.antenna.receive(START, &from(1, payload), &mut Kept::default());
    network.pass(MINUTE);
    assert!(network.asked.is_empty());
}

#[test]
fn nodes_from_before_replace_the_bootstrap_hosts() {
    let mut network = Network::new(antenna(&[LOOPBACK], 32, 1), 200);
    let host = *network.nodes.keys().next().expect("a node");
    network.antenna.add_bootstrap(vec![host]);
    network.pass(10 * MINUTE);
    let good = network.antenna.good_nodes(1000);
    assert!(good.len() >= 32, "{} nodes", good.len());
    assert!(good.iter().all(|node| network.nodes.get(&node.addr) == Some(&node.id)));

    let mut network = Network::new(antenna(&[LOOPBACK], 32, 1), 200);
    network.antenna.set_deny(deny(&host.ip().to_string()));
    network.antenna.recall(&good);
    network.pass(5 * MINUTE);
    for presence in &network.antenna.presences {
        assert!(presence.table.len() >= 8, "{} nodes", presence.table.len());
    }
    assert!(!network.asked.iter().any(|(_, to, _)| *to == host), "nodes on the deny list stay out");
}

/// A deny list of these lines.
fn deny(lines: &str) -> DenyList {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), lines).expect("written");
    DenyList::load(file.path()).expect("a list")
}

#[test]
fn who_is_denied_is_counted_and_nothing_else() {
    let mut antenna = antenna(&[LOOPBACK], 1, 1);
    antenna.set_deny(deny("127.1.0.8/29"));
    let mut kept = Kept::default();
    for ip in 0..32 {
        antenna.receive(START, &from(ip, &query("ping", "")), &mut kept);
        antenna.receive(START, &from(ip, b"garbage"), &mut kept);
    }
    assert_eq!((kept.events.len(), kept.sent.len()), (48, 24));
    assert_eq!((antenna.counters().denied, antenna.counters().events), (16, 48));
    assert_eq!(antenna.counters().unaccounted(), 0);
}

#[test]
fn who_is_denied_is_forgotten_and_not_asked_again() {
    let mut network = Network::new(antenna(&[LOOPBACK], 16, 1), 100);
    let host = *network.nodes.keys().next().expect("a node");
    network.antenna.add_bootstrap(vec![host]);
    network.pass(10 * MINUTE);
    let is_denied = |addr: &SocketAddr| addr.ip() == host.ip() || addr.ip() < Ipv4Addr::new(127, 2, 64, 0);
    assert!(network.asked.iter().any(|(_, to, _)| is_denied(to)));
    network.antenna.set_deny(deny(&format!("127.2.0.0/18\n{}", host.ip())));
    network.asked.clear();
    network.pass(HOUR);
    assert!(!network.asked.is_empty());
    assert!(!network.asked.iter().any(|(_, to, _)| is_denied(to)));
    let mut found = Vec::new();
    for presence in &network.antenna.presences {
        presence.table.closest(network.now, &presence.id.get(), &mut found);
        assert!(!found.iter().any(|contact| is_denied(&contact.addr)));
    }
    network.antenna.set_deny(DenyList::default());
    network.pass(HOUR);
    assert!(network.asked.iter().any(|(_, to, _)| is_denied(to)), "and asked again when it may be");
}

#[test]
fn ids_rotate_and_their_nodes_stay() {
    let mut network = Network::new(antenna(&[LOOPBACK], 16, 1), 100);
    let host = *network.nodes.keys().next().expect("a node");
    network.antenna.add_bootstrap(vec![host]);
    network.pass(10 * MINUTE);
    let before: Vec<_> = network.antenna.presences.iter().map(|presence| presence.id).collect();
    let nodes = network.antenna.nodes();
    network.now += 13 * HOUR;
    network.antenna.tick(network.now, &mut Kept::default());
    for (number, presence) in (0..).zip(&network.antenna.presences) {
        assert_ne!(presence.id, before[usize::from(number)]);
        assert_eq!(presence.id, network.antenna.keyspace.id(number, network.now));
        assert!(network.antenna.is_own(&before[usize::from(number)].get()));
    }
    assert!(network.antenna.nodes() * 2 > nodes, "most nodes fit around the new id as well");
}

#[test]
fn a_clock_that_is_set_back_holds_nothing_up() {
    let mut network = Network::new(antenna(&[LOOPBACK], 4, 1), 20);
    let host = *network.nodes.keys().next().expect("a node");
    network.antenna.add_bootstrap(vec![host]);
    network.pass(MINUTE);
    assert!(network.antenna.nodes() > 0);
    network.now -= 24 * HOUR;
    let before = network.asked.len();
    network.pass(20 * MINUTE);
    assert!(network.asked.len() > before, "ranges are asked for again");
    network.nodes.clear();
    network.pass(20 * MINUTE);
    assert_eq!(network.antenna.nodes(), 0, "nodes that are gone are forgotten");
}

#[test]
fn a_node_that_answers_with_errors_is_forgotten_like_one_that_is_silent() {
    for answer in ["1:eli202e5:Errore1:t4:TTTT1:y1:e", "1:rd2:id5:shorte1:t4:TTTT1:y1:r"] {
        let mut network = Network::new(antenna(&[LOOPBACK], 1, 1), 20);
        network.antenna.add_bootstrap(network.nodes.keys().copied().collect());
        network.pass(MINUTE);
        assert!(network.antenna.nodes() > 0);
        network.nodes.clear();
        for _ in 0..20 * 60 * 10 {
            network.now += SECOND / 10;
            let mut kept = Kept::default();
            network.antenna.tick(network.now, &mut kept);
            for (socket, source, packet) in kept.sent {
                let mut payload = format!("d{answer}e").into_bytes();
                let at = payload.windows(4).position(|window| window == b"TTTT").expect("a place");
                payload[at..at + 4].copy_from_slice(decode(&packet).transaction.expect("a transaction id"));
                let datagram = Datagram { ts: network.now, socket, source, payload: &payload, ttl: None };
                network.antenna.receive(network.now, &datagram, &mut Kept::default());
            }
        }
        assert_eq!(network.antenna.nodes(), 0, "{answer}");
        let counters = network.antenna.counters();
        assert!(counters.errors_matched + counters.responses_matched > 0);
    }
}

#[test]
fn who_sends_garbage_is_not_asked() {
    let mut network = Network::new(antenna(&[LOOPBACK], 1, 1), 0);
    let mut garbage = query("ping", "");
    garbage.pop();
    network.antenna.receive(START, &from(1, &garbage), &mut Kept::default());
    network.pass(MINUTE);
    assert!(network.asked.is_empty());
}

#[test]
fn a_socket_of_ours_is_no_node_whatever_id_it_is_said_to_have() {
    let mut network = Network::new(antenna(&[LOOPBACK], 2, 1), 0);
    let source = network.antenna.keyspace.sockets()[1];
    let payload = query("ping", "");
    let datagram = Datagram { source, ..from(1, &payload) };
    network.antenna.receive(START, &datagram, &mut Kept::default());
    network.antenna.recall(&[Contact { id: Id([7; 20]), addr: source }]);
    network.pass(MINUTE);
    assert!(network.asked.is_empty());
}

#[test]
fn a_bootstrap_host_that_is_out_of_reach_is_not_asked() {
    for (local, host) in [("127.0.0.1", "8.8.8.8:6881"), ("203.0.113.1", "10.0.0.1:6881")] {
        let mut network = Network::new(antenna(&[local.parse().expect("an address")], 2, 1), 0);
        network.antenna.add_bootstrap(vec![host.parse().expect("an address")]);
        network.pass(5 * MINUTE);
        assert!(network.asked.is_empty(), "{local} asked {host}");
    }
}

#[test]
fn an_answer_is_sent_in_one_piece_or_not_at_all() {
    let mut antenna = antenna(&[LOOPBACK], 1, 1);
    let ping = |length: usize| {
        let transaction = "x".repeat(length);
        format!("d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t{length}:{transaction}1:y1:qe").into_bytes()
    };
    assert!(ask(&mut antenna, 1, &ping(1000)).is_some());
    assert_eq!(ask(&mut antenna, 1, &ping(2000)), None);
    assert_eq!(antenna.counters().events_unanswerable, 1);
}

#[test]
fn presences_of_the_internet_name_no_nodes_of_this_host() {
    let mut antenna = antenna(&[LOOPBACK, "2001:db8::1".parse().expect("an address")], 1, 1);
    let node = Contact { id: Id([7; 20]), addr: "127.9.9.9:1".parse().expect("an address") };
    antenna.presences[0].table.answered(START, node);
    let payload = query("find_node", &format!("{TARGET}4:wantl2:n4e"));
    let source = "[2a00::1]:6881".parse().expect("an address");
    let mut kept = Kept::default();
    antenna.receive(START, &Datagram { socket: 1, source, ..from(1, &payload) }, &mut kept);
    assert_eq!(decode(&kept.sent[0].2).nodes, Some(&b""[..]));
}

/// Bytes that look like KRPC more often than chance would have it.
fn datagrams() -> impl Strategy<Value = Vec<u8>> {
    let method = prop::sample::select(vec![
        "ping",
        "find_node",
        "get_peers",
        "announce_peer",
        "get",
        "put",
        "sample_infohashes",
        "vote",
        "",
    ]);
    let arguments = prop::sample::select(vec![
        "",
        HASH,
        TARGET,
        "6:target20:mnopqrstuvwxyz1234564:wantl2:n42:n6e",
        "4:porti99999e",
        "5:token1:x",
    ]);
    let transaction = prop::collection::vec(any::<u8>(), 0..40);
    let known = (method, arguments, transaction, any::<[u8; 20]>()).prop_map(
        |(method, arguments, transaction, id)| {
            let mut bytes = b"d1:ad2:id20:".to_vec();
            bytes.extend_from_slice(&id);
            bytes.extend_from_slice(
                format!("{arguments}e1:q{}:{method}1:t{}:", method.len(), transaction.len()).as_bytes(),
            );
            bytes.extend_from_slice(&transaction);
            bytes.extend_from_slice(b"1:y1:qe");
            bytes
        },
    );
    let answer = (any::<[u8; 20]>(), any::<[u8; 4]>(), prop::collection::vec(any::<u8>(), 0..120)).prop_map(
        |(id, transaction, nodes)| {
            let mut bytes = b"d1:rd2:id20:".to_vec();
            bytes.extend_from_slice(&id);
            bytes.extend_from_slice(format!("5:nodes{}:", nodes.len()).as_bytes());
            bytes.extend_from_slice(&nodes);
            bytes.extend_from_slice(b"e1:t4:");
            bytes.extend_from_slice(&transaction);
            bytes.extend_from_slice(b"1:y1:re");
            bytes
        },
    );
    prop_oneof![8 => known, 2 => answer, 1 => prop::collection::vec(any::<u8>(), 0..200)]
}

/// `packet`, sent from `socket`, is a ping or a find_node for an id of ours, under one of that socket.
fn check_query(antenna: &Antenna, socket: usize, packet: &[u8]) -> Result<(), TestCaseError> {
    let sent = decode(packet);
    let ids: Vec<_> = antenna.presences.iter().map(|presence| presence.id.get()).collect();
    prop_assert_eq!(sent.kind, Kind::Query);
    let at = ids.iter().position(|id| Some(*id) == sent.id);
    prop_assert!(at.is_some_and(|at| antenna.presences[at].socket == socket));
    match sent.method {
        Some(b"ping") => prop_assert_eq!(sent.target, None),
        Some(b"find_node") => prop_assert!(sent.target.is_some_and(|target| ids.contains(&target))),
        other => prop_assert!(false, "sent {:?}", other),
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn whatever_arrives_only_answers_pings_and_find_nodes_for_own_ids_leave(
        steps in prop::collection::vec((datagrams(), 0usize..8, 0u32..40, 0..30 * SECOND), 1..120),
        ids_per_port in prop::sample::select(vec![1u8, 4]),
    ) {
        let mut antenna = antenna(&[LOOPBACK], 8, ids_per_port);
        let mut now = START;
        for (payload, socket, ip, pause) in &steps {
            let datagram = Datagram { socket: *socket, ..from(*ip, payload) };
            let mut kept = Kept::default();
            antenna.receive(now, &datagram, &mut kept);
            let asked = decode(payload);
            let (answers, queries) = kept.sent.split_at(kept.sent.len().min(1));
            for (from, to, packet) in answers {
                let sent = decode(packet);
                prop_assert_eq!(sent.flaw, None);
                prop_assert!(matches!(sent.kind, Kind::Response | Kind::Error));
                prop_assert!(!asked.flaw.is_some_and(Flaw::forbids_an_answer));
                prop_assert_eq!(sent.transaction, asked.transaction);
                prop_assert_eq!((*from, *to), (*socket, datagram.source));
                prop_assert!(packet.len() + 28 <= 3 * (payload.len() + 28));
                prop_assert!(sent.nodes.unwrap_or_default().len().is_multiple_of(26));
                prop_assert!(sent.nodes6.unwrap_or_default().len().is_multiple_of(38));
            }
            // Behind an answer under a new id.
            prop_assert!(queries.len() <= 1);
            for (from, to, packet) in queries {
                prop_assert_eq!((*from, *to), (*socket, datagram.source));
                prop_assert_eq!(decode(packet).id, decode(&answers[0].2).id);
                check_query(&antenna, *from, packet)?;
            }
            now += pause;
            let mut kept = Kept::default();
            antenna.tick(now, &mut kept);
            for (from, _, packet) in &kept.sent {
                check_query(&antenna, *from, packet)?;
            }
            prop_assert_eq!(antenna.counters().unaccounted(), 0);
        }
    }
}
