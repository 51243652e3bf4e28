//! Any bytes: what is read from them is what they say.
#![no_main]

use capture::id::Id;
use capture::krpc::compact::{self, NODE4, NODE6};
use capture::krpc::{Flaw, Kind, Message, Want, decode};
use capture_fuzz::Value;
use libfuzzer_sys::fuzz_target;

/// Nesting up to which a message is read.
const DEPTH: usize = 16;

fuzz_target!(|datagram: &[u8]| {
    let message = decode(datagram);
    let value = Value::read(datagram, DEPTH).filter(|value| matches!(value, Value::Dict(_)));
    assert_eq!(message.canonical, value.is_some());
    match &value {
        Some(value) => {
            assert_eq!(message, expected(value));
            // A byte more, and the lenient reader has to find the same.
            let longer = [datagram, b"\n"].concat();
            let flaw = message.flaw.max(Some(Flaw::TrailingBytes));
            assert_eq!(decode(&longer), Message { canonical: false, flaw, ..message.clone() });
        }
        None => assert!(message.flaw.is_some(), "nothing says why it is not canonical"),
    }
    if message.kind == Kind::Query && !message.flaw.is_some_and(Flaw::forbids_an_answer) {
        assert!(message.method.is_some() && message.transaction.is_some() && message.id.is_some());
    }
    for nodes in [message.nodes, message.nodes6].into_iter().flatten() {
        let (mut nodes4, mut nodes6) = (Vec::new(), Vec::new());
        compact::nodes4(nodes).for_each(|node| compact::push(&node, &mut nodes4));
        compact::nodes6(nodes).for_each(|node| compact::push(&node, &mut nodes6));
        assert_eq!(nodes4, nodes[..nodes.len() / NODE4 * NODE4]);
        assert_eq!(nodes6, nodes[..nodes.len() / NODE6 * NODE6]);
    }
});

/// What a canonical message says.
fn expected<'a>(value: &Value<'a>) -> Message<'a> {
    let none = Value::Dict(Vec::new());
    let [a, r] = ["a", "r"].map(|key| value.get(key).unwrap_or(&none));
    let kind = match value.string("y") {
        Some(b"q") => Kind::Query,
        Some(b"r") => Kind::Response,
        Some(b"e") => Kind::Error,
        _ => Kind::Unknown,
    };
    let id = |dict: &Value<'a>, key| dict.string(key).and_then(|bytes| Id::try_from(bytes).ok());
    let flag = |key| a.number(key).map(|digits| digits != b"0");
    let port = a.number("port").and_then(|digits| str::from_utf8(digits).ok()?.parse().ok());
    let has_bad_id = |key| a.get(key).is_some() && id(a, key).is_none();
    let mut message = Message {
        kind,
        method: value.string("q"),
        transaction: value.string("t"),
        version: value.string("v"),
        read_only: value.number("ro").map(|digits| digits == b"1"),
        id: id(a, "id").or(id(r, "id")),
        info_hash: id(a, "info_hash"),
        target: id(a, "target"),
        token: a.string("token"),
        port,
        implied_port: flag("implied_port"),
        seed: flag("seed"),
        no_seed: flag("noseed"),
        scrape: flag("scrape"),
        want: want(a),
        nodes: r.string("nodes"),
        nodes6: r.string("nodes6"),
        canonical: true,
        flaw: None,
    };
    let is_query = kind == Kind::Query;
    let flaws = [
        (kind == Kind::Unknown, Flaw::UnknownType),
        (is_query && message.method.is_none(), Flaw::NoMethod),
        (is_query && message.transaction.is_none(), Flaw::NoTransaction),
        (is_query && message.id.is_none(), Flaw::BadId),
        (has_bad_id("info_hash") || has_bad_id("target"), Flaw::BadTarget),
        (a.get("port").is_some() && port.is_none(), Flaw::BadPort),
    ];
    message.flaw = flaws.into_iter().find(|(is_so, _)| *is_so).map(|(_, flaw)| flaw);
    message
}

fn want(a: &Value<'_>) -> Option<Want> {
    let Some(Value::List(items)) = a.get("want") else { return None };
    let names = |family: &[u8]| items.contains(&Value::String(family));
    (!items.is_empty()).then(|| Want { n4: names(b"n4"), n6: names(b"n6") })
}
