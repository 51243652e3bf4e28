"""From datagrams that were seen to the rows that must be in `captured.events`, and the difference.

Every column is predicted from the bytes alone. Rows are compared as multisets, so a query that was
written twice is as wrong as one that was lost.
"""

from collections import defaultdict
from typing import NamedTuple

import krpc
from antenna import address, microseconds

# Sender and receiver are stamped by the same clock; this leaves room for a busy machine only.
TOLERANCE = 500_000  # µs


class Event(NamedTuple):
    """The columns of `captured.events` that a datagram decides, without its time."""

    method: str | None
    infohash: bytes | None
    target: bytes | None
    peer_ip: str
    peer_port: int
    source_node: int
    local_port: int
    querier_id: bytes | None
    client_version: bytes | None
    transaction_id: bytes | None
    read_only: bool | None
    implied_port: bool | None
    announced_port: int | None
    seed: bool | None
    no_seed: bool | None
    scrape: bool | None
    want: str | None
    token_valid: bool | None
    attribution: str
    ttl: int
    length: int
    canonical: bool
    decode_error: str | None
    asn: int | None
    as_organization: str | None
    country: str | None
    sensor: str


def is_query(datagram):
    """Whether the datagram asks something."""
    return krpc.decode(datagram.payload)[0].get(b"y") == b"q"


def expected(datagram, source_node, attribution, tokens, sensor):
    """The row of one query. `tokens` are those that this address was given on this port."""
    message, canonical = krpc.decode(datagram.payload)
    arguments = message[b"a"]
    method = message[b"q"].decode()
    of_peers = method in ("get_peers", "announce_peer")
    announce, ask = method == "announce_peer", method == "get_peers"
    return Event(
        method=method,
        infohash=arguments[b"info_hash"] if of_peers else None,
        target=arguments.get(b"target"),
        peer_ip=datagram.source[0],
        peer_port=datagram.source[1],
        source_node=source_node,
        local_port=datagram.destination[1],
        querier_id=arguments[b"id"],
        client_version=message.get(b"v"),
        transaction_id=message[b"t"],
        read_only=_flag(message, b"ro"),
        implied_port=_flag(arguments, b"implied_port") if announce else None,
        announced_port=arguments.get(b"port") if announce else None,
        seed=_flag(arguments, b"seed") if announce else None,
        no_seed=_flag(arguments, b"noseed") if ask else None,
        scrape=_flag(arguments, b"scrape") if ask else None,
        want=",".join(family.decode() for family in arguments[b"want"]) if b"want" in arguments else None,
        token_valid=arguments.get(b"token") in tokens if method in ("announce_peer", "put") else None,
        attribution=attribution,
        ttl=datagram.ttl,
        length=len(datagram.payload),
        canonical=canonical,
        decode_error=None,
        asn=None,
        as_organization=None,
        country=None,
        sensor=sensor,
    )


def _flag(values, key):
    """A flag of BEP 5, 33 or 43: none of the clients sends anything but 0 and 1."""
    return {None: None, 0: False, 1: True}[values.get(key)]


def recorded(row):
    """A row of the Parquet files as (time, event)."""
    values = dict(row, peer_ip=address(row["peer_ip"]))
    return microseconds(values.pop("ts")), Event(**values)


class Difference(NamedTuple):
    """What two sets of events disagree on: (time, event) each."""

    missing: list
    extra: list


def compare(truth, events):
    """Pairs equal events in order of time; what finds no partner within the tolerance is returned."""
    sides = defaultdict(lambda: ([], []))
    for side, rows in enumerate((truth, events)):
        for ts, event in rows:
            sides[event][side].append(ts)
    missing, extra = [], []
    for event, (sent, seen) in sides.items():
        sent.sort(reverse=True)
        seen.sort(reverse=True)
        while sent and seen:
            delay = seen[-1] - sent[-1]
            if delay > TOLERANCE:
                missing.append((sent.pop(), event))
            elif delay < -TOLERANCE:
                extra.append((seen.pop(), event))
            else:
                sent.pop(), seen.pop()
        missing += [(ts, event) for ts in sent]
        extra += [(ts, event) for ts in seen]
    return Difference(missing, extra)


def explain(difference, limit=10):
    """The first few differences as text: for a missing row, the extra row nearest to it column by column."""
    lines = []
    for ts, event in difference.missing[:limit]:
        nearest = max(
            difference.extra, key=lambda other: sum(a == b for a, b in zip(event, other[1])), default=None
        )
        lines.append(f"missing {ts} {event}")
        if nearest:
            pairs = zip(Event._fields, event, nearest[1])
            wrong = [f"{name}: sent {a!r}, recorded {b!r}" for name, a, b in pairs if a != b]
            lines.append(f"  nearest extra {nearest[0]}: {'; '.join(wrong)}")
    lines += [f"extra {ts} {event}" for ts, event in difference.extra[:limit]]
    return "\n".join(lines)
