//! The deny list: networks that the sensor has nothing to do with.
//!
//! A datagram from one of them is counted and forgotten, unread; none of them is asked anything or
//! named to others. The file has one address or network a line, and comments after `#`.

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::net::IpAddr;
use std::path::Path;

/// Networks to ignore. Looking an address up takes a binary search.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DenyList {
    /// In order and disjoint, which is what a binary search needs.
    v4: Vec<Ipv4Net>,
    v6: Vec<Ipv6Net>,
}

/// Why there is no deny list.
#[derive(Debug, thiserror::Error)]
pub enum DenyError {
    /// The file cannot be read.
    #[error("cannot read the deny list {path}: {cause}")]
    Unreadable {
        /// The file.
        path: String,
        /// What the system said.
        cause: std::io::Error,
    },
    /// A line is no network.
    #[error(
        "{path}, line {line}: `{text}` is neither an address nor a network; write 192.0.2.1, 192.0.2.0/24 or 2001:db8::/32"
    )]
    Line {
        /// The file.
        path: String,
        /// The line, counted from 1.
        line: usize,
        /// What stands there.
        text: String,
    },
}

impl DenyList {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// When it cannot be read, or a line of it is no network.
    pub fn load(path: &Path) -> Result<Self, DenyError> {
        let name = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(&text).map_err(|(line, text)| DenyError::Line { path: name, line, text }),
            Err(cause) => Err(DenyError::Unreadable { path: name, cause }),
        }
    }

    /// The networks in `text`, or number and content of the first line that is none.
    fn parse(text: &str) -> Result<Self, (usize, String)> {
        let items = (1..).zip(text.lines()).map(|(number, line)| {
            let item = line.split('#').next().unwrap_or_default().trim();
            (number, item)
        });
        items
            .filter(|(_, item)| !item.is_empty())
            .map(|(number, item)| network(item).ok_or_else(|| (number, item.to_owned())))
            .collect()
    }

    /// Whether `ip` is to be ignored.
    #[must_use]
    pub fn contains(&self, ip: IpAddr) -> bool {
        // Of disjoint networks in order only the last that begins at or before `ip` can hold it.
        match ip {
            IpAddr::V4(ip) => {
                let next = self.v4.partition_point(|net| net.network() <= ip);
                self.v4[..next].last().is_some_and(|net| net.contains(&ip))
            }
            IpAddr::V6(ip) => {
                let next = self.v6.partition_point(|net| net.network() <= ip);
                self.v6[..next].last().is_some_and(|net| net.contains(&ip))
            }
        }
    }

    /// Number of disjoint networks.
    #[must_use]
    pub fn len(&self) -> usize {
        self.v4.len() + self.v6.len()
    }

    /// Whether nobody is ignored.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl FromIterator<IpNet> for DenyList {
    fn from_iter<I: IntoIterator<Item = IpNet>>(networks: I) -> Self {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for network in networks {
            match network {
                IpNet::V4(network) => v4.push(network),
                IpNet::V6(network) => v6.push(network),
            }
        }
        Self { v4: Ipv4Net::aggregate(&v4), v6: Ipv6Net::aggregate(&v6) }
    }
}

/// The network that a line names. The dataset writes IPv4 addresses mapped into `::ffff:0:0/96`, so
/// one that was copied from there means the IPv4 network.
fn network(item: &str) -> Option<IpNet> {
    let net: IpNet = item.parse().or_else(|_| item.parse::<IpAddr>().map(IpNet::from)).ok()?;
    match net {
        IpNet::V6(net) if net.prefix_len() >= 96 => match net.addr().to_ipv4_mapped() {
            Some(ip) => Ipv4Net::new(ip, net.prefix_len() - 96).ok().map(IpNet::V4),
            None => Some(IpNet::V6(net)),
        },
        net => Some(net),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn addresses_networks_and_comments_are_read() {
        let list = DenyList::parse(
            "# nobody\n\n192.0.2.0/24  # a network\n  198.51.100.7\n2001:db8::/32\n::ffff:203.0.113.0/120\n",
        )
        .expect("a list");
        assert_eq!(list.len(), 4);
        for denied in ["192.0.2.0", "192.0.2.255", "198.51.100.7", "2001:db8:ffff::1", "203.0.113.9"] {
            assert!(list.contains(ip(denied)), "{denied}");
        }
        for other in ["192.0.3.0", "192.0.1.255", "198.51.100.8", "2001:db9::", "203.0.112.9", "::"] {
            assert!(!list.contains(ip(other)), "{other}");
        }
        assert!(DenyList::parse("# nobody").expect("a list").is_empty());
    }

    #[test]
    fn a_bad_line_is_named() {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        for bad in ["192.0.2.0/33", "example.org", "192.0.2", "1.2.3.4 5.6.7.8"] {
            std::fs::write(file.path(), format!("192.0.2.1\n{bad} # why\n")).expect("written");
            let error = DenyList::load(file.path()).expect_err(bad).to_string();
            assert!(error.contains(&format!("line 2: `{bad}`")), "{error}");
        }
        let error = DenyList::load(Path::new("/nowhere/deny")).expect_err("no file").to_string();
        assert!(error.contains("/nowhere/deny"), "{error}");
    }

    proptest! {
        #[test]
        fn the_list_holds_what_its_networks_hold(
            nets in prop::collection::vec((any::<u32>(), 4u8..=32), 0..40), probes: [u32; 32],
        ) {
            let text: String =
                nets.iter().map(|&(ip, prefix)| format!("{}/{prefix}\n", std::net::Ipv4Addr::from(ip))).collect();
            let list = DenyList::parse(&text).expect("a list");
            for probe in probes.into_iter().chain(nets.iter().map(|&(ip, _)| ip)) {
                let held = nets.iter().any(|&(ip, prefix)| (ip ^ probe) >> (32 - prefix) == 0);
                prop_assert_eq!(list.contains(std::net::Ipv4Addr::from(probe).into()), held);
            }
        }
    }
}
