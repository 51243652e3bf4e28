//! Queries of ours that wait for an answer.

use crate::clock::{Micros, SECOND};
use crate::id::Id;
use crate::secret::Secret;
use std::collections::VecDeque;
use std::net::SocketAddr;

/// Time after which a query counts as unanswered.
pub const TIMEOUT: Micros = 10 * SECOND;
/// Queries under way at once: many times what the query rate allows within [`TIMEOUT`].
const MOST: usize = 4096;

/// One query under way.
#[derive(Clone, Copy, Debug)]
pub struct Query {
    /// The presence that asked.
    pub presence: u16,
    /// The socket that it asked from.
    pub socket: usize,
    /// Who was asked.
    pub addr: SocketAddr,
    /// The id it was believed to have; unknown for a bootstrap host.
    pub id: Option<Id>,
    transaction: [u8; 4],
    sent: Micros,
}

/// The queries under way, oldest first.
pub struct Pending {
    secret: Secret,
    serial: u64,
    queries: VecDeque<Query>,
}

impl Pending {
    /// None under way. Transaction ids follow from `secret`, so that nobody who is not asked can
    /// guess one.
    pub fn new(secret: &Secret) -> Self {
        Self { secret: secret.derive("transaction"), serial: 0, queries: VecDeque::new() }
    }

    /// Whether another query may be sent.
    pub fn has_room(&self) -> bool {
        self.queries.len() < MOST
    }

    /// Notes a query and gives it a transaction id.
    pub fn begin(
        &mut self,
        now: Micros,
        presence: u16,
        socket: usize,
        addr: SocketAddr,
        id: Option<Id>,
    ) -> [u8; 4] {
        self.serial += 1;
        let transaction = (self.secret.number(&[&self.serial.to_be_bytes()]) as u32).to_be_bytes();
        self.queries.push_back(Query { presence, socket, addr, id, transaction, sent: now });
        transaction
    }

    /// The query that a message with `transaction` from `addr` at `socket` answers.
    pub fn finish(&mut self, socket: usize, addr: SocketAddr, transaction: &[u8]) -> Option<Query> {
        let i = self.queries.iter().position(|query| {
            query.transaction == transaction && query.addr == addr && query.socket == socket
        })?;
        self.queries.remove(i)
    }

    /// The oldest query if it has waited too long.
    pub fn expire(&mut self, now: Micros) -> Option<Query> {
        let oldest = self.queries.front()?;
        (now - oldest.sent >= TIMEOUT).then(|| self.queries.pop_front())?
    }

    /// Queries under way.
    pub fn len(&self) -> usize {
        self.queries.len()
    }
}
