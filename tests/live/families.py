"""Live: several addresses and both families at once.

libtorrent on IPv4 and on IPv6 talks to one antenna, and a questioner asks for nodes of either family
over either (BEP 32). Every query is recorded with the presence of the socket that it reached. On a machine
without ::1 it fails, or shows half of that when `TELESCOPE_WITHOUT_IPV6` is set.
"""

import ipaddress
import os
import socket
import time

import background
import krpc
import scenario
from antenna import Antenna
from libtorrent_peer import LibtorrentPeer

NETWORK, LOCALHOST6 = "127.33", "::1"
BIND = [f"{NETWORK}.0.1", f"{NETWORK}.0.2"]
# Not those of real clients: on ::1 there is one address for all programs of this machine.
PORTS = [23001, 23002, 23003, 23004]
SECONDS = 30.0
LEARNING = 15.0  # seconds after which the antenna must know the sessions
WANTS = (None, [b"n4"], [b"n6"], [b"n4", b"n6"])


class Questioner:
    """Asks one endpoint of ours of its own family for nodes, once for each of `WANTS`."""

    name = "questioner"

    def __init__(self, ip, contact):
        self._family = socket.AF_INET6 if ":" in ip else socket.AF_INET
        self._socket = socket.socket(self._family, socket.SOCK_DGRAM)
        self._socket.bind((ip, 0))
        self._socket.settimeout(10.0)
        self.endpoint = self._socket.getsockname()[:2]
        self.endpoints, self.contact = [self.endpoint], contact
        self.answers = []  # (want, {family: endpoints}), an absent list without its family
        self._running = None

    def start(self):
        """Waits until the antenna knows some nodes, then asks."""
        self._running = background.start(self._run)

    def stop(self):
        """Waits until everything is answered."""
        self._running.result()

    def close(self):
        """Gives the address back."""
        self._socket.close()

    @property
    def own(self):
        """What BEP 32 calls the family that it asks over."""
        return b"n6" if self._family == socket.AF_INET6 else b"n4"

    def _run(self):
        time.sleep(LEARNING)
        for number, want in enumerate(WANTS):
            arguments = {b"id": b"q" * 20, b"target": b"t" * 20} | ({b"want": want} if want else {})
            query = {b"t": b"%02d" % number, b"y": b"q", b"q": b"find_node", b"a": arguments, b"ro": 1}
            self._socket.sendto(krpc.encode(query), self.contact)
            values = krpc.decode(self._socket.recv(2048))[0][b"r"]
            lists = {b"n4": (values.get(b"nodes"), 26), b"n6": (values.get(b"nodes6"), 38)}
            named = {family: _nodes(raw, size) for family, (raw, size) in lists.items() if raw is not None}
            self.answers.append((want, named))


def _nodes(raw, size):
    """The endpoints in compact node info: 20 bytes of id, the address, two bytes of port."""
    nodes = [raw[at : at + size] for at in range(0, len(raw), size)]
    return {(str(ipaddress.ip_address(node[20:-2])), int.from_bytes(node[-2:])) for node in nodes}


def peers(endpoints):
    """A session on each family, and then one who asks."""
    four = [endpoint for endpoint in endpoints if ":" not in endpoint[0]]
    six = [endpoint for endpoint in endpoints if ":" in endpoint[0]]
    yield LibtorrentPeer((f"{NETWORK}.1.1", 6881), four, pause=1.0)
    yield Questioner(f"{NETWORK}.2.1", four[0])
    if six:
        yield LibtorrentPeer((LOCALHOST6, 23999), six, pause=1.0)
        yield Questioner(LOCALHOST6, six[0])


def check_answers(checks, seen):
    """Who asked for a family got that family, with the session that lives there in it, and no other."""
    sessions = {peer.endpoint for peer in seen.peers if peer.name == "libtorrent"}
    for peer in seen.peers:
        for want, named in getattr(peer, "answers", []):
            wanted = set(want or [peer.own])
            said = f"{peer.endpoint} wanted {want} and was given {named}"
            checks.that(named.keys() == wanted, said)
            for family in wanted:
                known = {session for session in sessions if (":" in session[0]) == (family == b"n6")}
                checks.that(known == named.get(family), f"{said}; there is {known}")


def main():
    arguments = scenario.parser(__doc__).parse_args()
    checks = scenario.Checks()
    bind = BIND if "TELESCOPE_WITHOUT_IPV6" in os.environ else [*BIND, LOCALHOST6]
    sockets = len(bind) * len(PORTS)
    # All presences ask the same few sessions, which would take them minutes.
    options = ["--ports", ",".join(map(str, PORTS)), "--remote-query-interval", "0.5"]
    with scenario.data_folder(arguments.data) as data:
        antenna = Antenna(arguments.capture, data, bind, sockets, *options)
        seen = scenario.observe(antenna, peers, SECONDS)
    # ::1 is everybody's address: what other programs say to each other there is none of our business.
    seen.datagrams = [
        d for d in seen.datagrams if LOCALHOST6 != d.source[0] or {d.source, d.destination} & seen.endpoints
    ]

    presence = scenario.by_endpoint(seen.presences)
    checks.that(len(presence) == sockets, f"{len(presence)} presences for {sockets} sockets")
    difference = scenario.check_events(checks, seen, "exact", lambda d: presence[d.destination])
    scenario.check_presences(checks, antenna)
    scenario.check_alerts(checks, seen)
    scenario.check_wire(checks, seen)
    check_answers(checks, seen)
    for ip in bind:
        reached = sum(query.destination[0] == ip for query in seen.queries())
        checks.that(reached, f"nobody asked at {ip}")
    print(f"families: {scenario.summary(difference, seen.counts())} on {', '.join(bind)}")
    checks.conclude()


if __name__ == "__main__":
    main()
