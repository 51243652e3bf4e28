//! The reference: the least that a program with these sockets can do.
//!
//! It reads each datagram from the antenna's sockets, with the same control messages, on the runtime that the
//! antenna uses, and sends it back as it is.

use anyhow::Context as _;
use capture::socket::Socket;
use nix::sys::socket::{MsgFlags, SockaddrIn, recvmsg, sendto};
use nix::sys::time::TimeSpec;
use std::cell::RefCell;
use std::io::{IoSliceMut, Write};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::ops::RangeInclusive;
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::rc::Rc;

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
        let buffers = Rc::new(RefCell::new((vec![0; BUFFER], nix::cmsg_space!(TimeSpec, u32, i32))));
        for port in ports {
            let local = SocketAddrV4::new(host, port);
            let socket = Socket::bind(local.into(), RECEIVE_BUFFER).context("cannot listen")?;
            let buffers = buffers.clone();
            tokio::task::spawn_local(async move {
                let read = || {
                    let (payload, control) = &mut *buffers.borrow_mut();
                    (0..FAIR_SHARE).all(|_| echo(&socket, payload, control))
                };
                socket.attend(read).await;
            });
        }
        writeln!(std::io::stderr(), "{READY}")?;
        std::future::pending().await
    })
}

/// Sends one datagram back; says whether there was one.
fn echo(socket: &Socket, payload: &mut [u8], control: &mut [u8]) -> bool {
    let socket = socket.as_fd().as_raw_fd();
    let mut slices = [IoSliceMut::new(payload)];
    let received = recvmsg::<SockaddrIn>(socket, &mut slices, Some(control), MsgFlags::MSG_DONTWAIT);
    let Ok(message) = received else { return false };
    // The control messages are read, as they have to be.
    std::hint::black_box(message.cmsgs().map_or(0, Iterator::count));
    let (length, source) = (message.bytes, message.address);
    if let Some(source) = source {
        // What the kernel does not take is lost, as in the antenna.
        let _ = sendto(socket, &payload[..length], &source, MsgFlags::MSG_DONTWAIT);
    }
    true
}
