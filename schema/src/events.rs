//! `captured.events`: one row per query that reached a presence.

use crate::{Table, columns};

/// One row per datagram that asks something of us, whether it could be decoded or not.
pub const TABLE: Table = Table {
    name: "events",
    doc: "One row per query received by one presence, in order of receipt. A datagram that is no \
          KRPC message at all has a row too, with `method` null and the reason in `decode_error`. \
          Answers are not events. A source that goes on after it has used up its events of the clock \
          hour continues in `captured.floods`. The name of an announced torrent and the values of BEP 44 are \
          content and are never stored.",
    time: "ts",
    columns: columns! {
        /// Time of receipt, by the kernel's clock where it says so.
        ts: Timestamp ["µs, UTC"];
        /// KRPC method as sent (BEP 5, 44, 51), cut at 64 bytes; null when the datagram has none.
        method: Text null ["–"];
        /// Infohash of get_peers and announce_peer.
        infohash: Id null ["20 bytes"];
        /// Target of find_node, get, put and sample_infohashes, and of unknown methods that carry one.
        target: Id null ["20 bytes"];
        /// Source address of the datagram.
        peer_ip: Address ["16 bytes"];
        /// Source port of the datagram; nobody can be answered at port 0.
        peer_port: Port ["0–65535"];
        /// Presence that received it. It means something only together with `sensor`.
        source_node: U16 ["0…"];
        /// Local port that received it.
        local_port: Port ["1–65535"];
        /// Node id that the querier says it has; null when absent or not 20 bytes long.
        querier_id: Id null ["20 bytes"];
        /// Client version, key `v` of BEP 5, cut at 16 bytes.
        client_version: Bytes null ["≤ 16 bytes"];
        /// Transaction id, key `t`, cut at 32 bytes.
        transaction_id: Nonce null ["≤ 32 bytes"];
        /// The querier says that it answers no queries (BEP 43): true only when `ro` is 1.
        read_only: Bool null ["–"];
        /// announce_peer: the source port is the peer's port (BEP 5).
        implied_port: Bool null ["–"];
        /// announce_peer: the port that the peer says it listens on.
        announced_port: Port null ["0–65535"];
        /// announce_peer: the peer says that it is a seed (BEP 33).
        seed: Bool null ["–"];
        /// get_peers: the querier wants no seeds (BEP 33).
        no_seed: Bool null ["–"];
        /// get_peers: the querier asks for the bloom filters of a scrape (BEP 33).
        scrape: Bool null ["–"];
        /// Address families that the querier wants nodes of (BEP 32): `n4`, `n6` or `n4,n6`.
        want: Text null ["–"];
        /// Whether the token was one that we gave to this address; null without one. announce_peer and put
        /// need it.
        token_valid: Bool null ["–"];
        /// How `source_node` is known: `exact` from the socket, `inferred` where ids share a port.
        attribution: Text ["exact, inferred"];
        /// Time to live (IPv4) or hop limit (IPv6) of the datagram as it arrived.
        ttl: U8 null ["hops"];
        /// Size of the UDP payload.
        length: U16 ["bytes"];
        /// Whether the message is canonical bencoding: sorted keys, no leading zeros, nothing behind it.
        canonical: Bool ["–"];
        /// What was wrong with the message; null when nothing was.
        decode_error: Text null ["–"];
        /// Autonomous system of the source address; null without a geo file.
        asn: U32 null ["AS number"];
        /// Name of the organisation behind that system; null without a geo file.
        as_organization: Text null ["–"];
        /// Country of the source address; null without a geo file.
        country: Text null ["ISO 3166-1 alpha-2"];
        /// Name of the host that captured it.
        sensor: Text ["–"];
    },
};
