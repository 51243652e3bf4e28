//! A world as datagrams: at a running `capture` over the loopback interface, or at an antenna in
//! memory. Meant for small worlds: every caller has a socket of its own.

use super::World;
use super::query::{TOKEN, write_datagram};
use anyhow::{Context, Result, ensure};
use capture::event::{Event, Short};
use capture::keyspace::Keyspace;
use capture::krpc::{Kind, Method, Packet, decode};
use capture::node::{Antenna, Datagram, Settings, Sink};
use schema::partition::Hour;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

/// Callers at most: each needs a socket, and 1,024 files is what a process may commonly open.
pub const MOST_CALLERS: usize = 800;
/// Datagrams at most.
pub const MOST_DATAGRAMS: usize = 20_000;
/// Time between two datagrams: slow enough for a sensor to answer each before the next.
const PACE: Duration = Duration::from_millis(1);
/// Time in which an answer must come.
const PATIENCE: Duration = Duration::from_secs(2);
/// Bytes in the longest answer.
const LONGEST: usize = 2048;

/// The address on the loopback interface that stands for `ip`: in 127.128.0.0/9, which leaves the
/// lower half to sensors.
#[must_use]
pub fn loopback(ip: IpAddr) -> IpAddr {
    let IpAddr::V4(ip) = ip else { return ip };
    let [_, second, third, fourth] = ip.octets();
    IpAddr::V4(Ipv4Addr::new(127, 128 + second / 2, third, fourth))
}

/// Tokens that were given out, by who got them and from which presence.
type Tokens = HashMap<(SocketAddr, u16), Vec<u8>>;

/// Hands every event of `hours`, with the datagram that it tells of, to `deliver`, which returns the
/// answer where there is one. Announces carry the tokens of earlier answers; an announce whose lookup
/// was not among the events has none, and its event says so. Returns what was handed over.
fn play(
    world: &World,
    keyspace: &Keyspace,
    hours: impl IntoIterator<Item = Hour>,
    place: impl Fn(IpAddr) -> IpAddr,
    mut deliver: impl FnMut(&Event, &[u8]) -> Result<Option<Vec<u8>>>,
) -> Result<Vec<Event>> {
    let mut tokens = Tokens::new();
    let (mut sent, mut datagram) = (Vec::new(), Vec::new());
    for hour in hours {
        let received = world.hour(hour);
        for query in &received.queries {
            let mut event = query.event(&received.callers[query.caller as usize], keyspace, &mut datagram);
            event.peer.set_ip(place(event.peer.ip()));
            let key = (event.peer, query.presence);
            if query.method == Method::AnnouncePeer {
                let token = tokens.get(&key);
                event.token_valid = Some(token.is_some());
                write_datagram(&event, token.map_or(&[0; TOKEN], Vec::as_slice), &mut datagram);
            }
            let answer = deliver(&event, &datagram)?;
            if let Some(token) = answer.as_deref().and_then(token) {
                tokens.insert(key, token.to_vec());
            }
            sent.push(event);
        }
    }
    Ok(sent)
}

/// The token in an answer of a sensor of ours.
fn token(answer: &[u8]) -> Option<&[u8]> {
    const KEY: &[u8] = b"5:token8:";
    let start = answer.windows(KEY.len()).position(|window| window == KEY)? + KEY.len();
    answer.get(start..start + TOKEN)
}

/// Sends what the sensor receives in `hours` to a sensor that listens at the sockets of `keyspace`, and
/// returns the events that it should have written, except for the time and what the network adds.
/// The sensor's limits per remote must be wide enough for hours that pass in seconds.
///
/// # Errors
/// When it is more than [`MOST_CALLERS`] or [`MOST_DATAGRAMS`], an address and port cannot be bound, or
/// a lookup is not answered.
pub fn send(world: &World, keyspace: &Keyspace, hours: impl IntoIterator<Item = Hour>) -> Result<Vec<Event>> {
    let mut sockets = HashMap::new();
    let mut left = MOST_DATAGRAMS;
    play(world, keyspace, hours, loopback, |event, datagram| {
        ensure!(left > 0, "more than {MOST_DATAGRAMS} datagrams: take fewer clients or hours");
        left -= 1;
        if !sockets.contains_key(&event.peer) {
            ensure!(
                sockets.len() < MOST_CALLERS,
                "more than {MOST_CALLERS} callers: take fewer clients or hours"
            );
            let socket =
                UdpSocket::bind(event.peer).with_context(|| format!("cannot send from {}", event.peer))?;
            socket.set_read_timeout(Some(PATIENCE))?;
            sockets.insert(event.peer, socket);
        }
        let presence = keyspace.sockets()[keyspace.socket_of(event.source_node)];
        let socket = &sockets[&event.peer];
        socket.send_to(datagram, presence).with_context(|| format!("cannot send to {presence}"))?;
        std::thread::sleep(PACE);
        if event.infohash.is_none() || event.announced_port.is_some() {
            return Ok(None);
        }
        answer(socket, event)
            .with_context(|| format!("no answer from {presence}: does a sensor with this seed listen there?"))
            .map(Some)
    })
}

/// The answer to `event`, other messages being skipped.
fn answer(socket: &UdpSocket, event: &Event) -> Result<Vec<u8>> {
    let mut buffer = [0; LONGEST];
    loop {
        let (length, _) = socket.recv_from(&mut buffer)?;
        let transaction = event.transaction_id.as_ref().map(Short::as_bytes);
        let message = decode(&buffer[..length]);
        if message.kind == Kind::Response && message.transaction == transaction {
            return Ok(buffer[..length].to_vec());
        }
    }
}

/// Hands what the sensor receives in `hours` to an antenna in memory, in the world's own time. Returns
/// the events that it should record, and those that it did.
///
/// # Errors
/// Never: nothing in memory refuses.
pub fn feed(
    world: &World,
    settings: Settings,
    hours: impl IntoIterator<Item = Hour>,
) -> Result<(Vec<Event>, Vec<Event>)> {
    let mut antenna = Antenna::new(world.keyspace.clone(), "world", settings, world.time().start);
    let mut outlet = Outlet::default();
    let sent = play(
        world,
        &world.keyspace,
        hours,
        |ip| ip,
        |event, datagram| {
            let received = Datagram {
                ts: event.ts,
                socket: world.keyspace.socket_of(event.source_node),
                source: event.peer,
                payload: datagram,
                ttl: event.ttl,
            };
            outlet.answer = None;
            antenna.receive(event.ts, &received, &mut outlet);
            Ok(outlet.answer.take())
        },
    )?;
    Ok((sent, outlet.events))
}

/// Keeps what an antenna records, and its last answer.
#[derive(Default)]
struct Outlet {
    events: Vec<Event>,
    answer: Option<Vec<u8>>,
}

impl Sink for Outlet {
    fn send(&mut self, _socket: usize, _to: SocketAddr, packet: Packet<'_>) {
        // An antenna also asks whom it has just met.
        if decode(packet.as_bytes()).kind == Kind::Response {
            self.answer = Some(packet.as_bytes().to_vec());
        }
    }

    fn record(&mut self, event: Event) {
        self.events.push(event);
    }
}
