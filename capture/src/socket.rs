//! UDP sockets: what the kernel knows about a datagram comes with it.
//!
//! Every datagram is read with its kernel timestamp, its remaining hops, and the number of
//! datagrams that the socket has dropped for want of buffer. What waits at a socket is read with one
//! call to the kernel, and what is to leave it goes out with one.

use crate::clock::{Micros, SECOND};
use crate::counters::SocketCounters;
use crate::krpc::Packet;
use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, MsgFlags, MultiHeaders, RecvMsg, SockFlag, SockType, SockaddrStorage,
    bind, recvmmsg, sendmmsg, setsockopt, socket, sockopt,
};
use nix::sys::time::TimeSpec;
use std::cell::Cell;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// The longest UDP payload fits, so a datagram is never cut and its length is the true one.
const BUFFER: usize = 1 << 16;
/// Datagrams read from one socket before the others get their turn, and the most packets that one call
/// sends.
const BATCH: usize = 16;

/// Stands for a source that nobody could answer.
const UNKNOWN: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0);

// Everything we send fits every path in one piece. Said to the kernel, it spares it a number for
// reassembly, which it looks up by destination: 7 % of the receiving thread's time in a crowd.
nix::setsockopt_impl!(MtuDiscovery, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, i32, sockopt::SetStruct<i32>);

/// `IP_MTU_DISCOVER`, which nix has no name for.
#[derive(Clone, Copy)]
struct MtuDiscovery;

/// A socket cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {addr}: {cause}; {advice}")]
pub struct BindError {
    /// Address and port.
    pub addr: SocketAddr,
    /// What the system said.
    pub cause: io::Error,
    /// What to do about it.
    pub advice: String,
}

/// One bound socket.
pub struct Socket {
    udp: AsyncFd<UdpSocket>,
    local: SocketAddr,
    receive_buffer: usize,
    /// The kernel's count of drops when it last told.
    drops: Cell<u32>,
}

/// What came with a datagram.
#[derive(Clone, Copy, Debug)]
pub struct Received {
    /// Length of the payload.
    length: usize,
    /// Who sent it.
    pub source: SocketAddr,
    /// When the kernel received it, by its wall clock.
    pub ts: Option<Micros>,
    /// Time to live or hop limit.
    pub ttl: Option<u8>,
    /// Datagrams dropped at this socket since it last told.
    pub dropped: u32,
}

/// What was read last; all sockets share it.
pub struct Inbox {
    /// [`BATCH`] times [`BUFFER`] bytes, of which the system provides what was ever written to:
    /// datagrams of real clients take one page each.
    payloads: Box<[u8]>,
    received: Vec<Received>,
}

impl Default for Inbox {
    fn default() -> Self {
        Self { payloads: vec![0; BATCH * BUFFER].into_boxed_slice(), received: Vec::new() }
    }
}

impl Inbox {
    /// The datagrams, in the order in which the socket received them.
    pub fn datagrams(&self) -> impl Iterator<Item = (&Received, &[u8])> {
        let payloads = self.payloads.chunks_exact(BUFFER);
        self.received.iter().zip(payloads).map(|(received, payload)| (received, &payload[..received.length]))
    }
}

/// Packets that wait to leave one socket together.
pub struct Outbox {
    /// Their bytes, one after the other.
    bytes: Vec<u8>,
    /// Where each of them ends.
    ends: Vec<usize>,
    to: Vec<Option<SockaddrStorage>>,
    headers: MultiHeaders<SockaddrStorage>,
}

impl Default for Outbox {
    fn default() -> Self {
        let headers = MultiHeaders::preallocate(BATCH, None);
        Self { bytes: Vec::new(), ends: Vec::new(), to: Vec::new(), headers }
    }
}

impl Outbox {
    /// Adds a packet.
    pub fn push(&mut self, to: SocketAddr, packet: Packet<'_>) {
        self.bytes.extend_from_slice(packet.as_bytes());
        self.ends.push(self.bytes.len());
        self.to.push(Some(to.into()));
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.udp.get_ref().as_fd()
    }
}

