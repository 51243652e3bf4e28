//! Staying in other nodes' routing tables, and keeping ours worth answering from.
//!
//! A real node gets into tables by asking. So every node that shows up is asked once for a sign of
//! life, nodes that fell silent are pinged, and ranges that nobody was asked about for fifteen
//! minutes are looked up, all with `ping` and with `find_node` for ids of our own. Where BEP 5 asks
//! for a random id in a bucket's range, an id of another presence in that range serves as well.
//!
//! One query is sent at a time, in turn over the presences and at a fixed rate; the guard spaces
//! out what one remote gets.
//!
//! A node that finds a new id at an endpoint it knows drops the endpoint (libtorrent: "changed ID") and
//! takes up whatever it hears of next, the old id too, which others still name; then it meets the change
//! once more. So while an id is new, each answer under it is followed at once by a query under it: that is
//! the next the node hears.

use super::pending::Query;
use super::{Antenna, Datagram, Presence, Sink};
use crate::clock::{MINUTE, Micros, SECOND};
use crate::keyspace::OwnId;
use crate::krpc::compact::{self, Contact};
use crate::krpc::{Flaw, Kind, Message, Outbound};
use crate::routing::{FRESH, K};
use std::net::SocketAddr;

/// Nodes that wait to be asked, per presence.
const CANDIDATES: usize = 2 * K;
/// Time between two attempts of a presence without nodes to find some.
const SEEK: Micros = MINUTE;
/// Queries that may be made up for after a pause.
const CATCH_UP: Micros = SECOND;

/// Time after a change of id in which nodes that ask are made to hear of it: in that time each looks after
/// those it knows (BEP 5).
const INTRODUCTION: Micros = FRESH;
/// One query in so many may introduce an id.
const INTRODUCTIONS: Micros = 2;

/// A query of ours.
enum Ask {
    Ping,
    FindNode(OwnId),
}

impl Antenna {
    /// Lets time pass until the wall clock says `wall`: ids change, queries expire, queries become
    /// due. To be called about ten times a second.
    pub fn tick(&mut self, wall: Micros, sink: &mut impl Sink) {
        let now = self.steady.advance(wall);
        self.rotate(wall, now);
        while let Some(query) = self.pending.expire(now) {
            self.counters.queries_unanswered += 1;
            self.give_up(&query);
        }
        let Some(interval) = self.query_interval() else { return };
        self.next_query = self.next_query.max(now - CATCH_UP);
        while self.next_query <= now && self.pending.has_room() && self.ask_in_turn(now, sink) {
            self.next_query = self.next_query.saturating_add(interval);
        }
    }

    /// Time between two queries of ours; none if there are to be none.
    fn query_interval(&self) -> Option<Micros> {
        let rate = self.settings.query_rate;
        (rate > 0.0).then(|| (SECOND as f64 / rate) as Micros)
    }

    /// Gives every presence the id that is due when the wall clock says `wall`: which ids we had
    /// when must follow from the clock that events are stamped with.
    fn rotate(&mut self, wall: Micros, now: Micros) {
        for (number, presence) in (0..).zip(&mut self.presences) {
            if !presence.valid.contains(&wall) {
                presence.previous = presence.id;
                presence.id = self.keyspace.id(number, wall);
                presence.valid = self.keyspace.validity(number, wall);
                presence.changed = Some(now);
                presence.table.recentre(presence.id.get());
                presence.seek = now;
            }
        }
    }

    /// Takes an answer to a query of ours: the sender is alive, and may name other nodes.
    pub(super) fn receive_answer(&mut self, now: Micros, datagram: &Datagram<'_>, message: &Message<'_>) {
        let query = message
            .transaction
            .and_then(|transaction| self.pending.finish(datagram.socket, datagram.source, transaction));
        let counters = &mut self.counters;
        let count = match (message.kind, query.is_some()) {
            (Kind::Error, true) => &mut counters.errors_matched,
            (Kind::Error, false) => &mut counters.errors_unmatched,
            (_, true) => &mut counters.responses_matched,
            (_, false) => &mut counters.responses_unmatched,
        };
        *count += 1;
        let Some(query) = query else { return };
        let Some(id) = message.id.filter(|id| message.kind == Kind::Response && !self.is_own(id)) else {
            self.give_up(&query);
            return;
        };
        let presence = &mut self.presences[usize::from(query.presence)];
        if presence.reach.admits(query.addr) {
            presence.table.answered(now, Contact { id, addr: query.addr });
        }
        let nodes = compact::nodes4(message.nodes.unwrap_or_default()).take(2 * K);
        let nodes6 = compact::nodes6(message.nodes6.unwrap_or_default()).take(2 * K);
        for node in nodes.chain(nodes6) {
            self.offer(query.presence, node);
            // It may be of more use to the presence whose slice it stands in.
            self.offer(self.presence_near(&node.id), node);
        }
    }

