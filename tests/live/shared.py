"""Live: the layout for hosts that can open 13 ports only, 13 ports × 16 ids.

A query does not say which of the ids behind a port it means, so every remote must be shown one and
the same id there, and the files must name the presence that it was shown.
"""

import scenario
from antenna import Antenna, address
from libtorrent_peer import LibtorrentPeer

ADDRESS = "127.22.0.1"
# The well-known ports, which lead the groups of the default layout.
PORTS = [6881, 6882, 6883, 6969, 6889, 51413, 51414, 16881, 26881, 49160, 49161, 45682, 7881]
IDS_PER_PORT = 16
SECONDS = 30.0
CONTACTS = 4


def peers(endpoints):
    """Three sessions with the default rules and three with relaxed ones."""
    for number in range(6):
        relaxed = number >= 3
        contacts = [endpoints[(number * 2 + offset) % len(endpoints)] for offset in range(CONTACTS)]
        yield LibtorrentPeer((f"127.22.{number + 1}.1", 6881), contacts, 2.5 if relaxed else 0.7, relaxed)


def main():
    arguments = scenario.parser(__doc__).parse_args()
    checks = scenario.Checks()
    options = ["--ports", ",".join(map(str, PORTS)), "--ids-per-port", str(IDS_PER_PORT)]
    with scenario.data_folder(arguments.data) as data:
        antenna = Antenna(arguments.capture, data, [ADDRESS], len(PORTS), *options)
        seen = scenario.observe(antenna, peers, SECONDS)

    checks.that(len(seen.own_ids) == len(PORTS) * IDS_PER_PORT, f"{len(seen.own_ids)} node ids are in use")
    shown = seen.ids_shown()
    for (ours, remote), ids in shown.items():
        checks.that(len(ids) == 1, f"{remote} was shown {len(ids)} ids at {ours}")
    number = {
        (address(row["local_ip"]), row["local_port"], row["node_id"]): row["source_node"]
        for row in seen.presences
    }

    def source_node(datagram):
        node_id = min(shown[datagram.destination, datagram.source[0]], default=None)
        return number.get((*datagram.destination, node_id))

    difference = scenario.check_events(checks, seen, "inferred", source_node)
    scenario.check_announces(checks, seen)
    scenario.check_alerts(checks, seen)
    scenario.check_wire(checks, seen)
    scenario.check_memory(checks, seen)
    ids = len(set().union(*shown.values()))
    rejections = sum(len(peer.rejections_of(antenna.bind)) for peer in seen.peers)
    line = scenario.summary(difference, seen.counts())
    print(f"shared ports: {line} · {ids} ids shown, {rejections} evictions and bans")
    checks.conclude()


if __name__ == "__main__":
    main()
