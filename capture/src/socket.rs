//! UDP sockets: what the kernel knows about a datagram comes with it.
//!
//! Every datagram is read with its kernel timestamp, its remaining hops, and the number of
//! datagrams that the socket has dropped for want of buffer.

use crate::clock::{Micros, SECOND};
use crate::krpc::Packet;
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, MsgFlags, SockFlag, SockType, SockaddrStorage, bind, recvmsg,
    setsockopt, socket, sockopt,
};
use nix::sys::time::TimeSpec;
use std::cell::Cell;
use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsRawFd, RawFd};

/// The longest UDP payload fits, so a datagram is never cut and its length is the true one.
pub const BUFFER: usize = 1 << 16;

/// A socket cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {addr}: {cause}; {advice}")]
pub struct BindError {
    /// Address and port.
    pub addr: SocketAddr,
    /// What the system said.
    pub cause: io::Error,
    advice: String,
}

/// One bound socket.
pub struct Socket {
    udp: tokio::net::UdpSocket,
    local: SocketAddr,
    receive_buffer: usize,
    /// The kernel's count of drops when it last told.
    drops: Cell<u32>,
}

/// What came with a datagram.
#[derive(Clone, Copy, Debug)]
pub struct Received {
    /// Length of the payload.
    pub length: usize,
    /// Who sent it.
    pub source: SocketAddr,
    /// When the kernel received it, by its wall clock.
    pub ts: Option<Micros>,
    /// Time to live or hop limit.
    pub ttl: Option<u8>,
    /// Datagrams dropped at this socket since it last told.
    pub dropped: u32,
}

/// Buffers that all sockets share: one datagram is read at a time.
pub struct Buffers {
    payload: Box<[u8]>,
    control: Vec<u8>,
}

impl Default for Buffers {
    fn default() -> Self {
        Self { payload: vec![0; BUFFER].into_boxed_slice(), control: nix::cmsg_space!(TimeSpec, u32, i32) }
    }
}

impl Buffers {
    /// The first `length` bytes of the payload read last.
    #[must_use]
    pub fn payload(&self, length: usize) -> &[u8] {
        &self.payload[..length.min(BUFFER)]
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
            } else {
                // So that `0.0.0.0` and `::` can be bound side by side.
                setsockopt(&fd, sockopt::Ipv6V6Only, &true)?;
                setsockopt(&fd, sockopt::Ipv6RecvHopLimit, &true)?;
            }
            bind(fd.as_raw_fd(), &SockaddrStorage::from(local))?;
            // The kernel doubles what was asked for, to make room for its own records.
            let granted = nix::sys::socket::getsockopt(&fd, sockopt::RcvBuf)? / 2;
            let udp = tokio::net::UdpSocket::from_std(UdpSocket::from(fd))?;
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

    /// Waits until there may be something to read.
    ///
    /// # Errors
    /// When the runtime is shutting down.
    pub async fn readable(&self) -> io::Result<()> {
        self.udp.readable().await
    }

    /// Reads one datagram without waiting.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when there is none.
    pub fn receive(&self, buffers: &mut Buffers) -> io::Result<Received> {
        let fd = self.udp.as_raw_fd();
        let read = || receive(fd, buffers, &self.drops).map_err(io::Error::from);
        self.udp.try_io(tokio::io::Interest::READABLE, read)
    }

    /// Reads one datagram without waiting, whether or not the runtime knows of one.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when there is none.
    pub fn receive_at_once(&self, buffers: &mut Buffers) -> io::Result<Received> {
        receive(self.udp.as_raw_fd(), buffers, &self.drops).map_err(io::Error::from)
    }

    /// Sends one packet without waiting; says whether the kernel took it.
    pub fn send(&self, to: SocketAddr, packet: Packet<'_>) -> bool {
        self.udp.try_send_to(packet.as_bytes(), to).is_ok()
    }

    /// Number under which the kernel lists this socket in `/proc/net/udp`.
    fn inode(&self) -> Option<u64> {
        nix::sys::stat::fstat(&self.udp).ok().map(|stat| stat.st_ino)
    }

    /// Drops since the socket last told, of `total` drops in all.
    fn note_drops(&self, total: u32) -> u32 {
        note_drops(&self.drops, total)
    }
}

fn note_drops(known: &Cell<u32>, total: u32) -> u32 {
    total.wrapping_sub(known.replace(total))
}

fn receive(fd: RawFd, buffers: &mut Buffers, drops: &Cell<u32>) -> nix::Result<Received> {
    let mut payload = [IoSliceMut::new(&mut buffers.payload)];
    let message =
        recvmsg::<SockaddrStorage>(fd, &mut payload, Some(&mut buffers.control), MsgFlags::MSG_DONTWAIT)?;
    let address = message.address.ok_or(Errno::EAFNOSUPPORT)?;
    let source = match (address.as_sockaddr_in(), address.as_sockaddr_in6()) {
        (Some(v4), _) => SocketAddr::V4((*v4).into()),
        (_, Some(v6)) => SocketAddr::V6((*v6).into()),
        _ => return Err(Errno::EAFNOSUPPORT),
    };
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
            ControlMessageOwned::RxqOvfl(total) => received.dropped = note_drops(drops, total),
            _ => {}
        }
    }
    Ok(received)
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

    #[test]
    fn lines_of_the_kernel_are_read() {
        let line = "   14: 0200007F:1AE1 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        \
                    0 3541 2 00000000ed2b21d5 17";
        assert_eq!(inode_and_drops(line), Some((3541, 17)));
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_datagram_comes_with_time_and_hops() {
        let socket = Socket::bind("127.0.0.1:0".parse().expect("an address"), 1 << 16).expect("bound");
        assert!(socket.receive_buffer() > 0);
        let local = socket.udp.local_addr().expect("an address");
        let sender = UdpSocket::bind("127.0.0.1:0").expect("bound");
        sender.send_to(b"hello", local).expect("sent");
        socket.readable().await.expect("readable");
        let mut buffers = Buffers::default();
        let received = socket.receive(&mut buffers).expect("a datagram");
        assert_eq!(buffers.payload(received.length), b"hello");
        assert_eq!(received.source, sender.local_addr().expect("an address"));
        assert_eq!(received.ttl, Some(64));
        assert!(received.ts.is_some_and(|ts| (crate::clock::now() - ts).abs() < 10 * SECOND));
        let taken = Socket::bind(local, 1 << 16).err().expect("in use").to_string();
        assert!(taken.contains(&local.to_string()) && taken.contains("ss -lunp"), "{taken}");
        assert_eq!(untold_drops(&[socket]), 0);
    }
}