    /// A query was not answered as a node would: it counts against the node.
    fn give_up(&mut self, query: &Query) {
        if let Some(id) = query.id {
            let contact = Contact { id, addr: query.addr };
            self.presences[usize::from(query.presence)].table.failed(&contact);
        }
    }

    /// Good nodes of every presence, the nearest first; at most `most` in all, but one of each.
    #[must_use]
    pub fn good_nodes(&self, most: usize) -> Vec<Contact> {
        let now = self.steady.now();
        let each = (most / self.presences.len()).clamp(1, CANDIDATES);
        let tables = self.presences.iter().map(|presence| &presence.table);
        let mut nodes: Vec<_> = tables.flat_map(|table| table.good(now).take(each)).collect();
        nodes.sort_unstable_by_key(|node| node.addr);
        nodes.dedup_by_key(|node| node.addr);
        nodes
    }

    /// Makes candidates of nodes that were good some time ago, each for the presence nearest to it.
    pub fn recall(&mut self, nodes: &[Contact]) {
        for &node in nodes {
            let admits = |presence: &Presence| {
                presence.is_ipv4 == node.addr.is_ipv4() && presence.reach.admits(node.addr)
            };
            if let Some(presence) = self.nearest(&node.id, admits) {
                self.offer(presence as u16, node);
            }
        }
    }

    /// Takes note of the sender of a query: a node that asks is alive, and worth asking back. If it has
    /// just been `shown` an id that is new, it is asked at once.
    pub(super) fn notice(
        &mut self,
        now: Micros,
        datagram: &Datagram<'_>,
        message: &Message<'_>,
        presence: u16,
        shown: bool,
        sink: &mut impl Sink,
    ) {
        let (Kind::Query, Some(id), None | Some(false)) = (message.kind, message.id, message.read_only)
        else {
            return;
        };
        if message.flaw.is_some_and(Flaw::forbids_an_answer) {
            return;
        }
        let contact = Contact { id, addr: datagram.source };
        self.presences[usize::from(presence)].table.heard(now, &contact);
        if !shown || !self.introduce(now, presence, contact, sink) {
            self.offer(presence, contact);
        }
    }

    /// Asks a node that may have known `presence` by another id; says whether it did. What that takes of
    /// the query rate is saved later.
    fn introduce(&mut self, now: Micros, presence: u16, contact: Contact, sink: &mut impl Sink) -> bool {
        let number = usize::from(presence);
        let Presence { id, changed, .. } = self.presences[number];
        let Some(interval) = self.query_interval() else { return false };
        if changed.is_none_or(|changed| now - changed >= INTRODUCTION)
            || self.next_introduction > now + CATCH_UP
            || !self.pending.has_room()
            || !self.may_ask(presence, &contact)
            || !self.guard.allow_introduction(now, contact.addr.ip())
        {
            return false;
        }
        let spacing = interval.saturating_mul(INTRODUCTIONS);
        self.next_introduction = self.next_introduction.max(now).saturating_add(spacing);
        self.next_query = self.next_query.saturating_add(interval);
        self.ask(now, number, contact.addr, Some(contact), &Ask::FindNode(id), sink);
        true
    }

    /// Whether `contact` can be a node that `presence` sees, and is none of ours.
    fn may_ask(&self, presence: u16, contact: &Contact) -> bool {
        let presence = &self.presences[usize::from(presence)];
        presence.is_ipv4 == contact.addr.is_ipv4()
            && presence.reach.admits(contact.addr)
            && !self.deny.contains(contact.addr.ip())
            && !self.is_own(&contact.id)
            && !self.keyspace.sockets().contains(&contact.addr)
    }

    /// Makes `contact` a candidate of `presence`, or of the one that it is shown at the same socket.
    fn offer(&mut self, presence: u16, contact: Contact) {
        let number = self.presence_for(self.keyspace.socket_of(presence), contact.addr);
        if !self.presences[usize::from(number)].table.wants(&contact) {
            return;
        }
        let Presence { id, candidates, .. } = &self.presences[usize::from(number)];
        let away = contact.id.distance(&id.get());
        let is_nearer = |candidate: &Contact| candidate.id.distance(&id.get()) < away;
        // In a busy hour most come too late: the farthest candidate alone turns them away.
        if candidates.len() == CANDIDATES && candidates.last().is_some_and(is_nearer) {
            return;
        }
        let place = candidates.partition_point(is_nearer);
        let is_new = candidates.iter().all(|candidate| candidate.addr != contact.addr);
        if place < CANDIDATES && is_new && self.may_ask(number, &contact) {
            let candidates = &mut self.presences[usize::from(number)].candidates;
            candidates.truncate(CANDIDATES - 1);
            candidates.insert(place, contact);
        }
    }

