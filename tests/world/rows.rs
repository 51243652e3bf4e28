//! What was received, as rows of `captured.events`: the same as the daemon makes of the same events,
//! which a test holds them against, but straight from queries into columns.

use super::SENSOR;
use super::networks::{NETWORKS, Network, number_of};
use super::query::{Caller, Query};
use arrow_array::builder::{
    BinaryBuilder, BooleanBuilder, FixedSizeBinaryBuilder, StringBuilder, UInt8Builder, UInt16Builder,
    UInt32Builder,
};
use arrow_array::{ArrayRef, BooleanArray, RecordBatch, StringArray, TimestampMicrosecondArray};
use capture::event::Attribution;
use capture::keyspace::Keyspace;
use capture::krpc::{Method, Want};
use capture::secret::mapped;
use std::sync::Arc;

/// Makes the rows of one hour.
pub struct Rows<'a> {
    keyspace: &'a Keyspace,
    callers: &'a [Caller],
    /// Sizes of datagrams by caller and method, 0 where none was made yet. A transaction id and an
    /// infohash have the same length in all of them.
    lengths: Vec<[u16; Method::ALL.len()]>,
    organizations: Vec<String>,
    datagram: Vec<u8>,
}

impl<'a> Rows<'a> {
    /// For queries of `callers` to presences of `keyspace`.
    #[must_use]
    pub fn new(keyspace: &'a Keyspace, callers: &'a [Caller]) -> Self {
        Self {
            keyspace,
            callers,
            lengths: vec![[0; Method::ALL.len()]; callers.len()],
            organizations: NETWORKS.iter().map(Network::organization).collect(),
            datagram: Vec::new(),
        }
    }

    /// Size of the datagram of `query`.
    pub fn length(&mut self, query: &Query) -> u16 {
        let known = &mut self.lengths[query.caller as usize][query.method as usize];
        if *known == 0 {
            let caller = &self.callers[query.caller as usize];
            *known = query.event(caller, self.keyspace, &mut self.datagram).length;
        }
        *known
    }

    /// The rows of `queries`, which are in order of time, with the origin that a sensor would find in its
    /// geo files.
    ///
    /// # Panics
    /// Never: a test holds the columns and the declaration together.
    #[must_use]
    pub fn take(&mut self, queries: &[Query]) -> RecordBatch {
        use Method::{AnnouncePeer, FindNode, GetPeers, SampleInfohashes};
        let rows = queries.len();
        let ids = || FixedSizeBinaryBuilder::with_capacity(rows, 20);
        let text = |bytes| StringBuilder::with_capacity(rows, rows * bytes);
        let bytes = || BinaryBuilder::with_capacity(rows, rows * 4);
        let number = || UInt16Builder::with_capacity(rows);
        let flag = || BooleanBuilder::with_capacity(rows);
        let (mut infohash, mut target, mut querier_id) = (ids(), ids(), ids());
        let mut peer_ip = FixedSizeBinaryBuilder::with_capacity(rows, 16);
        let (mut method, mut want, mut organization, mut country) = (text(10), text(2), text(16), text(2));
        let (mut peer_port, mut local_port, mut announced_port, mut length) =
            (number(), number(), number(), number());
        let (mut source_node, mut ttl, mut asn) =
            (number(), UInt8Builder::with_capacity(rows), UInt32Builder::with_capacity(rows));
        let (mut version, mut transaction) = (bytes(), bytes());
        let (mut read_only, mut implied_port, mut seed, mut no_seed, mut token_valid) =
            (flag(), flag(), flag(), flag(), flag());
        for query in queries {
            let caller = &self.callers[query.caller as usize];
            let family = caller.family;
            let number = number_of(caller.address.ip());
            let network = &NETWORKS[number];
            let announces = query.method == AnnouncePeer;
            let more = family.announces_more;
            method.append_value(query.method.as_str());
            id(&mut infohash, matches!(query.method, GetPeers | AnnouncePeer).then_some(&query.target.0));
            id(&mut target, matches!(query.method, FindNode | SampleInfohashes).then_some(&query.target.0));
            id(&mut peer_ip, Some(&mapped(caller.address.ip())));
            peer_port.append_value(caller.address.port());
            source_node.append_value(query.presence);
            let socket = self.keyspace.socket_of(query.presence);
            local_port.append_value(self.keyspace.sockets()[socket].port());
            id(&mut querier_id, Some(&caller.id.0));
            version.append_option(family.version);
            transaction.append_value(&query.transaction(caller)[..family.transaction]);
            read_only.append_option(family.read_only);
            implied_port.append_option((announces && more).then_some(true));
            announced_port.append_option(announces.then_some(caller.address.port()));
            seed.append_option((announces && more).then_some(caller.seeds));
            no_seed.append_option((query.method == GetPeers && more && caller.seeds).then_some(true));
            let wanted = caller.want.filter(|_| matches!(query.method, GetPeers | FindNode));
            want.append_option(wanted.and_then(Want::as_str));
            token_valid.append_option(announces.then_some(true));
            ttl.append_value(caller.ttl);
            asn.append_value(network.asn);
            organization.append_value(&self.organizations[number]);
            country.append_value(network.country);
            length.append_value(self.length(query));
        }
        let times = TimestampMicrosecondArray::from_iter_values(queries.iter().map(|query| query.ts));
        let same = |value| StringArray::from_iter_values(std::iter::repeat_n(value, rows));
        let columns: Vec<ArrayRef> = vec![
            Arc::new(times.with_timezone("UTC")),
            Arc::new(method.finish()),
            Arc::new(infohash.finish()),
            Arc::new(target.finish()),
            Arc::new(peer_ip.finish()),
            Arc::new(peer_port.finish()),
            Arc::new(source_node.finish()),
            Arc::new(local_port.finish()),
            Arc::new(querier_id.finish()),
            Arc::new(version.finish()),
            Arc::new(transaction.finish()),
            Arc::new(read_only.finish()),
            Arc::new(implied_port.finish()),
            Arc::new(announced_port.finish()),
            Arc::new(seed.finish()),
            Arc::new(no_seed.finish()),
            Arc::new(BooleanArray::new_null(rows)),
            Arc::new(want.finish()),
            Arc::new(token_valid.finish()),
            Arc::new(same(Attribution::Exact.as_str())),
            Arc::new(ttl.finish()),
            Arc::new(length.finish()),
            Arc::new(BooleanArray::from(vec![true; rows])),
            Arc::new(StringArray::new_null(rows)),
            Arc::new(asn.finish()),
            Arc::new(organization.finish()),
            Arc::new(country.finish()),
            Arc::new(same(SENSOR)),
        ];
        RecordBatch::try_new(schema::events::TABLE.arrow(), columns).expect("the declared columns")
    }
}

/// Adds an id or an address to its column.
fn id<const N: usize>(column: &mut FixedSizeBinaryBuilder, value: Option<&[u8; N]>) {
    match value {
        Some(value) => column.append_value(value).expect("the length of the column"),
        None => column.append_null(),
    }
}
