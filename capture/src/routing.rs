//! One routing table: the nodes that a presence knows (BEP 5).
//!
//! Only nodes that have answered a query of ours are ever in it. Buckets hold [`K`] nodes and only
//! the one that covers our own id is split, so a table of a network of *n* nodes has about
//! 8·log₂(*n*) entries and never more than 8·160. An address has at most one of them, and a network
//! of neighbouring addresses two in a bucket and ten in all: an operator who runs a thousand ids on
//! one host gets one place, and one who owns a /24 cannot fill the table around an id.

use crate::clock::{MINUTE, Micros, SECOND};
use crate::id::Id;
use crate::krpc::compact::Contact;
use crate::sources::network as remote;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Nodes in a bucket, and nodes in an answer.
pub const K: usize = 8;
/// Nodes of one network in a table and in a bucket of it; the tables of Ethereum and eMule have the
/// same limits.
const MOST_OF_NETWORK: usize = 10;
const MOST_OF_NETWORK_IN_BUCKET: usize = 2;
/// A node or a bucket that was silent for this long is questionable or stale.
pub const FRESH: Micros = 15 * MINUTE;
/// Queries in a row left unanswered that make a node bad; a bad node is removed.
const MAX_FAILURES: u8 = 2;
/// Time before a questionable node is asked again: longer than any answer takes.
const RETRY: Micros = 30 * SECOND;

/// The state of a node in the words of BEP 5, without *bad*: those are gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Answered lately, or answered once and asked us something lately.
    Good,
    /// Silent for fifteen minutes, or failed to answer once.
    Questionable,
}

/// A node that has answered us.
#[derive(Clone, Copy, Debug)]
struct Node {
    contact: Contact,
    /// When it last answered or asked.
    seen: Micros,
    /// When we last asked it.
    asked: Micros,
    failures: u8,
}

impl Node {
    fn standing(&self, now: Micros) -> Standing {
        if self.failures == 0 && now - self.seen < FRESH { Standing::Good } else { Standing::Questionable }
    }
}

/// Up to [`K`] nodes whose ids share as many bits with ours.
#[derive(Clone, Debug, Default)]
struct Bucket {
    nodes: Vec<Node>,
    /// When its range was last asked for.
    refreshed: Micros,
}

/// The table of one presence.
#[derive(Clone, Debug)]
pub struct Table {
    own: Id,
    /// Bucket *i* holds ids that share exactly *i* leading bits with ours, the last one those that
    /// share at least as many.
    buckets: Vec<Bucket>,
}

impl Table {
    /// An empty table around `own`.
    #[must_use]
    pub fn new(own: Id) -> Self {
        Self { own, buckets: vec![Bucket::default()] }
    }