    /// Lets the next presence that has something to ask send one query; says whether one had.
    fn ask_in_turn(&mut self, now: Micros, sink: &mut impl Sink) -> bool {
        for _ in 0..self.presences.len() {
            self.turn = (self.turn + 1) % self.presences.len();
            if self.ask_from(now, self.turn, sink) {
                return true;
            }
        }
        false
    }

    /// Sends the most urgent query of a presence, if it has any that may be sent.
    fn ask_from(&mut self, now: Micros, number: usize, sink: &mut impl Sink) -> bool {
        let id = self.presences[number].id;
        let allowed =
            |contact: &Contact, antenna: &mut Self| antenna.guard.allow_query(now, contact.addr.ip());

        for i in 0..self.presences[number].candidates.len() {
            let candidate = self.presences[number].candidates[i];
            if allowed(&candidate, self) {
                self.presences[number].candidates.remove(i);
                self.ask(now, number, candidate.addr, Some(candidate), &Ask::FindNode(id), sink);
                return true;
            }
        }
        if let Some(silent) = self.presences[number].table.questionable(now)
            && allowed(&silent, self)
        {
            self.ask(now, number, silent.addr, Some(silent), &Ask::Ping, sink);
            return true;
        }
        if self.presences[number].table.len() < K && now >= self.presences[number].seek {
            return self.seek(now, number, sink);
        }
        if let Some(bucket) = self.presences[number].table.stale(now) {
            let target = self.own_id_in(number, bucket);
            self.presences[number].table.closest(now, &target.get(), &mut self.scratch.found);
            if let Some(&nearest) = self.scratch.found.first()
                && allowed(&nearest, self)
            {
                self.presences[number].table.refreshed(now, bucket);
                self.ask(now, number, nearest.addr, Some(nearest), &Ask::FindNode(target), sink);
                return true;
            }
        }
        false
    }

    /// Looks for first nodes: among those of the presences nearest in the keyspace, then at the
    /// bootstrap hosts.
    fn seek(&mut self, now: Micros, number: usize, sink: &mut impl Sink) -> bool {
        let id = self.presences[number].id;
        let count = self.presences.len();
        let neighbour = (1..=count / 2)
            .flat_map(|step| [(number + step) % count, (number + count - step) % count])
            .find(|&other| {
                let other = &self.presences[other];
                other.is_ipv4 == self.presences[number].is_ipv4 && !other.table.is_empty()
            });
        if let Some(neighbour) = neighbour {
            let mut found = std::mem::take(&mut self.scratch.found);
            self.presences[neighbour].table.closest(now, &id.get(), &mut found);
            for &contact in &found {
                self.offer(number as u16, contact);
            }
            self.scratch.found = found;
        }
        self.presences[number].seek = now + SEEK;
        for _ in 0..self.bootstrap.len() {
            self.bootstrap_turn = (self.bootstrap_turn + 1) % self.bootstrap.len();
            let host = self.bootstrap[self.bootstrap_turn];
            let shown = self.presence_for(self.presences[number].socket, host);
            if neighbour.is_none()
                && usize::from(shown) == number
                && host.is_ipv4() == self.presences[number].is_ipv4
                && self.presences[number].reach.admits(host)
                && !self.deny.contains(host.ip())
                && self.guard.allow_query(now, host.ip())
            {
                self.ask(now, number, host, None, &Ask::FindNode(id), sink);
                return true;
            }
        }
        false
    }

    /// An id of our own in the range of a bucket of presence `number`; its own id where no
    /// presence stands there.
    fn own_id_in(&self, number: usize, bucket: usize) -> OwnId {
        let own = self.presences[number].id;
        let ids = self.presences.iter().map(|presence| presence.id);
        ids.filter(|id| *id != own).find(|id| own.get().common_prefix(&id.get()) == bucket).unwrap_or(own)
    }

    /// Sends a query that has been allowed.
    fn ask(
        &mut self,
        now: Micros,
        number: usize,
        addr: SocketAddr,
        contact: Option<Contact>,
        ask: &Ask,
        sink: &mut impl Sink,
    ) {
        let presence = &mut self.presences[number];
        if let Some(contact) = &contact {
            presence.table.asking(now, contact);
        }
        let (id, socket) = (presence.id, presence.socket);
        let known_id = contact.map(|contact| contact.id);
        let transaction = self.pending.begin(now, number as u16, socket, addr, known_id);
        let message = match *ask {
            Ask::Ping => {
                self.counters.pings_sent += 1;
                Outbound::Ping { transaction, id }
            }
            Ask::FindNode(target) => {
                self.counters.find_nodes_sent += 1;
                Outbound::FindNode { transaction, id, target }
            }
        };
        sink.send(socket, addr, self.encoder.encode(&message));
    }
}
