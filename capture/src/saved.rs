//! Nodes saved for the next start, in the sensor's spool folder.
//!
//! A sensor that comes back need not ask the bootstrap hosts again: most nodes that were good
//! yesterday still are. The file is compact node info of BEP 32, 38 bytes a node, IPv4 addresses
//! mapped into `::ffff:0:0/96`; what is no longer true in it costs one query each.

use crate::krpc::compact::{self, Contact, NODE6};
use crate::secret::mapped;
use crate::spool::{SpoolError, folder};
use crate::state::replace;
use std::fs::File;
use std::io::{self, Read};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// Nodes in the file at most: 0.6 MB.
pub const MOST: usize = 1 << 14;

fn path(data: &Path, sensor: &str) -> PathBuf {
    folder(data, sensor).join("nodes")
}

/// Replaces the saved nodes of `sensor` with the first [`MOST`] of `nodes`.
///
/// # Errors
/// When the file cannot be written; the old one stays.
pub fn save(data: &Path, sensor: &str, nodes: &[Contact]) -> Result<(), SpoolError> {
    let mut bytes = Vec::new();
    for &Contact { id, addr } in nodes.iter().take(MOST) {
        let ip = IpAddr::V6(Ipv6Addr::from(mapped(addr.ip())));
        compact::push(&Contact { id, addr: SocketAddr::new(ip, addr.port()) }, &mut bytes);
    }
    replace(&path(data, sensor), &bytes)
}

/// The saved nodes of `sensor`, none if there are none.
#[must_use]
pub fn load(data: &Path, sensor: &str) -> Vec<Contact> {
    let path = path(data, sensor);
    let mut bytes = Vec::new();
    let limit = (MOST * NODE6) as u64;
    if let Err(error) = File::open(&path).and_then(|file| file.take(limit).read_to_end(&mut bytes))
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!("{}: saved nodes cannot be read: {error}", path.display());
    }
    let plain = |addr: SocketAddr| SocketAddr::new(addr.ip().to_canonical(), addr.port());
    compact::nodes6(&bytes).map(|node| Contact { addr: plain(node.addr), ..node }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Id;
    use std::fs;

    #[test]
    fn nodes_of_both_families_come_back() {
        let data = tempfile::tempdir().expect("a folder");
        assert!(load(data.path(), "here").is_empty());
        fs::create_dir_all(folder(data.path(), "here")).expect("created");
        let nodes = ["192.0.2.7:6881", "[2001:db8::1]:51413"]
            .map(|addr| Contact { id: Id([7; 20]), addr: addr.parse().expect("an address") });
        save(data.path(), "here", &nodes).expect("saved");
        assert_eq!(load(data.path(), "here"), nodes);
        save(data.path(), "here", &vec![nodes[0]; 2 * MOST]).expect("saved");
        assert_eq!(load(data.path(), "here").len(), MOST);
        let files = fs::read_dir(folder(data.path(), "here")).expect("a folder").count();
        assert_eq!(files, 1, "nothing but the file itself stays");
    }

    #[test]
    fn a_damaged_file_gives_what_is_whole() {
        let data = tempfile::tempdir().expect("a folder");
        let path = path(data.path(), "here");
        fs::create_dir_all(folder(data.path(), "here")).expect("created");
        fs::write(&path, [0; 100]).expect("written");
        assert_eq!(load(data.path(), "here").len(), 2);
    }
}
