//! State per remote in a fixed amount of memory.
//!
//! There is a fixed number of slots in sets of eight; a new remote takes the slot of its set that
//! is worth least. No stream of addresses makes it grow, and because the set is chosen by a keyed
//! hash nobody can aim at another's slot.

use crate::secret::{Secret, mapped};
use foldhash::SharedSeed;
use foldhash::quality::FoldHasher;
use std::hash::Hasher as _;
use std::hint::black_box;
use std::net::{IpAddr, Ipv6Addr};

/// Remotes remembered at once: 1.5 MB with two numbers for each.
const SLOTS: usize = 1 << 16;
/// Slots among which a remote may live.
const WAYS: usize = 8;

/// Something about each of the last remotes.
pub struct Sources<T> {
    /// Seeds of the hash. Nobody sees what it gives, so a fast one will do.
    seed: u64,
    shared: SharedSeed,
    sets: Vec<Set<T>>,
}

/// The slots among which a remote may live. Every datagram of a crowd meets another set, which is in
/// no cache then: so its keys stand side by side, in one line of the cache.
#[derive(Clone, Default)]
#[repr(align(64))]
struct Set<T> {
    /// Zero where nobody lives.
    keys: [u64; WAYS],
    values: [T; WAYS],
}

impl<T: Copy + Default> Sources<T> {
    /// Nothing about anybody. `secret` decides who shares a set.
    #[must_use]
    pub fn new(secret: &Secret) -> Self {
        let shared = SharedSeed::from_u64(secret.number(&[b"shared"]));
        Self { seed: secret.number(&[b"seed"]), shared, sets: vec![Set::default(); SLOTS / WAYS] }
    }

    /// Begins to fetch what is known about `ip` from memory. That takes longer than all the rest that is
    /// done for a datagram, but for several at once no longer than for one.
    pub fn fetch(&self, ip: IpAddr) {
        let Set { keys, values } = &self.sets[place(self.key(ip))];
        black_box(keys[0]);
        // Every line that they lie on.
        for value in values.iter().step_by(WAYS / 2) {
            black_box(*value);
        }
    }

    /// The slot of the remote that `ip` belongs to. If it has none, it takes over the one of its set
    /// with the least `worth`, and `inherit` says what it finds there: an unused slot holds the default.
    pub fn slot<W: Ord>(
        &mut self,
        ip: IpAddr,
        worth: impl Fn(&T) -> W,
        inherit: impl FnOnce(T) -> T,
    ) -> &mut T {
        let key = self.key(ip);
        let Set { keys, values } = &mut self.sets[place(key)];
        let way = keys.iter().position(|&known| known == key).unwrap_or_else(|| {
            let least = (0..WAYS).min_by_key(|&way| (keys[way] != 0, worth(&values[way]))).unwrap_or(0);
            keys[least] = key;
            values[least] = inherit(values[least]);
            least
        });
        &mut values[way]
    }

    /// What stands for the remote that `ip` belongs to; never zero.
    fn key(&self, ip: IpAddr) -> u64 {
        let mut hasher = FoldHasher::with_seed(self.seed, &self.shared);
        hasher.write_u128(u128::from_be_bytes(mapped(network(ip))));
        hasher.finish().max(1)
    }
}

/// The set of a key.
fn place(key: u64) -> usize {
    key as usize % (SLOTS / WAYS)
}

/// What counts as one remote: an IPv4 address, or the /64 that one IPv6 host can choose from.
#[must_use]
pub fn network(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_addresses_takes_no_memory_and_no_valued_slot() {
        let mut sources = Sources::new(&Secret::from_text("s"));
        let valued = IpAddr::from([192, 0, 2, 1]);
        *sources.slot(valued, |&worth| worth, |_| 0u64) = 7;
        for i in 0..200_000u32 {
            assert_eq!(*sources.slot(IpAddr::from(i.to_be_bytes()), |&worth| worth, |_| 1), 1);
        }
        assert_eq!(sources.sets.len() * WAYS, SLOTS);
        assert_eq!(*sources.slot(valued, |&worth| worth, |_| 0), 7);
    }

    #[test]
    fn addresses_of_one_ipv6_network_are_one_remote() {
        let mut sources = Sources::new(&Secret::from_text("s"));
        let mut slot = |ip: &str, value| {
            let slot = sources.slot(ip.parse().expect("an address"), |&worth| worth, |_| 0u64);
            std::mem::replace(slot, value)
        };
        assert_eq!(slot("2001:db8::1", 7), 0);
        assert_eq!(slot("2001:db8::ffff", 7), 7);
        assert_eq!(slot("2001:db8:0:1::1", 7), 0);
    }
}
