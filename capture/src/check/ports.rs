//! Whether the sockets can be had, with all that they need from the kernel.

use super::Finding;
use crate::socket::{BindError, Socket};
use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

/// Failures that are named one by one.
const NAMED: usize = 3;

/// Binds all of `sockets` for a moment, as the daemon would, and asks each for a receive buffer of
/// `receive_buffer` bytes. Ports in use only warn while the sensor `is_running`: they are its own.
/// Must run inside a tokio runtime.
pub fn bindable(sockets: &[SocketAddr], receive_buffer: usize, is_running: bool) -> [Finding; 2] {
    let (mut bound, mut refused) = (Vec::new(), Vec::new());
    for &local in sockets {
        match Socket::bind(local, receive_buffer) {
            Ok(socket) => bound.push(socket),
            Err(error) => refused.push(error),
        }
    }
    let granted = bound.iter().map(Socket::receive_buffer).min();
    [ports(sockets.len(), &refused, is_running), buffer(granted, receive_buffer)]
}

fn ports(sockets: usize, refused: &[BindError], is_running: bool) -> Finding {
    const CHECK: &str = "ports";
    let Some(first) = refused.first() else {
        return Finding::ok(CHECK, format!("{sockets} of {sockets} can be bound"));
    };
    let named = refused.iter().take(NAMED).map(|error| {
        let holder = holder(error.addr).map(|holder| format!(" by {holder}")).unwrap_or_default();
        format!("{} ({}{holder})", error.addr, error.cause)
    });
    let named = named.collect::<Vec<_>>().join(", ");
    let more = if refused.len() > NAMED { ", …" } else { "" };
    let found = format!("{} of {sockets} cannot be bound, {named}{more}", refused.len());
    let in_use = refused.iter().all(|error| error.cause.kind() == io::ErrorKind::AddrInUse);
    if is_running && in_use {
        Finding::warn(CHECK, found, "leave them to the sensor that is running")
    } else {
        Finding::fail(CHECK, found, first.advice.clone())
    }
}

fn buffer(granted: Option<usize>, receive_buffer: usize) -> Finding {
    const CHECK: &str = "receive buffer";
    match granted {
        Some(granted) if granted < receive_buffer => Finding::warn(
            CHECK,
            format!("{granted} bytes are granted instead of {receive_buffer}"),
            format!("raise it with `sysctl net.core.rmem_max={receive_buffer}`"),
        ),
        Some(granted) => Finding::ok(CHECK, format!("{granted} bytes")),
        None => Finding::warn(CHECK, "unknown without a socket", "mend the ports first"),
    }
}

/// Whether the kernel might lend one of the ports to an outgoing connection before the daemon starts.
pub fn reserved(sockets: &[SocketAddr]) -> Finding {
    const CHECK: &str = "reserved ports";
    let mut ports: Vec<_> = sockets.iter().map(SocketAddr::port).collect();
    ports.sort_unstable();
    ports.dedup();
    let folder = Path::new("/proc/sys/net/ipv4");
    let read = |name| fs::read_to_string(folder.join(name));
    let (Ok(ephemeral), Ok(reserved)) = (read("ip_local_port_range"), read("ip_local_reserved_ports")) else {
        return Finding::warn(CHECK, format!("{} cannot be read", folder.display()), "mount /proc");
    };
    let open = unreserved(&ports, &ephemeral, &reserved);
    if open.is_empty() {
        return Finding::ok(CHECK, "none of the ports is lent to outgoing connections");
    }
    let reserved = reserved.trim();
    let separator = if reserved.is_empty() { "" } else { "," };
    let open: Vec<_> = open.iter().map(ToString::to_string).collect();
    Finding::warn(
        CHECK,
        format!("{} of the ports may be lent to outgoing connections", open.len()),
        format!("`sysctl net.ipv4.ip_local_reserved_ports={reserved}{separator}{}`", open.join(",")),
    )
}

/// Those of `ports` that are in the range `ephemeral` (`first last`) and not `reserved` (`a,b-c,…`).
fn unreserved(ports: &[u16], ephemeral: &str, reserved: &str) -> Vec<u16> {
    let range = |text: &str, separator| -> Option<(u16, u16)> {
        let (first, last) = text.trim().split_once(separator).unwrap_or((text, text));
        Some((first.trim().parse().ok()?, last.trim().parse().ok()?))
    };
    let lent = range(ephemeral, '\t').or_else(|| range(ephemeral, ' '));
    let kept: Vec<_> = reserved.split(',').filter_map(|item| range(item, '-')).collect();
    let within = |port: u16, (first, last): (u16, u16)| (first..=last).contains(&port);
    let is_open = |&port: &u16| {
        lent.is_some_and(|lent| within(port, lent)) && !kept.iter().any(|&kept| within(port, kept))
    };
    ports.iter().copied().filter(is_open).collect()
}

