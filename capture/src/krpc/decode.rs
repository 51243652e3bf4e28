//! Bytes to [`Message`].
//!
//! Two readers turn bytes into the same tokens: bendy, which accepts canonical bencoding only, and
//! for what it refuses the lenient one, which recovers what it can. The message is put together
//! from the tokens in one place, so that both readings mean the same. Whether keys are in order is
//! asked of the lenient reading alone: bendy has seen to it in the other.

use super::MAX_DEPTH;
use super::lenient::Lenient;
use super::message::{Flaw, Kind, Message};
use crate::id::Id;
use bendy::decoding::Decoder;
use bendy::state_tracker::Token;
use std::cmp::Ordering;

/// Reads a datagram. Any bytes give a message; see [`Message::flaw`] for what was wrong with them.
#[must_use]
pub fn decode(datagram: &[u8]) -> Message<'_> {
    let mut tokens = Decoder::new(datagram).with_max_depth(MAX_DEPTH).tokens();
    let mut message = Message { canonical: true, ..Message::default() };
    let read = assemble(&mut tokens, &mut message);
    // Nothing may follow the outermost dictionary.
    if read.is_err() || tokens.next().is_some() {
        let mut lenient = Lenient::new(datagram);
        message = Message::default();
        let read = assemble(&mut lenient, &mut message);
        let form = lenient.flaw();
        message.flaw = message.flaw.max(form).max(read.err());
    }
    judge(&mut message);
    message
}

impl From<bendy::decoding::Error> for Flaw {
    fn from(_: bendy::decoding::Error) -> Self {
        Self::Syntax
    }
}

/// What is missing from a message that was read as far as it goes.
fn judge(message: &mut Message<'_>) {
    let flaw = match message.kind {
        Kind::Unknown => Some(Flaw::UnknownType),
        Kind::Query if message.method.is_none() => Some(Flaw::NoMethod),
        Kind::Query if message.transaction.is_none() => Some(Flaw::NoTransaction),
        Kind::Query if message.id.is_none() => Some(Flaw::BadId),
        _ => None,
    };
    message.flaw = message.flaw.max(flaw);
}

/// One open dictionary or list.
#[derive(Clone, Copy, Default)]
struct Level<'a> {
    is_dict: bool,
    /// Key whose value comes next.
    key: Option<&'a [u8]>,
    /// The key before that, to see whether they are in order.
    previous: Option<&'a [u8]>,
}

/// Fills `message` from the tokens of one dictionary and stops at its end.
fn assemble<'a, E: Into<Flaw>>(
    tokens: impl Iterator<Item = Result<Token<'a>, E>>,
    message: &mut Message<'a>,
) -> Result<(), Flaw> {
    let mut levels = [Level::default(); MAX_DEPTH];
    let mut depth = 0;
    for token in tokens {
        // Looked at where it is: moving tokens would take a third of the time of this loop.
        let token = match token {
            Ok(ref token) => token,
            Err(error) => return Err(error.into()),
        };
        if depth == 0 {
            if !matches!(token, Token::Dict) {
                return Err(Flaw::NotADictionary);
            }
            levels[0] = Level { is_dict: true, ..Level::default() };
            depth = 1;
            continue;
        }
        let level = &mut levels[depth - 1];
        match *token {
            // A key without a value.
            Token::End if level.key.is_some() => return Err(Flaw::Syntax),
            Token::End => {
                depth -= 1;
                if depth == 0 {
                    return Ok(());
                }
                levels[depth - 1].key = None;
                continue;
            }
            Token::String(key) if level.is_dict && level.key.is_none() => {
                if !message.canonical {
                    message.flaw =
                        message.flaw.max(level.previous.and_then(|previous| disorder(previous, key)));
                    level.previous = Some(key);
                }
                level.key = Some(key);
                continue;
            }
            _ if level.is_dict && level.key.is_none() => return Err(Flaw::Syntax),
            _ => {}
        }
        match depth {
            1 => top(message, levels[0].key, *token),
            2 => inner(message, levels[0].key, levels[1].key, *token),
            3 if (levels[0].key, levels[1].key) == (Some(b"a"), Some(b"want")) && !levels[2].is_dict => {
                want(message, *token);
            }
            _ => {}
        }
        match token {
            Token::Dict | Token::List if depth == MAX_DEPTH => return Err(Flaw::TooDeep),
            Token::Dict | Token::List => {
                levels[depth] = Level { is_dict: matches!(token, Token::Dict), ..Level::default() };
                depth += 1;
            }
            _ => levels[depth - 1].key = None,
        }
    }
    Err(if depth == 0 { Flaw::NotADictionary } else { Flaw::Truncated })
}

