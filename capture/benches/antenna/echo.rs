//! The reference: the least that a program with these sockets can do.
//!
//! It reads each datagram from sockets set up like the antenna's, with the same control messages, on the
//! runtime that the antenna uses, and sends it back as it is.

use anyhow::Context as _;
use capture::socket::MtuDiscovery;
use nix::libc;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockType, SockaddrIn, bind, recvmsg, setsockopt, socket, sockopt,
};
use nix::sys::time::TimeSpec;
use std::io::{IoSliceMut, Write};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::ops::RangeInclusive;
use std::os::fd::AsRawFd;
use std::rc::Rc;
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// Makes this program the echo.
pub const ARGUMENT: &str = "--echo";
/// What it prints when it listens.
pub const READY: &str = "listening";
/// As in the antenna.
const RECEIVE_BUFFER: usize = 1 << 20;
const FAIR_SHARE: usize = 64;
const BUFFER: usize = 1 << 16;

/// Echoes until it is killed.
pub fn serve(host: Ipv4Addr, ports: RangeInclusive<u16>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let buffers =
            Rc::new(std::cell::RefCell::new((vec![0; BUFFER], nix::cmsg_space!(TimeSpec, u32, i32))));
        for port in ports {
            let socket = open(SocketAddrV4::new(host, port)).context("cannot listen")?;
            let buffers = buffers.clone();
            tokio::task::spawn_local(async move {
                while socket.readable().await.is_ok() {
                    {
                        let (payload, control) = &mut *buffers.borrow_mut();
                        let mut left = FAIR_SHARE;
                        while left > 0 && echo(&socket, payload, control) {
                            left -= 1;
                        }
                    }
                    tokio::task::yield_now().await;
                }
            });
        }
        writeln!(std::io::stderr(), "{READY}")?;
        std::future::pending().await
    })
}

fn open(local: SocketAddrV4) -> std::io::Result<UdpSocket> {
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let fd = socket(AddressFamily::Inet, SockType::Datagram, flags, None)?;
    setsockopt(&fd, sockopt::RcvBuf, &RECEIVE_BUFFER)?;
    setsockopt(&fd, sockopt::ReceiveTimestampns, &true)?;
    setsockopt(&fd, sockopt::RxqOvfl, &1)?;
    setsockopt(&fd, sockopt::Ipv4RecvTtl, &true)?;
    setsockopt(&fd, MtuDiscovery, &libc::IP_PMTUDISC_PROBE)?;
    bind(fd.as_raw_fd(), &SockaddrIn::from(local))?;
    UdpSocket::from_std(std::net::UdpSocket::from(fd))
}

/// Sends one datagram back; says whether there was one.
fn echo(socket: &UdpSocket, payload: &mut [u8], control: &mut [u8]) -> bool {
    let received = socket.try_io(Interest::READABLE, || {
        let mut slices = [IoSliceMut::new(payload)];
        let message =
            recvmsg::<SockaddrIn>(socket.as_raw_fd(), &mut slices, Some(control), MsgFlags::MSG_DONTWAIT)?;
        // The control messages are read, as they have to be.
        let told = message.cmsgs().map_or(0, Iterator::count);
        Ok((message.bytes, message.address, std::hint::black_box(told)))
    });
    let Ok((length, Some(source), _)) = received else { return false };
    let source = SocketAddrV4::from(source);
    // What the kernel does not take is lost, as in the antenna.
    let _ = socket.try_send_to(&payload[..length], source.into());
    true
}