    /// Number of nodes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.buckets.iter().map(|bucket| bucket.nodes.len()).sum()
    }

    /// Whether no node is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.buckets.iter().all(|bucket| bucket.nodes.is_empty())
    }

    /// The same nodes around another id. What no longer fits is dropped.
    pub fn recentre(&mut self, own: Id) {
        let old = std::mem::replace(self, Self::new(own));
        for node in old.buckets.into_iter().flat_map(|bucket| bucket.nodes) {
            if self.wants(&node.contact) {
                self.insert(node);
            }
        }
    }

    /// Whether it is worth asking `contact` for a sign of life: unknown, and there is room for it.
    #[must_use]
    pub fn wants(&self, contact: &Contact) -> bool {
        let bucket = self.bucket(&contact.id);
        contact.id != self.own
            && (bucket.nodes.len() < K || self.may_split(&contact.id))
            && !self.nodes().any(|node| remote(node.contact.addr.ip()) == remote(contact.addr.ip()))
            && neighbours(&bucket.nodes, contact) < MOST_OF_NETWORK_IN_BUCKET
            && neighbours(self.nodes(), contact) < MOST_OF_NETWORK
    }

    /// `contact` answered us.
    pub fn answered(&mut self, now: Micros, contact: Contact) {
        if let Some(node) = self.node_mut(&contact) {
            if node.contact.id == contact.id {
                node.seen = now;
                node.failures = 0;
                return;
            }
            // It has changed its id, and with it its place.
            self.forget(&contact);
        }
        if self.wants(&contact) {
            self.insert(Node { contact, seen: now, asked: now, failures: 0 });
        }
    }

    /// `contact` asked us something; that keeps a node we know good.
    pub fn heard(&mut self, now: Micros, contact: &Contact) {
        if let Some(node) = self.node_mut(contact).filter(|node| node.contact.id == contact.id) {
            node.seen = now;
        }
    }

    /// `contact` did not answer a query. After the second time it is forgotten.
    pub fn failed(&mut self, contact: &Contact) {
        if let Some(node) = self.node_mut(contact) {
            node.failures += 1;
            if node.failures >= MAX_FAILURES {
                self.forget(contact);
            }
        }
    }

    /// The good nodes, those that share most bits with our id first.
    pub fn good(&self, now: Micros) -> impl Iterator<Item = Contact> {
        let nodes = self.buckets.iter().rev().flat_map(|bucket| &bucket.nodes);
        nodes.filter(move |node| node.standing(now) == Standing::Good).map(|node| node.contact)
    }

    /// Forgets every node that `keep` does not hold for.
    pub fn retain(&mut self, keep: impl Fn(&Contact) -> bool) {
        for bucket in &mut self.buckets {
            bucket.nodes.retain(|node| keep(&node.contact));
        }
    }

    /// The questionable node that was silent longest and has not been asked just now.
    #[must_use]
    pub fn questionable(&self, now: Micros) -> Option<Contact> {
        self.nodes()
            .filter(|node| node.standing(now) == Standing::Questionable && now - node.asked >= RETRY)
            .min_by_key(|node| node.seen)
            .map(|node| node.contact)
    }

    /// `contact` is being asked.
    pub fn asking(&mut self, now: Micros, contact: &Contact) {
        if let Some(node) = self.node_mut(contact) {
            node.asked = now;
        }
    }

    /// The first bucket whose range was not asked for in fifteen minutes, as the number of bits
    /// that its ids share with ours.
    #[must_use]
    pub fn stale(&self, now: Micros) -> Option<usize> {
        self.buckets.iter().position(|bucket| now - bucket.refreshed >= FRESH)
    }

    /// The range of `bucket` is being asked for.
    pub fn refreshed(&mut self, now: Micros, bucket: usize) {
        if let Some(bucket) = self.buckets.get_mut(bucket) {
            bucket.refreshed = now;
        }
    }

    /// The nodes closest to `target`, at most [`K`]: good ones first, questionable ones only where
    /// good ones are too few. `found` is emptied first and is in order of preference.
    pub fn closest(&self, now: Micros, target: &Id, found: &mut Vec<Contact>) {
        let mut best: [Option<(Standing, Id, Contact)>; K] = [None; K];
        for node in self.nodes() {
            let entry = (node.standing(now), node.contact.id.distance(target));
            let place = best
                .iter()
                .position(|slot| slot.is_none_or(|(standing, distance, _)| entry < (standing, distance)));
            if let Some(place) = place {
                best[place..].rotate_right(1);
                best[place] = Some((entry.0, entry.1, node.contact));
            }
        }
        found.clear();
        found.extend(best.iter().flatten().map(|(_, _, contact)| contact));
    }

    fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.buckets.iter().flat_map(|bucket| &bucket.nodes)
    }

    /// The node at the address of `contact`.
    fn node_mut(&mut self, contact: &Contact) -> Option<&mut Node> {
        let mut nodes = self.buckets.iter_mut().flat_map(|bucket| &mut bucket.nodes);
        nodes.find(|node| node.contact.addr == contact.addr)
    }

    fn index(&self, id: &Id) -> usize {
        self.own.common_prefix(id).min(self.buckets.len() - 1)
    }

    fn bucket(&self, id: &Id) -> &Bucket {
        &self.buckets[self.index(id)]
    }

    /// Whether the full bucket of `id` would make room for it by splitting.
    fn may_split(&self, id: &Id) -> bool {
        let last = self.buckets.len() - 1;
        if self.index(id) != last || last + 1 >= Id::BITS {
            return false;
        }
        // Splitting goes on until the ids part; there is room unless all of them share the prefix of `id`.
        let prefix = self.own.common_prefix(id);
        let nodes = &self.buckets[last].nodes;
        nodes.iter().filter(|node| self.own.common_prefix(&node.contact.id) == prefix).count() < K
    }

    /// Takes a node that the table wants.
    fn insert(&mut self, node: Node) {
        let id = node.contact.id;
        while self.bucket(&id).nodes.len() >= K {
            self.split();
        }
        let index = self.index(&id);
        self.buckets[index].nodes.push(node);
    }

    /// Splits the last bucket into ids that share exactly as many bits with ours and the rest.
    fn split(&mut self) {
        let last = self.buckets.len() - 1;
        let own = self.own;
        let refreshed = self.buckets[last].refreshed;
        let (nearer, same) = std::mem::take(&mut self.buckets[last].nodes)
            .into_iter()
            .partition(|node| own.common_prefix(&node.contact.id) > last);
        self.buckets[last].nodes = same;
        self.buckets.push(Bucket { nodes: nearer, refreshed });
    }

    fn forget(&mut self, contact: &Contact) {
        self.retain(|known| known.addr != contact.addr);
    }
}

