"""The judges are judged: each fault that the live tests look for is made by hand and must be noticed.

A live run in which nothing goes wrong says little about a check that never fires.
"""

import krpc
import truth
import wire
from sniffer import Datagram

OURS, THEIRS = ("127.0.0.2", 6881), ("127.0.0.3", 6881)
OWN_ID, THEIR_ID = b"o" * 20, b"t" * 20
SECOND = 1_000_000


def datagram(source, destination, message, ts=SECOND):
    payload = message if isinstance(message, bytes) else krpc.encode(message)
    return Datagram(ts, source, destination, 64, payload)


def query(method, node_id, transaction=b"aa", **arguments):
    arguments = {b"id": node_id} | {name.encode(): value for name, value in arguments.items()}
    return {b"t": transaction, b"y": b"q", b"q": method, b"a": arguments}


def answer(transaction=b"aa", **values):
    values = {b"id": OWN_ID} | {name.encode(): value for name, value in values.items()}
    return {b"t": transaction, b"y": b"r", b"r": values}


PING = datagram(THEIRS, OURS, query(b"ping", THEIR_ID))
ANNOUNCE = query(b"announce_peer", THEIR_ID, info_hash=b"i" * 20, port=6881, seed=1, token=b"good")


def sent(*messages, to=THEIRS):
    return [datagram(OURS, to, message) for message in messages]


def many(times):
    return [datagram(OURS, THEIRS, query(b"ping", OWN_ID), ts) for ts in times]


def noticed(datagrams):
    return wire.violations(datagrams, {OURS}, {OWN_ID}, {THEIRS})[1]


def the_allow_list():
    """What may be sent is let through, everything else is noticed."""
    allowed = {
        "an answer": [PING, *sent(answer())],
        "an error": [PING, *sent({b"t": b"aa", b"y": b"e", b"e": [203, b"no"]})],
        "a ping": sent(query(b"ping", OWN_ID)),
        "find_node for an own id": sent(query(b"find_node", OWN_ID, target=OWN_ID)),
        "49 messages in 10 s": many(range(0, 9_800_000, 200_000)),
    }
    for name, datagrams in allowed.items():
        assert not noticed(datagrams), f"{name} was refused: {noticed(datagrams)}"
    forbidden = {
        "an answer to nothing": sent(answer()),
        "a second answer": [PING, *sent(answer(), answer())],
        "an answer with another transaction id": [PING, *sent(answer(b"ab"))],
        "an answer from another socket": [PING, datagram((OURS[0], 1), THEIRS, answer())],
        "an answer with a foreign id": [PING, *sent(answer(id=THEIR_ID))],
        "an answer that amplifies": [PING, *sent(answer(nodes=bytes(26 * 20)))],
        "an answer with half a node": [PING, *sent(answer(nodes=bytes(27)))],
        "an answer with peers": [PING, *sent(answer(values=[bytes(6)]))],
        "unsorted keys": [PING, *sent(b"d1:y1:r1:t2:aa1:rd2:id20:%see" % OWN_ID)],
        "find_node for a foreign id": sent(query(b"find_node", OWN_ID, target=THEIR_ID)),
        "get_peers": sent(query(b"get_peers", OWN_ID, info_hash=OWN_ID)),
        "announce_peer": sent(query(b"announce_peer", OWN_ID, info_hash=OWN_ID, port=1, token=b"good")),
        "get": sent(query(b"get", OWN_ID, target=OWN_ID)),
        "a ping to a stranger": sent(query(b"ping", OWN_ID), to=("127.0.0.4", 6881)),
        "50 messages in 10 s": many(range(0, 10_000_000, 200_000)),
    }
    for name, datagrams in forbidden.items():
        assert noticed(datagrams), f"{name} was not noticed"


def the_comparison():
    """A lost row, a row too many, a wrong field and a wrong time are noticed."""
    event = truth.expected(datagram(THEIRS, OURS, ANNOUNCE), 3, "exact", {b"good"}, "live")
    assert event.token_valid and event.seed and event.announced_port == 6881 and event.implied_port is None
    stale = truth.expected(datagram(THEIRS, OURS, ANNOUNCE), 3, "exact", set(), "live")
    assert stale.token_valid is False
    row = (SECOND, event)
    assert not any(truth.compare([row, row], [row, row]))
    assert truth.compare([row, row], [row]) == ([row], [])
    assert truth.compare([row], [row, row]) == ([], [row])
    late = (SECOND + truth.TOLERANCE + 1, event)
    assert truth.compare([row], [late]) == ([row], [late])
    for field in truth.Event._fields:
        other = (SECOND, event._replace(**{field: "wrong"}))
        assert truth.compare([row], [other]) == ([row], [other]), f"{field} is not compared"


def the_decoder():
    """What is not canonical is read and noticed."""
    canonical = krpc.encode(ANNOUNCE)
    assert krpc.decode(canonical) == (ANNOUNCE, True)
    for odd in (b"d1:b0:1:a0:e", b"d1:a0:1:a0:e", b"d1:ai01ee", b"d01:a0:e", b"d1:a0:e ", b"d1:ai-0ee"):
        assert not krpc.decode(odd)[1], f"{odd} passes for canonical"
    for broken in (b"", b"i1e", b"d", b"d1:a", b"d1:a5:xe", b"dixe1:ae", b"\xff"):
        try:
            krpc.decode(broken)
        except krpc.NotBencode:
            continue
        raise AssertionError(f"{broken} passes for a message")


def main():
    the_decoder()
    the_comparison()
    the_allow_list()
    print("judges: every fault was noticed")


if __name__ == "__main__":
    main()
