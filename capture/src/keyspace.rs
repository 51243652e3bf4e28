//! Where our presences stand: sockets, slices of the keyspace, node ids and their rotation.
//!
//! Everything here is a pure function of the seed, the presence and the time. The same plan can be
//! printed without a socket, simulated, and worked out again after a crash.
//!
//! Presences are numbered along the keyspace: presence *k* of *n* owns the slice from *k*·2¹⁶⁰/*n*
//! up to (*k*+1)·2¹⁶⁰/*n*. Sockets come in groups of [`GROUP`]: the first ports of the list lead
//! one group each, the rest follow in order, so that every group owns a run of neighbouring slices
//! and every well-known port is spread over the whole keyspace.

use crate::clock::{HOUR, Micros};
use crate::id::Id;
use crate::secret::Secret;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

/// Sockets in a group: one leader and fifteen followers.
pub const GROUP: usize = 16;
/// Time from one id of a presence to the next, unless another is asked for.
pub const ROTATION: Micros = 12 * HOUR;
/// Each change is moved by up to this part of the rotation either way, so with the default two changes
/// lie 12 h ± 30 min apart.
const JITTER_PART: Micros = 48;

/// A node id that is our own. Only a [`Keyspace`] makes one, which is what keeps foreign ids out
/// of the targets we ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnId(Id);

impl OwnId {
    /// The id.
    #[must_use]
    pub fn get(self) -> Id {
        self.0
    }
}

/// One presence with one id, for as long as that is so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// Number of the presence.
    pub presence: u16,
    /// The id that it answers with.
    pub id: OwnId,
    /// First microsecond.
    pub from: Micros,
    /// First microsecond after it.
    pub to: Micros,
}

/// The presences of one sensor.
#[derive(Clone)]
pub struct Keyspace {
    seed: Secret,
    sockets: Vec<SocketAddr>,
    ids_per_port: u16,
    presences: u16,
    rotate_share: f64,
    rotation: Micros,
}

/// The addresses and ports make no keyspace.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyspaceError {
    /// Nothing to bind.
    #[error("no presence is left: give at least one address in `bind` and one port in `ports`")]
    Empty,
    /// `source_node` has 16 bits.
    #[error("{0} presences are too many: addresses × ports × ids per port must not exceed 65535")]
    TooMany(usize),
    /// The same address and port twice.
    #[error("{0} is listed twice: every address and every port may appear once")]
    Twice(SocketAddr),
}

