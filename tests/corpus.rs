//! 1,030 real KRPC datagrams (pseudonymised): every one is decoded or has a reason.
//!
//! They come from public packet captures of 2016 and 2023. Ids and infohashes are XORed with one
//! constant, addresses are mapped into documentation ranges; everything else is as it was sent.

use capture::krpc::{Kind, decode};
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Debug, Deserialize)]
struct Line {
    payload: String,
    r#type: String,
}

fn lines() -> Vec<(Vec<u8>, String)> {
    let text = include_str!("corpus/krpc.jsonl");
    let bytes = |hex: &str| {
        (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).expect("hex")).collect()
    };
    text.lines()
        .map(|line| serde_json::from_str::<Line>(line).expect("a line"))
        .map(|line| (bytes(&line.payload), line.r#type))
        .collect()
}

#[test]
fn every_datagram_is_decoded_or_has_a_reason() {
    let lines = lines();
    assert_eq!(lines.len(), 1030);
    let mut flaws = BTreeMap::<&str, usize>::new();
    let mut kinds = BTreeMap::<&str, usize>::new();
    let mut odd = 0;
    for (datagram, label) in &lines {
        let message = decode(datagram);
        if let Some(flaw) = message.flaw {
            *flaws.entry(flaw.as_str()).or_default() += 1;
        }
        odd += usize::from(!message.canonical);
        let kind = match message.kind {
            Kind::Query => "query",
            Kind::Response => "response",
            Kind::Error => "error",
            Kind::Unknown => "unknown",
        };
        *kinds.entry(kind).or_default() += 1;
        if let Some(method) = label.strip_prefix("q:")
            && message.flaw.is_none()
        {
            assert_eq!(message.method, Some(method.as_bytes()), "{label}");
        }
        if message.kind == Kind::Unknown {
            assert!(message.flaw.is_some(), "{label} is neither decoded nor explained");
        }
    }
    println!("corpus: {kinds:?}, {odd} not canonical, flaws {flaws:?}");
    assert_eq!(kinds, BTreeMap::from([("error", 2), ("query", 665), ("response", 363)]));
    assert_eq!(flaws, BTreeMap::from([("no transaction id", 1), ("unsorted keys", 1)]));
    assert_eq!(odd, 1);
}