/// How many of `nodes` are in the network of `contact`.
fn neighbours<'a>(nodes: impl IntoIterator<Item = &'a Node>, contact: &Contact) -> usize {
    let network = network(contact.addr.ip());
    nodes.into_iter().filter(|node| self::network(node.contact.addr.ip()) == network).count()
}

/// What one owner is likely to have all of: an IPv4 /24 or an IPv6 /48. In simulations every loopback
/// address is somebody else's.
fn network(ip: IpAddr) -> IpAddr {
    match ip {
        _ if ip.is_loopback() => ip,
        IpAddr::V4(ip) => Ipv4Addr::from_bits(ip.to_bits() >> 8 << 8).into(),
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() >> 80 << 80).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::SocketAddr;

    fn contact(id: [u8; 20], ip: u32) -> Contact {
        Contact { id: Id(id), addr: SocketAddr::from((ip.to_be_bytes(), 6881)) }
    }

    /// An id that shares `prefix` bits with the zero id.
    fn near(prefix: u8, rest: u8) -> [u8; 20] {
        let mut id = [rest; 20];
        id[..usize::from(prefix / 8)].fill(0);
        let bit = 0x80 >> (prefix % 8);
        let byte = &mut id[usize::from(prefix / 8)];
        *byte = bit | *byte & (bit - 1);
        id
    }

    fn check(table: &Table) {
        let mut hosts = Vec::new();
        for (index, bucket) in table.buckets.iter().enumerate() {
            assert!(bucket.nodes.len() <= K);
            for node in &bucket.nodes {
                assert!(neighbours(&bucket.nodes, &node.contact) <= MOST_OF_NETWORK_IN_BUCKET);
                assert!(neighbours(table.nodes(), &node.contact) <= MOST_OF_NETWORK);
                assert_eq!(table.index(&node.contact.id), index);
                assert_ne!(node.contact.id, table.own);
                hosts.push(node.contact.addr.ip());
            }
        }
        let count = hosts.len();
        hosts.sort_unstable();
        hosts.dedup();
        assert_eq!(hosts.len(), count, "two nodes on one host");
    }

    #[test]
    fn far_buckets_fill_and_near_ones_split() {
        let mut table = Table::new(Id([0; 20]));
        for i in 0..100u8 {
            table.answered(1, contact(near(0, i), u32::from(i) << 8));
        }
        assert_eq!(table.len(), K, "one half of the keyspace gets one bucket");
        for i in 0..100u8 {
            table.answered(1, contact(near(i % 20 + 1, i), (1000 + u32::from(i)) << 8));
        }
        assert!(table.len() > 60);
        check(&table);
    }

    #[test]
    fn a_network_gets_few_places_whatever_ids_it_chooses() {
        let mut table = Table::new(Id([0; 20]));
        for i in 0..100u8 {
            table.answered(1, contact(near(i % 20, i), (1000 + u32::from(i)) << 8));
        }
        let honest = table.len();
        for i in 0..=255u8 {
            table.answered(1, contact(near(i % 160, i), u32::from(i)));
        }
        assert_eq!(table.len(), honest + MOST_OF_NETWORK);
        check(&table);
        let ip = |text: &str| text.parse::<IpAddr>().expect("an address");
        assert_eq!(network(ip("2a00:1:1:5::1")), network(ip("2a00:1:1:6::1")));
        assert_ne!(network(ip("2a00:1:1::1")), network(ip("2a00:1:2::1")));
    }

    #[test]
    fn a_node_is_forgotten_after_two_failures_and_one_answer_redeems_it() {
        let mut table = Table::new(Id([0; 20]));
        let node = contact([1; 20], 1);
        table.answered(0, node);
        table.failed(&node);
        assert_eq!(table.questionable(RETRY), Some(node));
        table.answered(RETRY, node);
        assert_eq!(table.questionable(RETRY), None);
        table.failed(&node);
        assert_eq!(table.len(), 1);
        table.failed(&node);
        assert!(table.is_empty());
    }

    #[test]
    fn silence_makes_a_node_questionable_and_a_query_from_it_good() {
        let mut table = Table::new(Id([0; 20]));
        let node = contact([1; 20], 1);
        table.answered(0, node);
        assert_eq!(table.questionable(FRESH - 1), None);
        assert_eq!(table.questionable(FRESH), Some(node));
        table.asking(FRESH, &node);
        assert_eq!(table.questionable(FRESH + 1), None, "it is being asked already");
        table.heard(FRESH + 1, &node);
        assert_eq!(table.questionable(2 * FRESH), None);
    }

    #[test]
    fn good_nodes_come_before_closer_questionable_ones() {
        let mut table = Table::new(Id([0; 20]));
        table.answered(0, contact([2; 20], 2));
        table.answered(FRESH, contact([9; 20], 9));
        let mut found = Vec::new();
        table.closest(FRESH, &Id([2; 20]), &mut found);
        assert_eq!(found.iter().map(|c| c.id.0[0]).collect::<Vec<_>>(), [9, 2]);
    }

    proptest! {
        #[test]
        fn the_table_keeps_its_shape_under_any_history(
            own: [u8; 20],
            steps in prop::collection::vec((any::<[u8; 20]>(), 0u32..200, 0u8..40, 0u8..6), 0..600),
        ) {
            let mut table = Table::new(Id(own));
            for (now, (mut id, ip, prefix, action)) in (0..).step_by(10 * SECOND as usize).zip(steps) {
                // Random ids are far away: give them a prefix of ours, so that buckets split.
                id[..usize::from(prefix / 8)].copy_from_slice(&own[..usize::from(prefix / 8)]);
                let contact = contact(id, ((ip % 10) << 8) | (ip / 10));
                match action {
                    0 => table.failed(&contact),
                    1 => table.heard(now, &contact),
                    2 if prefix == 0 => table.recentre(Id(id)),
                    _ => {
                        let wanted = table.wants(&contact);
                        let before = table.len();
                        table.answered(now, contact);
                        prop_assert!(!wanted || table.len() == before + 1, "wanted, but not taken");
                    }
                }
                check(&table);
            }
            let mut found = Vec::new();
            let target = Id([0x55; 20]);
            table.closest(0, &target, &mut found);
            prop_assert_eq!(found.len(), table.len().min(K));
        }
    }
}
