//! State per remote in a fixed amount of memory.
//!
//! There is a fixed number of slots in sets of eight; a new remote takes the slot of its set that
//! is worth least. No stream of addresses makes it grow, and because the set is chosen by a keyed
//! hash nobody can aim at another's slot.

use crate::secret::{Secret, mapped};
use std::net::{IpAddr, Ipv6Addr};

/// Remotes remembered at once: 1.5 MB with two numbers for each.
const SLOTS: usize = 1 << 16;
/// Slots among which a remote may live.
const WAYS: usize = 8;

/// Something about each of the last remotes.
pub struct Sources<T> {
    secret: Secret,
    slots: Vec<(u64, T)>,
}

impl<T: Copy + Default> Sources<T> {
    /// Nothing about anybody. `secret` decides who shares a set.
    #[must_use]
    pub fn new(secret: Secret) -> Self {
        Self { secret, slots: vec![(0, T::default()); SLOTS] }
    }

    /// The slot of the remote that `ip` belongs to. If it has none, it gets one with `fresh` in it,
    /// and the slot of its set with the least `worth` is lost.
    pub fn slot<W: Ord>(&mut self, ip: IpAddr, fresh: T, worth: impl Fn(&T) -> W) -> &mut T {
        let key = self.secret.number(&[&mapped(network(ip))]).max(1);
        let first = (key as usize % (SLOTS / WAYS)) * WAYS;
        let set = &mut self.slots[first..first + WAYS];
        let i = set.iter().position(|slot| slot.0 == key).unwrap_or_else(|| {
            let least = (0..WAYS).min_by_key(|&i| (set[i].0 != 0, worth(&set[i].1))).unwrap_or(0);
            set[least] = (key, fresh);
            least
        });
        &mut set[i].1
    }
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
        let mut sources = Sources::new(Secret::from_text("s"));
        let valued = IpAddr::from([192, 0, 2, 1]);
        *sources.slot(valued, 0u64, |&worth| worth) = 7;
        for i in 0..200_000u32 {
            assert_eq!(*sources.slot(IpAddr::from(i.to_be_bytes()), 1, |&worth| worth), 1);
        }
        assert_eq!(sources.slots.len(), SLOTS);
        assert_eq!(*sources.slot(valued, 0, |&worth| worth), 7);
    }

    #[test]
    fn addresses_of_one_ipv6_network_are_one_remote() {
        let mut sources = Sources::new(Secret::from_text("s"));
        *sources.slot("2001:db8::1".parse().expect("an address"), 0u64, |&worth| worth) = 7;
        assert_eq!(*sources.slot("2001:db8::ffff".parse().expect("an address"), 0, |&worth| worth), 7);
        assert_eq!(*sources.slot("2001:db8:0:1::1".parse().expect("an address"), 0, |&worth| worth), 0);
    }
}
