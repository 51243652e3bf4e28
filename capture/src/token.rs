//! Write tokens (BEP 5): what an address must show to announce.
//!
//! A token is bound to the address it was given to and to the socket that gave it. It lives for
//! five to ten minutes: the secret changes every five, and the one before it is still accepted.

use crate::clock::{MINUTE, Micros};
use crate::secret::{Secret, mapped};
use std::net::IpAddr;

/// How long one secret is used.
pub const LIFE: Micros = 5 * MINUTE;

/// Gives and checks tokens. Nothing is stored per address.
#[derive(Clone)]
pub struct Tokens(Secret);

impl Tokens {
    /// Tokens under a secret that nobody else knows.
    #[must_use]
    pub fn new(secret: &Secret) -> Self {
        Self(secret.derive("token"))
    }

    /// The token for `ip` at the socket numbered `socket`.
    #[must_use]
    pub fn issue(&self, now: Micros, socket: usize, ip: IpAddr) -> [u8; 8] {
        self.of_period(now.div_euclid(LIFE), socket, ip)
    }

    /// Whether `token` was given to `ip` at `socket` at most ten minutes ago.
    #[must_use]
    pub fn accept(&self, now: Micros, socket: usize, ip: IpAddr, token: &[u8]) -> bool {
        let period = now.div_euclid(LIFE);
        [period, period - 1].into_iter().any(|period| self.of_period(period, socket, ip) == token)
    }

    fn of_period(&self, period: i64, socket: usize, ip: IpAddr) -> [u8; 8] {
        let socket = socket as u64;
        self.0.number(&[&period.to_be_bytes(), &socket.to_be_bytes(), &mapped(ip)]).to_be_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_token_is_good_for_its_address_and_socket_for_at_least_five_and_at_most_ten_minutes(
            given in 0..2_000_000_000_000_000i64, age in 0..20 * MINUTE,
            socket in 0usize..208, other in 0usize..208, ip: u32, stranger: u32,
        ) {
            let tokens = Tokens::new(&Secret::from_text("s"));
            let ip = IpAddr::from(ip.to_be_bytes());
            let stranger = IpAddr::from(stranger.to_be_bytes());
            let token = tokens.issue(given, socket, ip);
            let now = given + age;
            let accepted = tokens.accept(now, socket, ip, &token);
            prop_assert!(accepted || age > LIFE);
            prop_assert!(!accepted || age < 2 * LIFE);
            prop_assert!(other == socket || !tokens.accept(now, other, ip, &token));
            prop_assert!(stranger == ip || !tokens.accept(now, socket, stranger, &token));
            prop_assert!(!tokens.accept(now, socket, ip, &token[..7]));
            prop_assert!(!Tokens::new(&Secret::from_text("t")).accept(now, socket, ip, &token));
        }
    }
}
