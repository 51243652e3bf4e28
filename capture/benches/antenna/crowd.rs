//! Many remote nodes in one socket: every query goes out from another address of 127.0.0.0/8.

use anyhow::{Context as _, ensure};
use nix::libc::{in_addr, in_pktinfo};
use nix::sys::socket::{ControlMessage, MsgFlags, SockaddrIn, sendmsg, setsockopt, sockopt};
use std::io::IoSlice;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::ops::RangeInclusive;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

/// Addresses that queries come from: so many that none of them uses up its budget of answers.
const SOURCES: u32 = 1 << 15;
/// The first of them.
const FIRST: Ipv4Addr = Ipv4Addr::new(127, 96, 0, 0);
/// Queries under way at once: for every socket that listens, and at least. Enough to keep the program
/// busy, few enough to fit the receive buffers, also that of a single socket.
const WINDOW_PER_SOCKET: u64 = 5;
const LEAST_WINDOW: u64 = 256;
/// Queries sent between two looks at the answers.
const BURST: u64 = 32;
/// Time until the answers are looked at again when there are none: a small part of the time that any
/// program takes for what is under way.
const PAUSE: Duration = Duration::from_micros(100);
/// Silence after which what is under way counts as lost.
const SILENCE: Duration = Duration::from_millis(500);
/// The longest that a phase may take.
const DEADLINE: Duration = Duration::from_secs(60);
/// Room for the answers that are not read yet, bytes.
const RECEIVE_BUFFER: usize = 4 << 20;

/// Where node id, infohash and transaction id stand in [`QUERY`].
const ID: usize = 12;
const INFO_HASH: usize = 46;
const TRANSACTION: usize = 86;
/// get_peers as libtorrent sends it.
const QUERY: &[u8; 106] = b"d1:ad2:id20:____________________9:info_hash20:\
____________________e1:q9:get_peers1:t4:____1:v4:LT\x02\x0b1:y1:qe";

/// The remote nodes.
pub struct Crowd {
    socket: UdpSocket,
    host: Ipv4Addr,
    ports: RangeInclusive<u16>,
    serial: u32,
}

/// What came of a conversation.
pub struct Run {
    /// Queries sent.
    pub sent: u64,
    /// Answers received.
    pub answered: u64,
    /// From the first query to the last answer.
    pub elapsed: Duration,
}

impl Crowd {
    /// Nodes that know who listens at `ports` of `host`.
    pub fn new(host: Ipv4Addr, ports: RangeInclusive<u16>) -> anyhow::Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).context("cannot bind")?;
        socket.set_nonblocking(true)?;
        // More than net.core.rmem_max takes privileges; what is granted without them does as well.
        if setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_BUFFER).is_err() {
            setsockopt(&socket, sockopt::RcvBuf, &RECEIVE_BUFFER)?;
        }
        Ok(Self { socket, host, ports, serial: 0 })
    }

    /// Sends `queries`, the next whenever an answer made room for it, and waits for the last answer.
    pub fn converse(&mut self, queries: u64) -> anyhow::Result<Run> {
        self.answers();
        let window = (WINDOW_PER_SOCKET * self.ports.len() as u64).max(LEAST_WINDOW);
        let start = Instant::now();
        let mut last = start;
        let (mut sent, mut answered, mut lost) = (0, 0, 0);
        while answered + lost < queries {
            let room = window.saturating_sub(sent - answered - lost);
            for _ in 0..room.min(BURST).min(queries - sent) {
                self.ask()?;
                sent += 1;
            }
            let answers = self.answers();
            answered += answers;
            if answers > 0 {
                last = Instant::now();
                // What was given up may have been late only.
                lost = lost.min(sent - answered);
            } else if last.elapsed() > SILENCE {
                lost = sent - answered;
                last = Instant::now();
            } else {
                // Other threads of the program have work for this processor.
                std::thread::sleep(PAUSE);
            }
            ensure!(start.elapsed() < DEADLINE, "only {answered} of {sent} queries were answered in time");
        }
        Ok(Run { sent, answered, elapsed: last - start })
    }

    /// Sends `queries` as fast as they leave; says how many did.
    pub fn flood(&mut self, queries: u64) -> anyhow::Result<u64> {
        let start = Instant::now();
        for sent in 0..queries {
            if start.elapsed() > DEADLINE {
                return Ok(sent);
            }
            self.ask()?;
        }
        Ok(queries)
    }

    /// Sends one query, from another address and to another port than the one before.
    fn ask(&mut self) -> anyhow::Result<()> {
        self.serial += 1;
        let source = (FIRST.to_bits() + self.serial % SOURCES).to_be_bytes();
        let port = self.ports.start() + (self.serial % self.ports.len() as u32) as u16;
        let mut query = *QUERY;
        // Ids and infohashes spread over the keyspace: Fibonacci hashing, the rest of them constant.
        let spread = |number: u32| u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
        query[ID..ID + 8].copy_from_slice(&spread(self.serial % SOURCES));
        query[INFO_HASH..INFO_HASH + 8].copy_from_slice(&spread(self.serial));
        query[TRANSACTION..TRANSACTION + 4].copy_from_slice(&self.serial.to_be_bytes());
        let from = in_pktinfo {
            ipi_ifindex: 0,
            ipi_spec_dst: in_addr { s_addr: u32::from_ne_bytes(source) },
            ipi_addr: in_addr { s_addr: 0 },
        };
        let to = SockaddrIn::from(SocketAddrV4::new(self.host, port));
        let from = [ControlMessage::Ipv4PacketInfo(&from)];
        let payload = [IoSlice::new(&query)];
        sendmsg(self.socket.as_raw_fd(), &payload, &from, MsgFlags::empty(), Some(&to))
            .context("a query could not be sent")?;
        Ok(())
    }

    /// Takes the datagrams that have arrived and counts those that are answers, echoes among them: the
    /// antenna and libtorrent ask as well.
    fn answers(&mut self) -> u64 {
        let mut answers = 0;
        let mut buffer = [0; 2048];
        while let Ok(length) = self.socket.recv(&mut buffer) {
            answers += u64::from(!buffer[..length].ends_with(b"1:y1:qe") || is_echo(&buffer[..length]));
        }
        answers
    }
}

/// Whether a query is one of ours, by the end of its sender's id.
fn is_echo(datagram: &[u8]) -> bool {
    datagram.get(ID + 8..ID + 20) == Some(&QUERY[ID + 8..ID + 20])
}