impl Keyspace {
    /// The keyspace of `bind` × `ports` × `ids_per_port`. `rotate_share` (0 to 1) is the share of
    /// presences that change their id at all, every [`ROTATION`].
    ///
    /// # Errors
    /// When that is no presence, more than 65,535, or a socket twice.
    pub fn new(
        seed: &str,
        bind: &[IpAddr],
        ports: &[u16],
        ids_per_port: u8,
        rotate_share: f64,
    ) -> Result<Self, KeyspaceError> {
        let order = grouped(ports);
        let sockets: Vec<_> =
            bind.iter().flat_map(|&ip| order.iter().map(move |&port| SocketAddr::new(ip, port))).collect();
        let mut sorted = sockets.clone();
        sorted.sort_unstable();
        if let Some(pair) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(KeyspaceError::Twice(pair[0]));
        }
        let count = sockets.len() * usize::from(ids_per_port);
        if count == 0 {
            return Err(KeyspaceError::Empty);
        }
        let presences = u16::try_from(count).map_err(|_| KeyspaceError::TooMany(count))?;
        let seed = Secret::from_text(seed).derive("keyspace");
        let ids_per_port = u16::from(ids_per_port);
        Ok(Self { seed, sockets, ids_per_port, presences, rotate_share, rotation: ROTATION })
    }

    /// The same presences with another time from one id to the next, at least a second.
    #[must_use]
    pub fn rotating_every(self, rotation: Micros) -> Self {
        Self { rotation, ..self }
    }

    /// Number of presences, 1 to 65,535.
    #[must_use]
    pub fn presences(&self) -> u16 {
        self.presences
    }

    /// The sockets to bind; presences 0 to `ids_per_port` share the first, and so on.
    #[must_use]
    pub fn sockets(&self) -> &[SocketAddr] {
        &self.sockets
    }

    /// Ids that share a socket.
    #[must_use]
    pub fn ids_per_port(&self) -> u16 {
        self.ids_per_port
    }

    /// The socket of a presence.
    #[must_use]
    pub fn socket_of(&self, presence: u16) -> usize {
        usize::from(presence / self.ids_per_port)
    }

    /// The presences of a socket.
    #[must_use]
    pub fn presences_of(&self, socket: usize) -> Range<u16> {
        let first = u16::try_from(socket).unwrap_or(u16::MAX).saturating_mul(self.ids_per_port);
        first..first.saturating_add(self.ids_per_port)
    }

    /// First and last id of the presence's slice.
    #[must_use]
    pub fn slice(&self, presence: u16) -> (Id, Id) {
        let last = |presence| self.within(presence, Id([0xff; 20]));
        let first = presence.checked_sub(1).map_or(Id([0; 20]), |before| successor(last(before)));
        (first, last(presence))
    }

    /// The id of `presence` at `now`.
    #[must_use]
    pub fn id(&self, presence: u16, now: Micros) -> OwnId {
        self.id_of_epoch(presence, self.epoch(presence, now))
    }

    /// When the id that `presence` has at `now` came into force and when it ends.
    #[must_use]
    pub fn validity(&self, presence: u16, now: Micros) -> Range<Micros> {
        if !self.rotates(presence) {
            return Micros::MIN..Micros::MAX;
        }
        let epoch = self.epoch(presence, now);
        self.change(presence, epoch)..self.change(presence, epoch + 1)
    }

    /// Every presence with every id it has between `from` and `to`, clipped to them, by presence
    /// and time.
    pub fn stretches(&self, from: Micros, to: Micros) -> impl Iterator<Item = Stretch> {
        (0..self.presences).flat_map(move |presence| {
            let mut at = from;
            std::iter::from_fn(move || {
                (at < to).then(|| {
                    let end = self.validity(presence, at).end.min(to);
                    let id = self.id(presence, at);
                    let stretch = Stretch { presence, id, from: at, to: end };
                    at = end;
                    stretch
                })
            })
        })
    }

    /// The id that lies as far into the slice of `presence` as `fraction` lies into the whole
    /// keyspace: (presence·2¹⁶⁰ + fraction) / presences, by long division.
    fn within(&self, presence: u16, fraction: Id) -> Id {
        let divisor = u32::from(self.presences);
        let mut remainder = u32::from(presence);
        Id(fraction.0.map(|byte| {
            let dividend = remainder << 8 | u32::from(byte);
            remainder = dividend % divisor;
            // The remainder is below the divisor, so the quotient is below 256.
            (dividend / divisor) as u8
        }))
    }

    fn id_of_epoch(&self, presence: u16, epoch: i64) -> OwnId {
        let id = self.within(presence, self.seed.id(presence, epoch));
        // Where slices do not end on a whole id, rounding down may hit the last one of the slice before.
        OwnId(id.max(self.slice(presence).0))
    }

    /// Whether `presence` belongs to the share that rotates; those that do are spread evenly.
    fn rotates(&self, presence: u16) -> bool {
        let due = |n: u16| (f64::from(n) * self.rotate_share).floor();
        due(presence.saturating_add(1)) > due(presence)
    }

    /// Number of changes that `presence` has had since 1970 at `now`.
    fn epoch(&self, presence: u16, now: Micros) -> i64 {
        if !self.rotates(presence) {
            return 0;
        }
        let near = (now - self.phase(presence)).div_euclid(self.rotation);
        // Jitter moves a change by less than half a rotation: one of three epochs holds `now`.
        (near - 1..=near + 1).rfind(|&epoch| self.change(presence, epoch) <= now).unwrap_or(near - 1)
    }

    /// When `epoch` of `presence` begins.
    fn change(&self, presence: u16, epoch: i64) -> Micros {
        let parts: [&[u8]; 2] = [&presence.to_be_bytes(), &epoch.to_be_bytes()];
        let most = self.rotation / JITTER_PART;
        let jitter = self.seed.derive("rotation").number(&parts) % (2 * most as u64 + 1);
        epoch * self.rotation + self.phase(presence) + jitter as Micros - most
    }

    /// Presences change one after the other, spread over the whole rotation.
    fn phase(&self, presence: u16) -> Micros {
        self.rotation / Micros::from(self.presences) * Micros::from(presence)
    }
}

/// The id after `id`.
fn successor(mut id: Id) -> Id {
    for byte in id.0.iter_mut().rev() {
        *byte = byte.wrapping_add(1);
        if *byte != 0 {
            break;
        }
    }
    id
}

impl fmt::Debug for Keyspace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyspace")
            .field("sockets", &self.sockets.len())
            .field("presences", &self.presences)
            .finish_non_exhaustive()
    }
}