/// What is wrong with `key` after `previous`.
fn disorder(previous: &[u8], key: &[u8]) -> Option<Flaw> {
    match previous.cmp(key) {
        Ordering::Less => None,
        Ordering::Equal => Some(Flaw::DuplicateKey),
        Ordering::Greater => Some(Flaw::UnsortedKeys),
    }
}

/// A value of the outermost dictionary.
fn top<'a>(message: &mut Message<'a>, key: Option<&[u8]>, value: Token<'a>) {
    match (key, value) {
        (Some(b"t"), Token::String(bytes)) => first(&mut message.transaction, bytes),
        (Some(b"v"), Token::String(bytes)) => first(&mut message.version, bytes),
        (Some(b"q"), Token::String(bytes)) => first(&mut message.method, bytes),
        (Some(b"ro"), Token::Num(number)) => first(&mut message.read_only, number == "1"),
        (Some(b"y"), Token::String(kind)) if message.kind == Kind::Unknown => {
            message.kind = match kind {
                b"q" => Kind::Query,
                b"r" => Kind::Response,
                b"e" => Kind::Error,
                _ => Kind::Unknown,
            };
        }
        _ => {}
    }
}

/// A value of the arguments (`a`) or of the response (`r`).
fn inner<'a>(message: &mut Message<'a>, outer: Option<&[u8]>, key: Option<&[u8]>, value: Token<'a>) {
    let (Some(outer), Some(key)) = (outer, key) else { return };
    match (outer, key, value) {
        (b"a" | b"r", b"id", Token::String(bytes)) => {
            message.id = message.id.or(Id::try_from(bytes).ok());
        }
        (b"r", b"nodes", Token::String(bytes)) => first(&mut message.nodes, bytes),
        (b"r", b"nodes6", Token::String(bytes)) => first(&mut message.nodes6, bytes),
        (b"a", b"info_hash", value) => identifier(&mut message.info_hash, &mut message.flaw, value),
        (b"a", b"target", value) => identifier(&mut message.target, &mut message.flaw, value),
        (b"a", b"token", Token::String(bytes)) => first(&mut message.token, bytes),
        (b"a", b"port", value) => match value {
            Token::Num(number) if number.parse::<u16>().is_ok() => {
                message.port = message.port.or(number.parse().ok());
            }
            _ => message.flaw = message.flaw.max(Some(Flaw::BadPort)),
        },
        (b"a", b"implied_port", Token::Num(number)) => first(&mut message.implied_port, is_true(number)),
        (b"a", b"seed", Token::Num(number)) => first(&mut message.seed, is_true(number)),
        (b"a", b"noseed", Token::Num(number)) => first(&mut message.no_seed, is_true(number)),
        (b"a", b"scrape", Token::Num(number)) => first(&mut message.scrape, is_true(number)),
        _ => {}
    }
}

/// An element of the list `want`.
fn want(message: &mut Message<'_>, value: Token<'_>) {
    let want = message.want.get_or_insert_default();
    match value {
        Token::String(b"n4") => want.n4 = true,
        Token::String(b"n6") => want.n6 = true,
        _ => {}
    }
}

fn identifier(field: &mut Option<Id>, flaw: &mut Option<Flaw>, value: Token<'_>) {
    match value {
        Token::String(bytes) if bytes.len() == 20 => *field = field.or(Id::try_from(bytes).ok()),
        _ => *flaw = (*flaw).max(Some(Flaw::BadTarget)),
    }
}

/// BEP 5 and 33 call every number but zero true.
fn is_true(number: &str) -> bool {
    !number.trim_start_matches(['-', '0']).is_empty()
}

/// Where a key stands twice, the first value counts.
fn first<T>(field: &mut Option<T>, value: T) {
    field.get_or_insert(value);
}

#[cfg(test)]
mod tests {
    use super::super::message::Want;
    use super::*;
    use proptest::prelude::*;

    const PING: &[u8] = b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe";

    #[test]
    fn the_ping_of_bep_5() {
        let message = decode(PING);
        assert_eq!(message.kind, Kind::Query);
        assert_eq!(message.method, Some(&b"ping"[..]));
        assert_eq!(message.transaction, Some(&b"aa"[..]));
        assert_eq!(message.id, Some(Id(*b"abcdefghij0123456789")));
        assert!(message.canonical);
        assert_eq!(message.flaw, None);
    }

