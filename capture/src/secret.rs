//! Keyed hashes for everything that must look random to others and be repeatable to us: SHA-1 for
//! node ids, SipHash-2-4 for what has 64 bits and is needed for every datagram: tokens and transaction
//! ids.

use crate::clock::Micros;
use crate::id::Id;
use sha1::{Digest, Sha1};
use siphasher::sip::SipHasher24;
use std::hash::Hasher as _;
use std::net::IpAddr;

/// A key for hashes of fixed-length inputs.
#[derive(Clone)]
pub struct Secret([u8; 20]);

impl Secret {
    /// The secret that a text stands for; the same text gives the same secret.
    #[must_use]
    pub fn from_text(text: &str) -> Self {
        Self(Sha1::digest(text).into())
    }

    /// A secret of its own for one `purpose`, so that what one use reveals says nothing about another.
    #[must_use]
    pub fn derive(&self, purpose: &str) -> Self {
        Self(self.hash(&[purpose.as_bytes()]))
    }

    /// 160 bits that depend on the secret and every byte of `parts`.
    #[must_use]
    pub fn hash(&self, parts: &[&[u8]]) -> [u8; 20] {
        let mut hasher = Sha1::new_with_prefix(self.0);
        for part in parts {
            hasher.update(part);
        }
        hasher.finalize().into()
    }

    /// 64 bits that depend on the secret and every byte of `parts`.
    #[must_use]
    pub fn number(&self, parts: &[&[u8]]) -> u64 {
        let half = |start| u64::from_le_bytes(std::array::from_fn(|i| self.0[start + i]));
        let mut hasher = SipHasher24::new_with_keys(half(0), half(8));
        for part in parts {
            hasher.write(part);
        }
        hasher.finish()
    }

    /// 160 uniform bits for `presence` and its `epoch`.
    #[must_use]
    pub fn id(&self, presence: u16, epoch: Micros) -> Id {
        Id(self.hash(&[&presence.to_be_bytes(), &epoch.to_be_bytes()]))
    }
}

/// The 16 bytes under which an address is stored: IPv4 mapped into `::ffff:0:0/96`.
#[must_use]
pub fn mapped(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
        IpAddr::V6(ip) => ip.octets(),
    }
}
