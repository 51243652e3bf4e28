//! A row of `captured.events`, and rows to Arrow.

use crate::clock::Micros;
use crate::id::Id;
use crate::krpc::{Flaw, Want};
use crate::secret::mapped;
use arrow_array::builder::{
    BinaryBuilder, BooleanBuilder, FixedSizeBinaryBuilder, StringBuilder, TimestampMicrosecondBuilder,
    UInt8Builder, UInt16Builder,
};
use arrow_array::{ArrayRef, RecordBatch, StringArray, new_null_array};
use arrow_schema::DataType;
use std::net::SocketAddr;
use std::sync::Arc;

/// Up to `N` bytes held in place, so that a row needs no allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Short<const N: usize> {
    length: u8,
    bytes: [u8; N],
}

impl<const N: usize> Short<N> {
    /// The first `N` of `bytes`. `N` is at most 255.
    #[must_use]
    pub fn cut(bytes: &[u8]) -> Self {
        let length = bytes.len().min(N);
        let mut short = Self { length: length as u8, bytes: [0; N] };
        short.bytes[..length].copy_from_slice(&bytes[..length]);
        short
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

/// How the presence that a datagram reached is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attribution {
    /// The socket has one id.
    Exact,
    /// Several ids share the socket; the remote is always shown the same one.
    Inferred,
}

/// One query, or one datagram that could not be decoded. The fields are the columns of
/// [`schema::events`], which says what they mean.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the schema crate documents every column")]
pub struct Event {
    pub ts: Micros,
    pub method: Option<Short<64>>,
    pub infohash: Option<Id>,
    pub target: Option<Id>,
    pub peer: SocketAddr,
    pub source_node: u16,
    pub local_port: u16,
    pub querier_id: Option<Id>,
    pub client_version: Option<Short<16>>,
    pub transaction_id: Option<Short<32>>,
    pub read_only: Option<bool>,
    pub implied_port: Option<bool>,
    pub announced_port: Option<u16>,
    pub seed: Option<bool>,
    pub no_seed: Option<bool>,
    pub scrape: Option<bool>,
    pub want: Option<Want>,
    pub token_valid: Option<bool>,
    pub attribution: Attribution,
    pub ttl: Option<u8>,
    pub length: u16,
    pub canonical: bool,
    pub decode_error: Option<Flaw>,
}

/// Collects events into a batch of `captured.events`.
pub struct Rows {
    sensor: String,
    length: usize,
    ts: TimestampMicrosecondBuilder,
    method: StringBuilder,
    infohash: FixedSizeBinaryBuilder,
    target: FixedSizeBinaryBuilder,
    peer_ip: FixedSizeBinaryBuilder,
    peer_port: UInt16Builder,
    source_node: UInt16Builder,
    local_port: UInt16Builder,
    querier_id: FixedSizeBinaryBuilder,
    client_version: BinaryBuilder,
    transaction_id: BinaryBuilder,
    read_only: BooleanBuilder,
    implied_port: BooleanBuilder,
    announced_port: UInt16Builder,
    seed: BooleanBuilder,
    no_seed: BooleanBuilder,
    scrape: BooleanBuilder,
    want: StringBuilder,
    token_valid: BooleanBuilder,
    attribution: StringBuilder,
    ttl: UInt8Builder,
    row_length: UInt16Builder,
    canonical: BooleanBuilder,
    decode_error: StringBuilder,
}

impl Rows {
    /// No rows yet; `sensor` goes into every row.
    #[must_use]
    pub fn new(sensor: &str) -> Self {
        Self {
            sensor: sensor.to_owned(),
            length: 0,
            ts: TimestampMicrosecondBuilder::new().with_timezone("UTC"),
            method: StringBuilder::new(),
            infohash: FixedSizeBinaryBuilder::new(20),
            target: FixedSizeBinaryBuilder::new(20),
            peer_ip: FixedSizeBinaryBuilder::new(16),
            peer_port: UInt16Builder::new(),
            source_node: UInt16Builder::new(),
            local_port: UInt16Builder::new(),
            querier_id: FixedSizeBinaryBuilder::new(20),
            client_version: BinaryBuilder::new(),
            transaction_id: BinaryBuilder::new(),
            read_only: BooleanBuilder::new(),
            implied_port: BooleanBuilder::new(),
            announced_port: UInt16Builder::new(),
            seed: BooleanBuilder::new(),
            no_seed: BooleanBuilder::new(),
            scrape: BooleanBuilder::new(),
            want: StringBuilder::new(),
            token_valid: BooleanBuilder::new(),
            attribution: StringBuilder::new(),
            ttl: UInt8Builder::new(),
            row_length: UInt16Builder::new(),
            canonical: BooleanBuilder::new(),
            decode_error: StringBuilder::new(),
        }
    }

