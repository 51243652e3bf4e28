"""The control of the live tests: a node that does what libtorrent throws others out for.

That libtorrent says nothing bad about the antenna means something only as long as it does say it
about a node that changes its id with every answer and then floods; and that it keeps the antenna in
its routing table, only as long as it keeps no node that never answered.
"""

import contextlib
import socket
import time

import background
import krpc
import wire
from libtorrent_peer import BAN, EVICTION, LibtorrentPeer

# Seconds until a query counts as not coming. The session asks the liar now and then, every seven seconds at
# times, and much more seldom where the machine is busy.
PATIENCE = 60.0


def start(network):
    """Lets a session meet the liar and a silent node, all in `network` (`127.x`)."""
    return background.start(lambda: _meet(f"{network}.99.1", f"{network}.98.1", f"{network}.97.1"))


def check(checks, control):
    """libtorrent evicted and banned the liar and said so; it keeps no node that is silent."""
    victim, liar, silent = control.result()
    for text in (EVICTION, BAN):
        logged = any(text in line for line in victim.rejections_of([liar]))
        checks.that(logged, f"libtorrent no longer logs `{text}`: that it logs none about us shows nothing")
    checks.that(silent not in victim.nodes, "libtorrent keeps a silent node: that it keeps us shows nothing")


def _meet(liar, victim, silent):
    with _bound(liar) as sender, _bound(silent) as listener:
        sender.settimeout(PATIENCE)
        session = LibtorrentPeer((victim, 6881), [sender.getsockname(), listener.getsockname()], pause=0.2)
        session.start()
        with contextlib.closing(session):
            for number in range(20):
                query, source = sender.recvfrom(2048)
                answer = {b"id": number.to_bytes(20, "little"), b"token": b"none"}
                transaction = krpc.decode(query)[0][b"t"]
                sender.sendto(krpc.encode({b"t": transaction, b"y": b"r", b"r": answer}), source)
            ping = {b"t": b"aa", b"y": b"q", b"q": b"ping", b"a": {b"id": bytes(20)}}
            for _ in range(2 * wire.BAN_MESSAGES):
                sender.sendto(krpc.encode(ping), source)
                time.sleep(0.01)
            session.stop()
        return session, liar, listener.getsockname()


def _bound(address):
    """A UDP socket on the usual port of `address`; it ends with the block it is used in."""
    bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    bound.bind((address, 6881))
    return bound