    #[test]
    fn odd_forms_are_read_and_named() {
        let cases: &[(&[u8], Flaw)] = &[
            (b"d1:q4:ping1:ad2:id20:abcdefghij0123456789e1:t2:aa1:y1:qe", Flaw::UnsortedKeys),
            (
                b"d1:ad2:id20:abcdefghij01234567892:id20:xbcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe",
                Flaw::DuplicateKey,
            ),
            (b"d1:ad2:id020:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe", Flaw::LeadingZeros),
            (b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping2:roi01e1:t2:aa1:y1:qe", Flaw::LeadingZeros),
            (b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe\n", Flaw::TrailingBytes),
        ];
        for (datagram, flaw) in cases {
            let message = decode(datagram);
            assert_eq!(message.flaw, Some(*flaw));
            assert!(!message.canonical);
            assert!(!flaw.forbids_an_answer());
            assert_eq!(message.id, Some(Id(*b"abcdefghij0123456789")), "{flaw}");
            assert_eq!(message.method, Some(&b"ping"[..]));
        }
    }

    #[test]
    fn padding_changes_no_number_and_no_sign() {
        let announce = |port: &str, ro: &str| {
            let text =
                format!("d1:ad2:id20:abcdefghij01234567894:porti{port}ee1:q1:x2:roi{ro}e1:t2:aa1:y1:qe");
            let message = decode(text.as_bytes());
            (message.port, message.read_only, message.flaw)
        };
        assert_eq!(announce("007", "01"), (Some(7), Some(true), Some(Flaw::LeadingZeros)));
        assert_eq!(announce("-07", "-01"), (None, Some(false), Some(Flaw::BadPort)));
        assert_eq!(announce("00", "00"), (Some(0), Some(false), Some(Flaw::LeadingZeros)));
    }

    #[test]
    fn broken_messages_keep_what_could_be_read() {
        for end in 2..PING.len() {
            let message = decode(&PING[..end]);
            assert!(message.flaw.is_some_and(Flaw::forbids_an_answer), "cut at {end}");
            assert!(!message.canonical);
        }
        assert_eq!(decode(&PING[..PING.len() - 1]).id, Some(Id(*b"abcdefghij0123456789")));
        let no_value = decode(b"d1:ad2:id20:abcdefghij01234567894:seede1:q4:ping1:t2:aa1:y1:qe");
        assert_eq!((no_value.flaw, no_value.canonical), (Some(Flaw::Syntax), false));
        assert_eq!(decode(b"").flaw, Some(Flaw::NotADictionary));
        assert_eq!(decode(b"i1e").flaw, Some(Flaw::NotADictionary));
        assert_eq!(decode(b"\x00\x01").flaw, Some(Flaw::Syntax));
        assert_eq!(decode(&[b"d1:a".as_slice(), &[b'l'; 100]].concat()).flaw, Some(Flaw::TooDeep));
    }

    #[test]
    fn flags_and_families() {
        let announce = decode(
            b"d1:ad2:id20:abcdefghij012345678912:implied_porti1e9:info_hash20:mnopqrstuvwxyz1234564:porti6881e\
              4:seedi0e5:token8:aoeusnth4:wantl2:n42:n6ee1:q13:announce_peer2:roi0e1:t2:aa1:v4:LT011:y1:qe",
        );
        assert_eq!(announce.flaw, None);
        assert_eq!(announce.implied_port, Some(true));
        assert_eq!(announce.seed, Some(false));
        assert_eq!(announce.port, Some(6881));
        assert_eq!(announce.read_only, Some(false));
        assert_eq!(announce.want.and_then(Want::as_str), Some("n4,n6"));
        assert_eq!(announce.token, Some(&b"aoeusnth"[..]));
    }

    proptest! {
        #[test]
        fn any_bytes_give_a_message(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let message = decode(&bytes);
            prop_assert!(message.kind != Kind::Unknown || message.flaw.is_some());
        }

        #[test]
        fn any_bencoding_like_bytes_give_a_message(text in "[delin0-9:aqrty]{0,200}") {
            let _ = decode(text.as_bytes());
        }

        #[test]
        fn a_flipped_byte_never_makes_it_panic(at in 0..PING.len(), byte: u8) {
            let mut bytes = PING.to_vec();
            bytes[at] = byte;
            let _ = decode(&bytes);
        }
    }
}
