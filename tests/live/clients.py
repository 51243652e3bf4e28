"""Live: every DHT implementation we can get, against the default antenna of 208 endpoints.

Shows that each query is in the files exactly once with the fields the client sent, that no client
evicts or bans us, and that nothing leaves the antenna but what it may send.
"""

import contextlib
import socket
import time

import background
import krpc
import scenario
import wire
from antenna import Antenna
from libtorrent_peer import BAN, EVICTION, LibtorrentPeer
from program_peer import Aria2Peer, BittorrentDhtPeer, MainlinePeer

ADDRESS, LIAR = "127.21.0.1", "127.21.99.1"
SOCKETS = 208
SECONDS = 60.0
CONTACTS = 4  # endpoints of ours that each peer is told about
QUERIES = 400  # fewer would show little
FROM_EACH = 20


def peers_of(mainline):
    """The peers, each with an address of its own in a /24 of its own."""

    def start(endpoints):
        def contacts(number):
            return endpoints[number * CONTACTS : (number + 1) * CONTACTS]

        for number in range(3):
            yield LibtorrentPeer((f"127.21.{number + 1}.1", 6881), contacts(number), pause=0.7)
        for number in range(3, 6):
            yield LibtorrentPeer((f"127.21.{number + 1}.1", 6881), contacts(number), pause=2.5, relaxed=True)
        yield BittorrentDhtPeer(("127.21.11.1", 6881), contacts(6), SECONDS)
        yield MainlinePeer(mainline, ("127.21.12.1", 6881), contacts(7), SECONDS)
        yield Aria2Peer(("127.21.13.1", 21881), contacts(8), SECONDS)

    return start


def rejections_of_a_liar():
    """What libtorrent logs about an endpoint that changes its id and floods it: the control."""
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as liar:
        liar.bind((LIAR, 6881))
        liar.settimeout(10.0)
        victim = LibtorrentPeer(("127.21.98.1", 6881), [liar.getsockname()], pause=0.2)
        victim.start()
        with contextlib.closing(victim):
            for number in range(20):
                query, source = liar.recvfrom(2048)
                answer = {b"id": number.to_bytes(20, "little"), b"token": b"none"}
                transaction = krpc.decode(query)[0][b"t"]
                liar.sendto(krpc.encode({b"t": transaction, b"y": b"r", b"r": answer}), source)
            ping = {b"t": b"aa", b"y": b"q", b"q": b"ping", b"a": {b"id": bytes(20)}}
            for _ in range(2 * wire.BAN_MESSAGES):
                liar.sendto(krpc.encode(ping), source)
                time.sleep(0.01)
    return victim.rejections_of([LIAR])


def main():
    parser = scenario.parser(__doc__)
    parser.add_argument("--mainline", required=True, type=scenario.program, help="the mainline_peer binary")
    arguments = parser.parse_args()
    checks = scenario.Checks()

    control = background.start(rejections_of_a_liar)
    with scenario.data_folder(arguments.data) as data:
        antenna = Antenna(arguments.capture, data, [ADDRESS], SOCKETS)
        seen = scenario.observe(antenna, peers_of(arguments.mainline), SECONDS)

    presence = scenario.by_endpoint(seen.presences)
    checks.that(len(presence) == SOCKETS, f"{len(presence)} presences instead of {SOCKETS}")
    checks.that(len(seen.own_ids) == SOCKETS, f"{len(seen.own_ids)} node ids for {SOCKETS} endpoints")
    difference = scenario.check_events(checks, seen, "exact", lambda d: presence[d.destination])
    scenario.check_presences(checks, antenna)
    scenario.check_announces(checks, seen)
    scenario.check_alerts(checks, seen)
    sent = scenario.check_wire(checks, seen)
    for kind in ("answer", "find_node"):
        checks.that(sent[kind], f"the antenna sent no {kind}: the allow-list was not put to the test")
    scenario.check_memory(checks, seen)

    for text in (EVICTION, BAN):
        logged = any(text in line for line in control.result())
        checks.that(logged, f"libtorrent no longer logs `{text}`: that it logs none about us shows nothing")
    for peer in seen.peers:
        if peer.name == "libtorrent":
            rejections = peer.rejections_of(antenna.bind)
            checks.that(not rejections, f"libtorrent at {peer.endpoint} threw us out: {rejections[:3]}")

    counts = seen.counts()
    checks.that(counts.total() >= QUERIES, f"only {counts.total()} queries")
    for name in set(seen.names().values()):
        checks.that(counts[name] >= FROM_EACH, f"{name} sent only {counts[name]} queries")
    print(f"live: {scenario.summary(difference, counts)}")
    print(f"live: sent {dict(sent)} · resident at most {seen.memory:.1f} MiB")
    checks.conclude()


if __name__ == "__main__":
    main()
