//! Sources that send more than is worth keeping: events up to a limit, counts beyond it.
//!
//! The limit holds per source and clock hour. Files are hourly as well, so in each of them the first
//! events of every source are complete and what was cut off came after them; a limit that slides
//! would leave samples out of the middle that no query can tell from silence.
//!
//! Memory is fixed: a source that is about to reach its limit has more events than the others of
//! its set, so it keeps its slot; and a bounded number of counts is held until they are written down.

use crate::clock::{HOUR, MINUTE, Micros};
use crate::krpc::Method;
use crate::secret::Secret;
use crate::sources::{Sources, network};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Counts held at once: 1 MB of them. Every source that has one had used up its events before.
const MOST: usize = 1 << 14;

/// How often a source asked one thing in one minute; a row of `captured.floods`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flood {
    /// Start of the minute.
    pub minute: Micros,
    /// An IPv4 address or the first of an IPv6 /64.
    pub source: IpAddr,
    /// What was asked.
    pub method: Method,
    /// Datagrams.
    pub count: u32,
}

/// Events of one source in one hour.
#[derive(Clone, Copy, Default)]
struct Used {
    hour: i64,
    events: u32,
}

/// Tells which datagrams become events and counts the others.
pub struct Floods {
    limit: u32,
    used: Sources<Used>,
    counts: BTreeMap<(Micros, IpAddr, Method), u32>,
}

impl Floods {
    /// Nothing has happened yet; `limit` is the number of events per source and clock hour.
    #[must_use]
    pub fn new(secret: &Secret, limit: u32) -> Self {
        Self { limit, used: Sources::new(&secret.derive("floods")), counts: BTreeMap::new() }
    }

    /// Begins to fetch what `ip` has used up from memory.
    pub fn fetch(&self, ip: IpAddr) {
        self.used.fetch(ip);
    }

    /// Whether a datagram from `ip`, received at `ts`, is still within the limit; if so, it is
    /// charged.
    pub fn admit(&mut self, ts: Micros, ip: IpAddr) -> bool {
        let hour = ts.div_euclid(HOUR);
        let fresh = Used { hour, events: 0 };
        // Slots of other hours go first, also of hours to come: the clock was set back.
        let used = self.used.slot(ip, |used| (Reverse(used.hour.abs_diff(hour)), used.events), |_| fresh);
        // Sockets are read one after the other, so the hour before may show up once more. Any other
        // hour is a new one, also when the clock was set back.
        if hour != used.hour && hour + 1 != used.hour {
            *used = fresh;
        }
        let admitted = used.events < self.limit;
        used.events += u32::from(admitted);
        admitted
    }

    /// Counts a datagram that was not admitted; says whether there was room for the count.
    #[must_use]
    pub fn count(&mut self, ts: Micros, ip: IpAddr, method: Method) -> bool {
        let key = (start_of_minute(ts), network(ip), method);
        let has_room = self.counts.len() < MOST;
        match self.counts.get_mut(&key) {
            Some(count) => *count = count.saturating_add(1),
            None if has_room => {
                self.counts.insert(key, 1);
            }
            None => return false,
        }
        true
    }

    /// The counts so far, in order of time. Those of one minute may be taken in several parts.
    #[must_use]
    pub fn held(&self) -> Vec<Flood> {
        let flood = |(&(minute, source, method), &count)| Flood { minute, source, method, count };
        self.counts.iter().map(flood).collect()
    }

    /// Forgets the counts: they have been written down.
    pub fn clear(&mut self) {
        self.counts.clear();
    }
}

fn start_of_minute(ts: Micros) -> Micros {
    ts.div_euclid(MINUTE) * MINUTE
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    fn floods(limit: u32) -> Floods {
        Floods::new(&Secret::from_text("s"), limit)
    }

    fn ip(i: u32) -> IpAddr {
        IpAddr::from(i.to_be_bytes())
    }

    #[test]
    fn every_hour_begins_anew() {
        let mut floods = floods(2);
        let admitted = |floods: &mut Floods, ts| floods.admit(ts, ip(1));
        assert!(admitted(&mut floods, HOUR - 2) && admitted(&mut floods, HOUR - 1));
        assert!(!admitted(&mut floods, HOUR - 1));
        assert!(admitted(&mut floods, HOUR));
        assert!(admitted(&mut floods, HOUR - 1), "a straggler is charged to the running hour");
        assert!(!admitted(&mut floods, HOUR));
        assert!(admitted(&mut floods, -HOUR), "the clock was set back");
    }

    #[test]
    fn a_crowd_pushes_no_flooder_out_and_is_not_limited_by_it() {
        let mut floods = floods(100);
        assert!((0..100).all(|_| floods.admit(0, ip(1))));
        assert!((1000..200_000).all(|i| floods.admit(0, ip(i))));
        assert!(!floods.admit(0, ip(1)));
    }

    #[test]
    fn sources_of_an_hour_to_come_make_room_when_the_clock_is_set_back() {
        let mut floods = floods(100);
        assert!((1000..200_000).all(|i| floods.admit(24 * HOUR, ip(i))));
        assert!((0..100).all(|_| floods.admit(0, ip(1))));
        assert!((200_000..300_000).all(|i| floods.admit(0, ip(i))));
        assert!(!floods.admit(0, ip(1)));
    }

    #[test]
    fn counts_are_bounded() {
        let mut floods = floods(1);
        let counted = (0..2 * MOST as u32).filter(|&i| floods.count(0, ip(i), Method::Ping)).count();
        assert_eq!(counted, MOST);
        assert!(floods.count(1, ip(1), Method::Ping), "a count that is held goes on");
        assert_eq!(floods.held().len(), MOST);
        floods.clear();
        assert!(floods.count(1, ip(u32::MAX), Method::Ping));
    }

    proptest! {
        #[test]
        fn every_datagram_is_an_event_or_counted_once(
            steps in prop::collection::vec((0u32..6, 0usize..9, 0..20 * MINUTE), 0..400), limit in 1u32..20,
        ) {
            let mut floods = floods(limit);
            let (mut now, mut events) = (0, HashMap::new());
            let (mut counted, mut rows) = (0, Vec::new());
            for (source, method, pause) in steps {
                now += pause;
                if pause > 10 * MINUTE {
                    rows.extend(floods.held());
                    floods.clear();
                }
                if floods.admit(now, ip(source)) {
                    *events.entry((now / HOUR, source)).or_insert(0) += 1;
                } else {
                    prop_assert_eq!(events[&(now / HOUR, source)], limit);
                    prop_assert!(floods.count(now, ip(source), Method::ALL[method]));
                    counted += 1;
                }
            }
            rows.extend(floods.held());
            prop_assert_eq!(rows.iter().map(|row| row.count).sum::<u32>(), counted);
            prop_assert!(events.values().all(|&events| events <= limit));
            prop_assert!(rows.is_sorted_by_key(|row| row.minute));
        }
    }
}
