//! Tokens of bencoding that bendy refuses: numbers written with leading zeros, and whatever comes
//! before the point where a datagram is broken.
//!
//! Order and uniqueness of keys are judged where the message is put together; what follows the
//! outermost value is noticed here, because nobody asks for it.

use super::message::Flaw;
use bendy::state_tracker::Token;

/// Iterates over tokens; each one consumes at least one byte, so a datagram bounds the work.
pub struct Lenient<'a> {
    rest: &'a [u8],
    depth: usize,
    flaw: Option<Flaw>,
    failed: bool,
}

impl<'a> Lenient<'a> {
    pub fn new(datagram: &'a [u8]) -> Self {
        Self { rest: datagram, depth: 0, flaw: None, failed: false }
    }

    /// What was wrong with the form of the tokens so far, and whether bytes are left behind them.
    pub fn flaw(&self) -> Option<Flaw> {
        let trailing = !self.failed && self.depth == 0 && !self.rest.is_empty();
        self.flaw.max(trailing.then_some(Flaw::TrailingBytes))
    }

    /// Digits up to `end`, which is consumed.
    fn number(&mut self, end: u8) -> Result<&'a str, Flaw> {
        let length = self.rest.iter().position(|&byte| byte == end).ok_or(Flaw::Truncated)?;
        let text = str::from_utf8(&self.rest[..length]).map_err(|_| Flaw::Syntax)?;
        let digits = text.strip_prefix('-').unwrap_or(text);
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Flaw::Syntax);
        }
        if (digits.len() > 1 && digits.starts_with('0')) || text == "-0" {
            self.flaw = self.flaw.max(Some(Flaw::LeadingZeros));
        }
        self.rest = &self.rest[length + 1..];
        let zeros = text.bytes().take(text.len() - 1).take_while(|&byte| byte == b'0').count();
        Ok(&text[zeros..])
    }

    fn token(&mut self) -> Result<Token<'a>, Flaw> {
        let (&first, behind) = self.rest.split_first().ok_or(Flaw::Truncated)?;
        Ok(match first {
            b'd' | b'l' => {
                self.rest = behind;
                self.depth += 1;
                if first == b'd' { Token::Dict } else { Token::List }
            }
            b'e' => {
                self.rest = behind;
                self.depth = self.depth.checked_sub(1).ok_or(Flaw::Syntax)?;
                Token::End
            }
            b'i' => {
                self.rest = behind;
                Token::Num(self.number(b'e')?)
            }
            b'0'..=b'9' => {
                let length: usize = self.number(b':')?.parse().map_err(|_| Flaw::Truncated)?;
                let (bytes, behind) = self.rest.split_at_checked(length).ok_or(Flaw::Truncated)?;
                self.rest = behind;
                Token::String(bytes)
            }
            _ => return Err(Flaw::Syntax),
        })
    }
}

impl<'a> Iterator for Lenient<'a> {
    type Item = Result<Token<'a>, Flaw>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed || (self.rest.is_empty() && self.depth == 0) {
            return None;
        }
        let token = self.token();
        self.failed = token.is_err();
        Some(token)
    }
}