/// `ports` in the order of their presences: each of the first ⌈n/16⌉ leads a group and is followed
/// by fifteen of the rest.
fn grouped(ports: &[u16]) -> Vec<u16> {
    let (leaders, followers) = ports.split_at(ports.len().div_ceil(GROUP));
    let mut groups = followers.chunks(GROUP - 1);
    leaders
        .iter()
        .flat_map(|&leader| std::iter::once(leader).chain(groups.next().unwrap_or_default().iter().copied()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{MINUTE, SECOND};
    use proptest::prelude::*;
    use std::net::Ipv4Addr;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

    fn keyspace(seed: &str, ports: u16, ids_per_port: u8, share: f64) -> Keyspace {
        let ports: Vec<u16> = (1000..1000 + ports).collect();
        Keyspace::new(seed, &[HERE], &ports, ids_per_port, share).expect("a valid keyspace")
    }

    #[test]
    fn every_leader_leads_fifteen_followers_in_order() {
        let ports: Vec<u16> = (1..=13).chain(21_000..=21_194).collect();
        let order = grouped(&ports);
        assert_eq!(order.len(), 208);
        for (group, members) in order.chunks(GROUP).enumerate() {
            assert_eq!(usize::from(members[0]), group + 1);
            assert_eq!(usize::from(members[1]), 21_000 + group * 15);
            assert_eq!(usize::from(members[15]), 21_000 + group * 15 + 14);
        }
    }

    #[test]
    fn slices_cover_the_keyspace_without_overlap() {
        for presences in [1, 3, 13, 208, 1000] {
            let space = keyspace("s", presences, 1, 1.0);
            let slices: Vec<_> = (0..presences).map(|p| space.slice(p)).collect();
            assert_eq!(slices[0].0, Id([0; 20]));
            assert_eq!(slices[slices.len() - 1].1, Id([0xff; 20]));
            for pair in slices.windows(2) {
                assert_eq!(successor(pair[0].1), pair[1].0);
            }
        }
    }

    #[test]
    fn a_socket_twice_is_refused() {
        let twice = Keyspace::new("s", &[HERE], &[1, 2, 1], 1, 1.0);
        assert_eq!(twice.err(), Some(KeyspaceError::Twice(SocketAddr::new(HERE, 1))));
        assert_eq!(Keyspace::new("s", &[HERE], &[], 1, 1.0).err(), Some(KeyspaceError::Empty));
    }

    #[test]
    fn changes_are_staggered_over_the_rotation() {
        let space = keyspace("s", 208, 1, 1.0);
        let mut ends: Vec<_> = (0..208).map(|p| space.validity(p, 0).end).collect();
        ends.sort_unstable();
        // No five minutes of a rotation see more than a handful of the 208 changes.
        for window in ends.windows(12) {
            assert!(window[11] - window[0] > 5 * MINUTE);
        }
    }

    #[test]
    fn a_shorter_rotation_moves_with_all_its_parts() {
        let space = keyspace("s", 208, 1, 1.0).rotating_every(10 * MINUTE);
        for presence in 0..208 {
            let valid = space.validity(presence, 5 * HOUR);
            let length = valid.end - valid.start;
            assert!((length - 10 * MINUTE).abs() <= 25 * SECOND, "{length}");
            assert_ne!(space.id(presence, valid.end), space.id(presence, valid.start));
        }
    }

    proptest! {
        #[test]
        fn an_id_stays_in_its_slice_and_depends_on_nothing_but_its_inputs(
            seed in "[a-z]{0,8}", ports in 1u16..300, ids in 1u8..=16, pick: u16, now in 0..4_000_000_000_000_000i64,
        ) {
            let space = keyspace(&seed, ports, ids, 1.0);
            let presence = pick % space.presences();
            let id = space.id(presence, now);
            let (first, last) = space.slice(presence);
            prop_assert!(first <= id.get() && id.get() <= last);
            prop_assert_eq!(id, keyspace(&seed, ports, ids, 1.0).id(presence, now));
            prop_assert!(space.presences_of(space.socket_of(presence)).contains(&presence));
        }

        #[test]
        fn an_id_lasts_twelve_hours_give_or_take_thirty_minutes(pick in 0u16..208, now in 0..4_000_000_000_000_000i64) {
            let space = keyspace("s", 208, 1, 1.0);
            let valid = space.validity(pick, now);
            prop_assert!(valid.contains(&now));
            prop_assert!((valid.end - valid.start - ROTATION).abs() <= 30 * MINUTE);
            let id = space.id(pick, now);
            prop_assert_eq!(space.id(pick, valid.start), id);
            prop_assert_eq!(space.id(pick, valid.end - 1), id);
            prop_assert_ne!(space.id(pick, valid.end), id);
            prop_assert_eq!(space.validity(pick, valid.end).start, valid.end);
        }

        #[test]
        fn the_share_says_how_many_rotate(share in 0.0..=1.0f64) {
            let space = keyspace("s", 208, 1, share);
            let rotating = (0..208).filter(|&p| space.rotates(p)).count();
            prop_assert!((rotating as f64 - 208.0 * share).abs() <= 1.0);
        }

        #[test]
        fn stretches_tile_the_time_they_are_asked_for(from in 0..4_000_000_000_000_000i64, length in 1..100 * HOUR) {
            let space = keyspace("s", 5, 1, 0.5);
            let to = from + length;
            for presence in 0..5 {
                let mut at = from;
                for stretch in space.stretches(from, to).filter(|s| s.presence == presence) {
                    prop_assert_eq!(stretch.from, at);
                    prop_assert!(stretch.to > at);
                    prop_assert_eq!(stretch.id, space.id(presence, stretch.to - 1));
                    at = stretch.to;
                }
                prop_assert_eq!(at, to);
            }
        }
    }
}
