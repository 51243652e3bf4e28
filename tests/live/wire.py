"""The allow-list of the wire: what the observatory may send, checked on everything it did send.

A passive observatory answers, pings, and looks for its own ids. It never asks for peers and never
announces, it amplifies nothing, and it stays far below the rate at which real clients ban a sender.
"""

from bisect import bisect_left
from collections import Counter, defaultdict

import krpc

OVERHEAD = 28  # bytes of IPv4 and UDP headers
AMPLIFICATION = 3  # most bytes that one byte of query may cause
BAN_MESSAGES = 50  # messages from one address for which libtorrent bans it...
BAN_WINDOW = 10_000_000  # ...when they come within this many µs


def violations(datagrams, antenna, own_ids, peers):
    """Counts of what was sent, and one sentence for everything that may not be.

    `antenna` holds every (address, port) of ours, `own_ids` every node id we ever had, `peers` the
    (address, port) of every program that took part.
    """
    asked = defaultdict(list)
    sent_at = defaultdict(list)
    counts, wrong = Counter(), []
    for datagram in datagrams:
        incoming = datagram.destination in antenna
        message, canonical = krpc.decode(datagram.payload)
        if incoming:
            if message.get(b"y") == b"q":
                asked[datagram.source, datagram.destination, message[b"t"]].append(len(datagram.payload))
            continue
        sent_at[datagram.destination[0]].append(datagram.ts)
        kind, fault = _judge(message, datagram, asked, own_ids)
        counts[kind] += 1
        if not canonical:
            fault = fault or "is not canonical bencoding"
        if datagram.destination not in peers:
            fault = fault or "went to an address that is no peer"
        if fault:
            wrong.append(f"{datagram.source} -> {datagram.destination}: {kind} {fault}: {datagram.payload!r}")
    wrong += [f"{ip} got {BAN_MESSAGES} messages in 10 s" for ip, times in sent_at.items() if too_fast(times)]
    return counts, wrong


def _judge(message, datagram, asked, own_ids):
    """The kind of a datagram that we sent, and what is wrong with it, if anything is."""
    match message:
        case {b"y": b"r" | b"e", b"t": transaction}:
            queries = asked[datagram.destination, datagram.source, transaction]
            return "answer", _judge_answer(message, len(datagram.payload), queries, own_ids)
        case {b"y": b"q", b"q": b"ping", b"a": arguments}:
            return "ping", None if arguments.keys() == {b"id"} else "has more than an id"
        case {b"y": b"q", b"q": b"find_node", b"a": {b"target": target}}:
            return "find_node", None if target in own_ids else "looks for an id that is not ours"
    return "other", "is no answer, ping or find_node"


def _judge_answer(message, size, queries, own_ids):
    """What is wrong with an answer of `size` bytes; it uses up one of `queries`."""
    if not queries:
        return "answers nothing that was asked"
    budget = AMPLIFICATION * (queries.pop(0) + OVERHEAD) - OVERHEAD
    if size > budget:
        return f"has {size} bytes, {budget} are allowed"
    if message[b"y"] == b"e":
        return None
    values = message[b"r"]
    if values.get(b"id") not in own_ids:
        return "carries an id that is not ours"
    if len(values.get(b"nodes", b"")) % 26 or len(values.get(b"nodes6", b"")) % 38:
        return "has half a node in its list"
    if b"values" in values or values.get(b"samples"):
        return "names peers or samples"
    return None


def too_fast(times):
    """Whether any window of ten seconds holds as many messages as make libtorrent ban the sender."""
    return any(
        bisect_left(times, ts + BAN_WINDOW, lo=first) - first >= BAN_MESSAGES
        for first, ts in enumerate(times)
    )
