//! Our own presences as seen from the network: which id stands where at a given moment.

use super::{Micros, prefix};
use capture::id::Id;
use capture::keyspace::Keyspace;
use std::ops::Range;

/// The ids of all presences during a stretch of time that is shorter than the time between two
/// changes of one presence.
pub struct Presences<'a> {
    keyspace: &'a Keyspace,
    standing: Vec<Standing>,
}

/// The first 64 bits of a presence's id, and what follows when it changes.
#[derive(Clone, Copy)]
struct Standing {
    before: u64,
    change: Micros,
    after: u64,
}

impl<'a> Presences<'a> {
    /// Those of `keyspace` during `time`.
    #[must_use]
    pub fn during(keyspace: &'a Keyspace, time: &Range<Micros>) -> Self {
        let mut standing: Vec<Standing> = Vec::with_capacity(keyspace.presences().into());
        for stretch in keyspace.stretches(time.start, time.end) {
            let id = prefix(&stretch.id.get());
            match standing.get_mut(usize::from(stretch.presence)) {
                Some(standing) => (standing.change, standing.after) = (stretch.from, id),
                None => standing.push(Standing { before: id, change: time.end, after: id }),
            }
        }
        Self { keyspace, standing }
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u16 {
        self.keyspace.presences()
    }

    /// The first 64 bits of the id of `presence` at `at`.
    #[must_use]
    pub fn id(&self, presence: u16, at: Micros) -> u64 {
        let standing = &self.standing[usize::from(presence)];
        if at < standing.change { standing.before } else { standing.after }
    }

    /// The presence in whose slice `target` lies.
    #[must_use]
    pub fn of_slice(&self, target: u64) -> u16 {
        of_slice(self.count(), target)
    }

    /// The presences around `target`, in whose slices the longest shared prefixes are: up to two on
    /// either side.
    pub fn around(&self, target: u64) -> impl Iterator<Item = u16> + use<> {
        let middle = self.of_slice(target);
        middle.saturating_sub(2)..=middle.saturating_add(2).min(self.count() - 1)
    }
}

/// The one of `count` equal slices in which an id with these first 64 bits lies.
#[must_use]
pub fn of_slice(count: u16, target: u64) -> u16 {
    ((u128::from(target) * u128::from(count)) >> 64) as u16
}

/// Leading bits that two prefixes share.
#[must_use]
pub fn shared(a: u64, b: u64) -> u32 {
    (a ^ b).leading_zeros()
}

/// A prefix that shares exactly `bits` leading bits with `id`; the others come from `random`.
#[must_use]
pub fn sharing(id: u64, bits: u32, random: u64) -> u64 {
    let flipped = 1u64 << (63 - bits.min(63));
    let kept = !(flipped | (flipped - 1));
    id & kept | !id & flipped | random & (flipped - 1)
}

/// An identifier that shares exactly `bits` (0 to 63) leading bits with `id`.
#[must_use]
pub fn near(id: &Id, bits: u32, random: Id) -> Id {
    let mut near = random;
    near.0[..8].copy_from_slice(&sharing(prefix(id), bits, prefix(&random)).to_be_bytes());
    near
}