impl Socket {
    /// Binds `local` and asks for a receive buffer of `receive_buffer` bytes. Must run inside a
    /// tokio runtime.
    ///
    /// # Errors
    /// When the address cannot be bound; the message says what to do.
    pub fn bind(local: SocketAddr, receive_buffer: usize) -> Result<Self, BindError> {
        let open = || -> io::Result<Self> {
            let family = if local.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
            let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
            let fd = socket(family, SockType::Datagram, flags, None)?;
            setsockopt(&fd, sockopt::RcvBuf, &receive_buffer)?;
            setsockopt(&fd, sockopt::ReceiveTimestampns, &true)?;
            setsockopt(&fd, sockopt::RxqOvfl, &1)?;
            if local.is_ipv4() {
                setsockopt(&fd, sockopt::Ipv4RecvTtl, &true)?;
                setsockopt(&fd, MtuDiscovery, &libc::IP_PMTUDISC_PROBE)?;
            } else {
                // So that `0.0.0.0` and `::` can be bound side by side.
                setsockopt(&fd, sockopt::Ipv6V6Only, &true)?;
                setsockopt(&fd, sockopt::Ipv6RecvHopLimit, &true)?;
            }
            bind(fd.as_raw_fd(), &SockaddrStorage::from(local))?;
            // The kernel doubles what was asked for, to make room for its own records.
            let granted = nix::sys::socket::getsockopt(&fd, sockopt::RcvBuf)? / 2;
            // Nobody waits until a packet can be sent, so the kernel need not tell when one was.
            #[expect(
                deprecated,
                reason = "sound for a socket that owns its descriptor; its successor is unsafe"
            )]
            let udp = AsyncFd::with_interest(UdpSocket::from(fd), Interest::READABLE)?;
            Ok(Self { udp, local, receive_buffer: granted, drops: Cell::new(0) })
        };
        open().map_err(|cause| BindError { addr: local, advice: advice(&cause, local), cause })
    }

    /// The address and port that it is bound to.
    #[must_use]
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// The receive buffer that the kernel granted, bytes.
    #[must_use]
    pub fn receive_buffer(&self) -> usize {
        self.receive_buffer
    }

    /// Calls `read` whenever there may be something to read, until the runtime shuts down. It says
    /// whether there may be more: then the other sockets have their turn first.
    pub async fn attend(&self, mut read: impl FnMut() -> bool) {
        while let Ok(mut readiness) = self.udp.readable().await {
            if read() {
                tokio::task::yield_now().await;
            } else {
                // The runtime learns of what comes next without another look.
                readiness.clear_ready();
            }
        }
    }

    /// Reads up to [`BATCH`] datagrams without waiting; says whether there may be more.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when there is none.
    pub fn receive(&self, inbox: &mut Inbox) -> io::Result<bool> {
        // Made anew every time: the kernel leaves in them how much room the last datagrams needed, and
        // would cut what comes with the next ones down to that.
        let control = nix::cmsg_space!(TimeSpec, u32, i32);
        let mut headers = MultiHeaders::<SockaddrStorage>::preallocate(BATCH, Some(control));
        let payloads = inbox.payloads.chunks_exact_mut(BUFFER);
        let mut slices: Vec<_> = payloads.map(|payload| [IoSliceMut::new(payload)]).collect();
        let (fd, flags) = (self.udp.as_raw_fd(), MsgFlags::MSG_DONTWAIT);
        inbox.received.clear();
        let messages = recvmmsg(fd, &mut headers, &mut slices, flags, None)?;
        inbox.received.extend(messages.map(|message| self.read(&message)));
        Ok(inbox.received.len() == BATCH)
    }

    fn read(&self, message: &RecvMsg<'_, '_, SockaddrStorage>) -> Received {
        let address = message.address.as_ref();
        let v4 = address.and_then(|address| address.as_sockaddr_in()).map(|&v4| SocketAddr::V4(v4.into()));
        let v6 = address.and_then(|address| address.as_sockaddr_in6()).map(|&v6| SocketAddr::V6(v6.into()));
        // The kernel names the source of every datagram. Without one it is recorded, but not answered.
        let source = v4.or(v6).unwrap_or(SocketAddr::V4(UNKNOWN));
        let mut received = Received { length: message.bytes, source, ts: None, ttl: None, dropped: 0 };
        // Without what came beside it a datagram is still a datagram.
        for control in message.cmsgs().into_iter().flatten() {
            match control {
                ControlMessageOwned::ScmTimestampns(time) => {
                    received.ts = Some(time.tv_sec() * SECOND + time.tv_nsec() / 1000);
                }
                ControlMessageOwned::Ipv4Ttl(hops) | ControlMessageOwned::Ipv6HopLimit(hops) => {
                    received.ttl = u8::try_from(hops).ok();
                }
                ControlMessageOwned::RxqOvfl(total) => received.dropped = self.note_drops(total),
                _ => {}
            }
        }
        received
    }

    /// Sends what is in `outbox`, which is empty then, without waiting, and counts what the kernel took
    /// and what it did not.
    pub fn send(&self, outbox: &mut Outbox, counters: &mut SocketCounters) {
        let Outbox { bytes, ends, to, headers } = outbox;
        let mut start = 0;
        let slices: Vec<_> =
            ends.iter().map(|&end| [IoSlice::new(&bytes[std::mem::replace(&mut start, end)..end])]).collect();
        let mut done = 0;
        while done < slices.len() {
            let (rest, to) = (&slices[done..], &to[done..]);
            match sendmmsg(self.udp.as_raw_fd(), headers, rest, to, [], MsgFlags::MSG_DONTWAIT) {
                Ok(sent) => {
                    for message in sent {
                        done += 1;
                        counters.bytes_sent += message.bytes as u64;
                    }
                }
                // It is the first one that the kernel refuses.
                Err(_) => {
                    done += 1;
                    counters.sends_failed += 1;
                }
            }
        }
        bytes.clear();
        ends.clear();
        to.clear();
    }

    /// Number under which the kernel lists this socket in `/proc/net/udp`.
    fn inode(&self) -> Option<u64> {
        nix::sys::stat::fstat(self.udp.get_ref()).ok().map(|stat| stat.st_ino)
    }

    /// Drops since the socket last told, of `total` drops in all. A datagram tells of those before it was
    /// queued; `/proc/net/udp` may have told of more since.
    fn note_drops(&self, total: u32) -> u32 {
        let new = total.wrapping_sub(self.drops.get());
        if new > u32::MAX / 2 {
            return 0;
        }
        self.drops.set(total);
        new
    }
}

