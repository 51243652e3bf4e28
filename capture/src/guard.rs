//! One budget per remote address over everything we send it.
//!
//! libtorrent bans an address after 50 messages in 10 seconds, answers included, and our sockets
//! all share a few addresses. So every answer and every query of every presence draws on the same
//! budget, and our own queries to one remote are spaced out besides, unless they introduce a new id.

use crate::clock::{Micros, SECOND};
use crate::secret::Secret;
use crate::sources::Sources;
use std::net::IpAddr;

/// Limits for one remote address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Time that pays for one message.
    pub interval: Micros,
    /// Messages that may be sent at once after a silence.
    pub burst: i64,
    /// Time between two queries of ours.
    pub query_interval: Micros,
}

impl Limits {
    /// The most messages that an address can get in any stretch of `length`.
    #[must_use]
    pub fn most_within(&self, length: Micros) -> i64 {
        self.burst + length / self.interval
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { interval: 2 * SECOND / 5, burst: 20, query_interval: 5 * SECOND }
    }
}

/// What one address has used up.
#[derive(Clone, Copy, Default)]
struct Slot {
    /// When everything sent so far is paid for (the theoretical arrival time of GCRA).
    paid: Micros,
    /// When the next query may be sent.
    query: Micros,
}

/// Keeps what we send to each address below the limits.
pub struct Guard {
    limits: Limits,
    slots: Sources<Slot>,
}

impl Guard {
    /// An empty guard.
    #[must_use]
    pub fn new(secret: &Secret, limits: Limits) -> Self {
        Self { limits, slots: Sources::new(&secret.derive("guard")) }
    }

    /// Begins to fetch what `ip` has used up from memory.
    pub fn fetch(&self, ip: IpAddr) {
        self.slots.fetch(ip);
    }

    /// Whether an answer may go to `ip` now; if so, it is charged.
    pub fn allow_answer(&mut self, now: Micros, ip: IpAddr) -> bool {
        let Limits { interval, burst, .. } = self.limits;
        let slot = self.slot(ip);
        charge(slot, now, interval, burst)
    }

    /// Whether a query of ours may go to `ip` now; if so, it is charged. Queries leave half of the
    /// burst to answers.
    pub fn allow_query(&mut self, now: Micros, ip: IpAddr) -> bool {
        let Limits { interval, burst, query_interval } = self.limits;
        let slot = self.slot(ip);
        if now < slot.query || !charge(slot, now, interval, burst / 2) {
            return false;
        }
        slot.query = now + query_interval;
        true
    }

    /// Whether a query of ours may go to `ip` right behind an answer to it; if so, it is charged. It need
    /// not wait for the time between two queries: it introduces an id that is new, and never comes more often
    /// than `ip` asks.
    pub fn allow_introduction(&mut self, now: Micros, ip: IpAddr) -> bool {
        let Limits { interval, burst, .. } = self.limits;
        charge(self.slot(ip), now, interval, burst / 2)
    }

    /// The slot of `ip`, taken over from the one that has been idle longest if it has none. What is
    /// not paid for yet is taken over as well: otherwise a crowd could push a remote out of its slot
    /// and have it sent a second burst.
    fn slot(&mut self, ip: IpAddr) -> &mut Slot {
        self.slots.slot(ip, |slot| slot.paid, |owed| owed)
    }
}

fn charge(slot: &mut Slot, now: Micros, interval: Micros, burst: i64) -> bool {
    let paid = slot.paid.max(now);
    if paid - now > (burst - 1) * interval {
        return false;
    }
    slot.paid = paid + interval;
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_default_stays_below_the_ban_of_libtorrent() {
        assert!(Limits::default().most_within(10 * SECOND) < 50);
    }

    #[test]
    fn a_flood_of_addresses_silences_nobody() {
        let mut guard = Guard::new(&Secret::from_text("s"), Limits::default());
        for i in 0..200_000u32 {
            assert!(guard.allow_answer(SECOND, IpAddr::from(i.to_be_bytes())));
        }
    }

    #[test]
    fn a_crowd_buys_nobody_a_second_burst() {
        let limits = Limits::default();
        let mut guard = Guard::new(&Secret::from_text("s"), limits);
        let remote = IpAddr::from([192, 0, 2, 1]);
        assert!((0..limits.burst).all(|_| guard.allow_answer(SECOND, remote)));
        for i in 0..200_000u32 {
            while guard.allow_answer(SECOND, IpAddr::from(i.to_be_bytes())) {}
        }
        assert!(!guard.allow_answer(SECOND, remote));
    }

    #[test]
    fn a_long_debt_is_not_forgiven() {
        let limits = Limits { interval: 100 * SECOND, ..Limits::default() };
        let mut guard = Guard::new(&Secret::from_text("s"), limits);
        let sent = (0..100).filter(|_| guard.allow_answer(SECOND, IpAddr::from([192, 0, 2, 1]))).count();
        assert_eq!(sent as i64, limits.burst);
    }

    proptest! {
        #[test]
        fn no_ten_seconds_see_more_than_the_limit(steps in prop::collection::vec((0..SECOND, 0..3), 1..400)) {
            let limits = Limits::default();
            let mut guard = Guard::new(&Secret::from_text("s"), limits);
            let ip = IpAddr::from([192, 0, 2, 1]);
            let (mut now, mut sent, mut queries) = (SECOND, Vec::new(), Vec::new());
            for (step, kind) in steps {
                now += step;
                let allowed = match kind {
                    0 => guard.allow_query(now, ip),
                    1 => guard.allow_introduction(now, ip),
                    _ => guard.allow_answer(now, ip),
                };
                if allowed {
                    sent.push(now);
                    queries.extend((kind == 0).then_some(now));
                }
            }
            for (i, &start) in sent.iter().enumerate() {
                let within = sent[i..].iter().take_while(|&&at| at < start + 10 * SECOND).count() as i64;
                prop_assert!(within <= limits.most_within(10 * SECOND));
            }
            prop_assert!(queries.windows(2).all(|pair| pair[1] - pair[0] >= limits.query_interval));
        }
    }
}
