"""Live: every DHT implementation we can get, against the default antenna of 208 endpoints.

Shows that each query is in the files exactly once with the fields the client sent, that no client
evicts or bans us, and that nothing leaves the antenna but what it may send.
"""

import liar
import scenario
from antenna import Antenna
from libtorrent_peer import LibtorrentPeer
from program_peer import Aria2Peer, BittorrentDhtPeer, MainlinePeer

ADDRESS, NETWORK = "127.21.0.1", "127.21"
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


def main():
    parser = scenario.parser(__doc__)
    parser.add_argument("--mainline", required=True, type=scenario.program, help="the mainline_peer binary")
    arguments = parser.parse_args()
    checks = scenario.Checks()

    control = liar.start(NETWORK)
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

    liar.check(checks, control)
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