/// Drops at `sockets` that no datagram has told of yet. A socket tells only with the next datagram
/// it receives, so the last burst before the end would go unnoticed.
#[must_use]
pub fn untold_drops(sockets: &[Socket]) -> u64 {
    let mut untold = 0;
    for table in ["/proc/net/udp", "/proc/net/udp6"] {
        // Without these files the sockets' own word has to do.
        let Ok(text) = std::fs::read_to_string(table) else { continue };
        let listed: Vec<_> = text.lines().skip(1).filter_map(inode_and_drops).collect();
        for socket in sockets {
            let inode = socket.inode();
            if let Some((_, drops)) = listed.iter().find(|(listed, _)| Some(*listed) == inode) {
                untold += u64::from(socket.note_drops(*drops));
            }
        }
    }
    untold
}

/// Columns 10 and 13 of a line of `/proc/net/udp`.
fn inode_and_drops(line: &str) -> Option<(u64, u32)> {
    let mut columns = line.split_whitespace();
    Some((columns.nth(9)?.parse().ok()?, columns.nth(2)?.parse().ok()?))
}

/// What to do when `local` cannot be bound.
fn advice(error: &io::Error, local: SocketAddr) -> String {
    let port = local.port();
    match error.kind() {
        io::ErrorKind::AddrInUse => format!(
            "another capture or a BitTorrent client holds the port (`ss -lunp sport = :{port}` names it): \
             stop it, or leave the port out of --ports"
        ),
        io::ErrorKind::AddrNotAvailable => {
            "no interface of this host has that address: correct --bind (`ip address` lists them)".to_owned()
        }
        io::ErrorKind::PermissionDenied => {
            "ports below 1024 need privileges: leave the port out of --ports".to_owned()
        }
        _ if error.raw_os_error() == Some(Errno::EMFILE as i32) => {
            "too many files are open: raise the limit with `ulimit -n 4096`, or give fewer --ports".to_owned()
        }
        _ => "correct --bind and --ports".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::time::Duration;

    #[test]
    fn lines_of_the_kernel_are_read() {
        let line = "   14: 0200007F:1AE1 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        \
                    0 3541 2 00000000ed2b21d5 17";
        assert_eq!(inode_and_drops(line), Some((3541, 17)));
    }

    fn socket() -> (Socket, SocketAddr) {
        let socket = Socket::bind("127.0.0.1:0".parse().expect("an address"), 1 << 16).expect("bound");
        let local = socket.udp.get_ref().local_addr().expect("an address");
        (socket, local)
    }

    fn payloads(inbox: &Inbox) -> Vec<Vec<u8>> {
        inbox.datagrams().map(|(_, payload)| payload.to_vec()).collect()
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_datagram_comes_with_time_and_hops() {
        let (socket, local) = socket();
        assert!(socket.receive_buffer() > 0);
        let sender = UdpSocket::bind("127.0.0.1:0").expect("bound");
        sender.send_to(b"hello", local).expect("sent");
        let mut inbox = Inbox::default();
        socket.receive(&mut inbox).expect("a datagram");
        assert_eq!(payloads(&inbox), [b"hello"]);
        let (received, _) = inbox.datagrams().next().expect("a datagram");
        assert_eq!(received.source, sender.local_addr().expect("an address"));
        assert_eq!(received.ttl, Some(64));
        assert!(received.ts.is_some_and(|ts| (crate::clock::now() - ts).abs() < 10 * SECOND));
        let taken = Socket::bind(local, 1 << 16).err().expect("in use").to_string();
        assert!(taken.contains(&local.to_string()) && taken.contains("ss -lunp"), "{taken}");
        assert_eq!(untold_drops(&[socket]), 0);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn what_waits_is_read_in_order_whole_and_no_more_than_a_batch_at_once() {
        let (socket, local) = socket();
        let sender = UdpSocket::bind("127.0.0.1:0").expect("bound");
        let longest = vec![b'x'; 65_507];
        sender.send_to(&longest, local).expect("sent");
        let mut inbox = Inbox::default();
        socket.receive(&mut inbox).expect("a datagram");
        assert_eq!(payloads(&inbox), [longest]);

        let sent: Vec<Vec<u8>> = (0..BATCH as u8 + 1).map(|i| vec![i; usize::from(i)]).collect();
        for payload in &sent {
            sender.send_to(payload, local).expect("sent");
        }
        assert!(socket.receive(&mut inbox).expect("a batch"));
        assert_eq!(payloads(&inbox), sent[..BATCH]);
        assert!(!socket.receive(&mut inbox).expect("the rest"));
        assert_eq!(payloads(&inbox), sent[BATCH..]);
        let none = socket.receive(&mut inbox).expect_err("nothing is left");
        assert_eq!(none.kind(), io::ErrorKind::WouldBlock);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn after_an_emptied_socket_the_next_datagram_is_noticed() {
        let (socket, local) = socket();
        let sender = UdpSocket::bind("127.0.0.1:0").expect("bound");
        let mut inbox = Inbox::default();
        let (batches, mut turns) = tokio::sync::mpsc::unbounded_channel();
        let read = || {
            let received = socket.receive(&mut inbox);
            if received.is_ok() {
                batches.send(payloads(&inbox)).expect("the test listens");
            }
            received.unwrap_or(false)
        };
        let talk = async {
            for _ in 0..3 {
                sender.send_to(b"again", local).expect("sent");
                assert_eq!(turns.recv().await, Some(vec![b"again".to_vec()]));
            }
        };
        tokio::select! {
            () = socket.attend(read) => {}
            talked = tokio::time::timeout(Duration::from_secs(10), talk) => talked.expect("all are noticed"),
        }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_flooded_socket_starves_no_other() {
        let (flooded, other) = (socket(), socket());
        let sender = UdpSocket::bind("127.0.0.1:0").expect("bound");
        for _ in 0..10 * BATCH {
            sender.send_to(b"flood", flooded.1).expect("sent");
        }
        sender.send_to(b"query", other.1).expect("sent");
        let inbox = RefCell::new(Inbox::default());
        let (batches, turns) = tokio::sync::mpsc::unbounded_channel();
        let attend = async |socket: &Socket| {
            let read = || {
                let received = socket.receive(&mut inbox.borrow_mut());
                if received.is_ok() {
                    batches.send(payloads(&inbox.borrow())).expect("the test listens");
                }
                received.unwrap_or(false)
            };
            socket.attend(read).await;
        };
        let mut turns = turns;
        let first_query = async {
            let mut turn = 0;
            while turns.recv().await.is_some_and(|batch| batch[0] != b"query") {
                turn += 1;
            }
            turn
        };
        tokio::select! {
            () = attend(&flooded.0) => {}
            () = attend(&other.0) => {}
            turn = first_query => assert!(turn <= 2, "it came after {turn} batches of the flood"),
        }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn drops_are_told_with_the_first_datagram_that_was_queued_after_them() {
        let (socket, local) = socket();
        let sender = UdpSocket::bind("127.0.0.1:0").expect("bound");
        let mut inbox = Inbox::default();
        let (mut received, mut dropped) = (0, 0);
        let mut take = |inbox: &mut Inbox| {
            while socket.receive(inbox).is_ok() {
                received += inbox.datagrams().count();
                dropped += inbox.datagrams().map(|(received, _)| received.dropped as usize).sum::<usize>();
            }
        };
        let sent = 2000;
        for _ in 0..sent {
            sender.send_to(&[0; 512], local).expect("sent");
        }
        take(&mut inbox);
        sender.send_to(b"and now?", local).expect("sent");
        take(&mut inbox);
        assert!(dropped > 0, "the receive buffer holds fewer than {sent} datagrams");
        assert_eq!(received + dropped, sent + 1);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn datagrams_that_waited_while_their_socket_was_asked_tell_no_drop_twice() {
        let (socket, local) = socket();
        let sender = UdpSocket::bind("127.0.0.1:0").expect("bound");
        let sockets = [socket];
        let mut inbox = Inbox::default();
        let (mut received, mut dropped) = (0, 0);
        let sent = 2000;
        // The second time the datagrams that wait tell of the drops of the first.
        for _ in 0..2 {
            for _ in 0..sent {
                sender.send_to(&[0; 512], local).expect("sent");
            }
            dropped += untold_drops(&sockets);
            while sockets[0].receive(&mut inbox).is_ok() {
                received += inbox.datagrams().count() as u64;
                dropped += inbox.datagrams().map(|(received, _)| u64::from(received.dropped)).sum::<u64>();
            }
        }
        assert!(dropped > 0, "the receive buffer holds fewer than {sent} datagrams");
        assert_eq!(received + dropped, 2 * sent);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn packets_leave_together_and_one_that_cannot_is_counted() {
        let (socket, _) = socket();
        let receiver = UdpSocket::bind("127.0.0.1:0").expect("bound");
        let to = receiver.local_addr().expect("an address");
        let own_id = crate::keyspace::Keyspace::new("s", &[to.ip()], &[1], 1, 0.0).expect("valid").id(0, 0);
        let mut encoder = crate::krpc::Encoder::default();
        let mut outbox = Outbox::default();
        let unroutable = "[2001:db8::1]:1".parse().expect("an address");
        for (transaction, to) in [(1, to), (2, unroutable), (3, to)] {
            let ping = crate::krpc::Outbound::Ping { transaction: [transaction; 4], id: own_id };
            outbox.push(to, encoder.encode(&ping));
        }
        let mut counters = SocketCounters::default();
        socket.send(&mut outbox, &mut counters);
        assert_eq!(counters.sends_failed, 1, "IPv6 from an IPv4 socket");
        let mut received = 0;
        for transaction in [1, 3] {
            let mut buffer = [0; 100];
            let length = receiver.recv(&mut buffer).expect("a packet");
            received += length as u64;
            let message = crate::krpc::decode(&buffer[..length]);
            assert_eq!(message.transaction, Some(&[transaction; 4][..]));
        }
        socket.send(&mut outbox, &mut counters);
        assert_eq!((counters.bytes_sent, counters.sends_failed), (received, 1), "it was empty");
    }
}