/// Name and id of the process that holds a port at an address that collides with `local`, as far as
/// we may see it.
fn holder(local: SocketAddr) -> Option<String> {
    let table = if local.is_ipv4() { "/proc/net/udp" } else { "/proc/net/udp6" };
    let listed = fs::read_to_string(table).ok()?;
    let inode = listed.lines().skip(1).find_map(|line| {
        let mut columns = line.split_whitespace();
        collides(columns.nth(1)?, local).then(|| columns.nth(7)).flatten()
    })?;
    let target = format!("socket:[{inode}]");
    for process in fs::read_dir("/proc").ok()?.flatten() {
        let Some(id) = process.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let files = fs::read_dir(process.path().join("fd"));
        let mut files = files.into_iter().flatten().flatten().map(|file| fs::read_link(file.path()));
        if files.any(|file| file.is_ok_and(|file| file.as_os_str() == target.as_str())) {
            let name = fs::read_to_string(process.path().join("comm")).ok()?;
            return Some(format!("{} {id}", name.trim()));
        }
    }
    None
}

/// Whether `listed`, an endpoint as the kernel writes it, excludes `local`.
fn collides(listed: &str, local: SocketAddr) -> bool {
    let hex = |ip: IpAddr| -> String {
        let octets = match ip {
            IpAddr::V4(ip) => ip.octets().to_vec(),
            IpAddr::V6(ip) => ip.octets().to_vec(),
        };
        // Words of four bytes, in the byte order of the host.
        octets
            .chunks_exact(4)
            .map(|word| format!("{:08X}", u32::from_ne_bytes([word[0], word[1], word[2], word[3]])))
            .collect()
    };
    let Some((ip, port)) = listed.split_once(':') else { return false };
    let is_any = ip.bytes().all(|digit| digit == b'0');
    port == format!("{:04X}", local.port())
        && (is_any || local.ip().is_unspecified() || ip == hex(local.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Verdict;
    use crate::config::Config;
    use std::net::UdpSocket;

    #[tokio::test(flavor = "current_thread")]
    async fn a_port_in_use_is_named_with_its_holder() {
        let taken = UdpSocket::bind("127.0.0.1:0").expect("bound");
        let local = taken.local_addr().expect("an address");
        let [ports, buffer] = bindable(&[local], 1 << 12, false);
        assert_eq!((ports.verdict, buffer.verdict), (Verdict::Fail, Verdict::Warn));
        let own = std::process::id().to_string();
        assert!(ports.found.contains(&local.to_string()) && ports.found.contains(&own), "{}", ports.found);
        assert!(ports.advice.is_some_and(|advice| advice.contains("ss -lunp")));
        assert_eq!(bindable(&[local], 1 << 12, true)[0].verdict, Verdict::Warn, "the running sensor's own");
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_receive_buffer_that_the_kernel_cuts_is_noticed() {
        let local = ["127.0.0.1:0".parse().expect("an address")];
        let [ports, buffer] = bindable(&local, 1 << 30, false);
        assert_eq!((ports.verdict, buffer.verdict), (Verdict::Ok, Verdict::Warn));
        assert!(buffer.advice.is_some_and(|advice| advice.contains("rmem_max")));
    }

    #[test]
    fn ports_that_are_lent_and_not_reserved_are_found() {
        let ports = [6881, 32768, 45682, 49160, 60999, 61000];
        assert_eq!(unreserved(&ports, "32768\t60999\n", "\n"), [32768, 45682, 49160, 60999]);
        assert_eq!(unreserved(&ports, "32768\t60999\n", "45682,49160-49161\n"), [32768, 60999]);
    }

    #[test]
    fn the_sysctl_file_gives_the_default_settings_what_they_need() {
        let file = include_str!("../../systemd/sysctl.conf");
        let value = |key| file.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = "));
        let reserved = value("net.ipv4.ip_local_reserved_ports").expect("set");
        let config = Config::default();
        assert_eq!(
            unreserved(config.ports.list(), "32768\t60999\n", ""),
            [51413, 51414, 49160, 49161, 45682]
        );
        assert!(unreserved(config.ports.list(), "32768\t60999\n", reserved).is_empty());
        let buffer: usize = value("net.core.rmem_max").expect("set").parse().expect("a number");
        assert!(buffer >= config.receive_buffer);
    }

    #[test]
    fn endpoints_are_compared_as_the_kernel_lists_them() {
        let local = "127.0.0.2:6881".parse().expect("an address");
        let listed = |ip: [u8; 4]| format!("{:08X}:1AE1", u32::from_ne_bytes(ip));
        assert!(collides(&listed([127, 0, 0, 2]), local) && collides(&listed([0; 4]), local));
        assert!(!collides(&listed([127, 0, 0, 3]), local));
        let any = "0.0.0.0:6881".parse().expect("an address");
        assert!(collides(&listed([127, 0, 0, 3]), any));
    }
}