    /// Number of rows waiting.
    #[must_use]
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether no row waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Adds a row.
    pub fn push(&mut self, event: &Event) {
        self.length += 1;
        self.ts.append_value(event.ts);
        let method = event.method.as_ref().map(|method| String::from_utf8_lossy(method.as_bytes()));
        self.method.append_option(method);
        fixed(&mut self.infohash, event.infohash.as_ref().map(|id| &id.0[..]));
        fixed(&mut self.target, event.target.as_ref().map(|id| &id.0[..]));
        fixed(&mut self.peer_ip, Some(&mapped(event.peer.ip())[..]));
        self.peer_port.append_value(event.peer.port());
        self.source_node.append_value(event.source_node);
        self.local_port.append_value(event.local_port);
        fixed(&mut self.querier_id, event.querier_id.as_ref().map(|id| &id.0[..]));
        self.client_version.append_option(event.client_version.as_ref().map(Short::as_bytes));
        self.transaction_id.append_option(event.transaction_id.as_ref().map(Short::as_bytes));
        self.read_only.append_option(event.read_only);
        self.implied_port.append_option(event.implied_port);
        self.announced_port.append_option(event.announced_port);
        self.seed.append_option(event.seed);
        self.no_seed.append_option(event.no_seed);
        self.scrape.append_option(event.scrape);
        self.want.append_option(event.want.and_then(Want::as_str));
        self.token_valid.append_option(event.token_valid);
        self.attribution.append_value(match event.attribution {
            Attribution::Exact => "exact",
            Attribution::Inferred => "inferred",
        });
        self.ttl.append_option(event.ttl);
        self.row_length.append_value(event.length);
        self.canonical.append_value(event.canonical);
        self.decode_error.append_option(event.decode_error.map(Flaw::as_str));
    }

    /// The rows so far, in the columns of [`schema::events::TABLE`]; the builder is empty again.
    ///
    /// # Panics
    /// Never: a test holds the columns and the declaration together.
    #[must_use]
    pub fn take(&mut self) -> RecordBatch {
        let length = std::mem::take(&mut self.length);
        let sensor = StringArray::from_iter_values(std::iter::repeat_n(&self.sensor, length));
        // Whoever seals the hour fills these in from a geo file.
        let asn = new_null_array(&DataType::UInt32, length);
        let country = new_null_array(&DataType::Utf8, length);
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.ts.finish()),
            Arc::new(self.method.finish()),
            Arc::new(self.infohash.finish()),
            Arc::new(self.target.finish()),
            Arc::new(self.peer_ip.finish()),
            Arc::new(self.peer_port.finish()),
            Arc::new(self.source_node.finish()),
            Arc::new(self.local_port.finish()),
            Arc::new(self.querier_id.finish()),
            Arc::new(self.client_version.finish()),
            Arc::new(self.transaction_id.finish()),
            Arc::new(self.read_only.finish()),
            Arc::new(self.implied_port.finish()),
            Arc::new(self.announced_port.finish()),
            Arc::new(self.seed.finish()),
            Arc::new(self.no_seed.finish()),
            Arc::new(self.scrape.finish()),
            Arc::new(self.want.finish()),
            Arc::new(self.token_valid.finish()),
            Arc::new(self.attribution.finish()),
            Arc::new(self.ttl.finish()),
            Arc::new(self.row_length.finish()),
            Arc::new(self.canonical.finish()),
            Arc::new(self.decode_error.finish()),
            asn,
            country,
            Arc::new(sensor),
        ];
        RecordBatch::try_new(schema::events::TABLE.arrow(), columns).expect("the declared columns")
    }
}

/// Appends a value as long as the builder's width; every caller's type has that length.
fn fixed(builder: &mut FixedSizeBinaryBuilder, value: Option<&[u8]>) {
    match value {
        Some(value) => builder.append_value(value).expect("an id has 20 bytes and an address 16"),
        None => builder.append_null(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::Array;
    use arrow_array::cast::AsArray;
    use arrow_array::types::{UInt8Type, UInt16Type};

    fn event() -> Event {
        Event {
            ts: 1,
            method: Some(Short::cut(b"get_peers")),
            infohash: Some(Id([1; 20])),
            target: None,
            peer: "192.0.2.1:6881".parse().expect("an address"),
            source_node: 207,
            local_port: 21_194,
            querier_id: Some(Id([2; 20])),
            client_version: Some(Short::cut(&[b'v'; 40])),
            transaction_id: Some(Short::cut(b"aa")),
            read_only: None,
            implied_port: Some(true),
            announced_port: None,
            seed: None,
            no_seed: None,
            scrape: None,
            want: Some(Want { n4: true, n6: true }),
            token_valid: None,
            attribution: Attribution::Exact,
            ttl: Some(57),
            length: 95,
            canonical: true,
            decode_error: None,
        }
    }

    #[test]
    fn rows_have_the_declared_columns() {
        let mut rows = Rows::new("here");
        rows.push(&event());
        rows.push(&Event { method: None, decode_error: Some(Flaw::Syntax), ..event() });
        let batch = rows.take();
        assert_eq!(batch.schema(), schema::events::TABLE.arrow());
        assert_eq!((batch.num_rows(), rows.len()), (2, 0));
        let text = |name: &str| batch.column_by_name(name).expect(name).as_string::<i32>();
        assert_eq!(text("method").value(0), "get_peers");
        assert!(text("method").is_null(1));
        assert_eq!(text("decode_error").value(1), "not bencoding");
        assert_eq!(text("want").value(0), "n4,n6");
        assert_eq!(text("sensor").value(1), "here");
        let address = batch["peer_ip"].as_fixed_size_binary().value(0);
        assert_eq!(address, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1]);
        assert_eq!(batch["client_version"].as_binary::<i32>().value(0), [b'v'; 16]);
        assert_eq!(batch["source_node"].as_primitive::<UInt16Type>().value(0), 207);
        assert_eq!(batch["ttl"].as_primitive::<UInt8Type>().value(0), 57);
        assert_eq!(rows.take().num_rows(), 0);
    }

    #[test]
    fn a_method_that_is_no_text_is_kept_as_far_as_text_goes() {
        let mut rows = Rows::new("here");
        rows.push(&Event { method: Some(Short::cut(b"p\xffng")), ..event() });
        assert_eq!(rows.take()["method"].as_string::<i32>().value(0), "p\u{fffd}ng");
    }
}
