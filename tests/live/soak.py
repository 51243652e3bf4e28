"""Live: two dozen libtorrent sessions with default rules, beside the antenna for a longer time.

Each is told four of our endpoints and goes about its business. None may ban us, and at the end each
must have us in its routing table. As long as ids stay, none may evict us for a changed one; with
`--rotate-every` each change may cost us one place in the table of each session, and the files must
say which id stood where, and until when. libtorrent takes up what others name in their answers, the old
id too. Then it evicts it a second time, which may only happen where another node names it between our answer
and the query behind it: so that query must follow, and second evictions must be rare.
"""

import itertools
import re
from bisect import bisect_right
from collections import defaultdict

import krpc
import liar
import scenario
import truth
from antenna import Antenna, address, microseconds
from libtorrent_peer import BAN, EVICTION, LibtorrentPeer

SOCKETS = 208
SESSIONS = 24
CONTACTS = 4  # endpoints of ours that each session is told about
PAUSE = 10.0  # seconds between two lookups of a session, as of a client with a few dozen torrents
RARELY = 0.05  # share of evictions that may be second ones, and of answers that may stay without a query
RETURN = 60.0  # seconds within which an id that has changed is in the tables again
COMPRESSED_RATE = 50  # queries of ours a second while ids change
ID_BITS = 160

_EVICTED = re.compile(r"old: ([0-9a-f]{40}) new: ([0-9a-f]{40})")


def sessions(network):
    """The sessions, each with an address of its own in a /24 of its own."""

    def start(endpoints):
        for number in range(SESSIONS):
            contacts = endpoints[number * CONTACTS : (number + 1) * CONTACTS]
            yield LibtorrentPeer((f"{network}.{number + 1}.1", 6881), contacts, PAUSE)

    return start


def slice_of(node_id):
    """The presence in whose slice of the keyspace an id lies."""
    return int.from_bytes(node_id) * SOCKETS >> ID_BITS


def check_ids(checks, seen):
    """Every message carried the id that the files name for its socket and time; each id is in its slice."""
    stretches = defaultdict(list)
    for row in sorted(seen.presences, key=lambda row: row["valid_from"]):
        endpoint = address(row["local_ip"]), row["local_port"]
        stretches[endpoint].append((microseconds(row["valid_from"]), row["node_id"]))
        place = slice_of(row["node_id"])
        checks.that(place == row["source_node"], f"presence {row['source_node']} has an id in slice {place}")

    def held(endpoint, ts):
        at = bisect_right(stretches[endpoint], ts, key=lambda stretch: stretch[0])
        return stretches[endpoint][max(0, at - 1)][1]

    wrong = 0
    for datagram in seen.datagrams:
        message = krpc.decode(datagram.payload)[0]
        shown = (message.get(b"r") or message.get(b"a") or {}).get(b"id")
        if datagram.source in stretches and shown:
            before, after = datagram.ts - truth.TOLERANCE, datagram.ts + truth.TOLERANCE
            wrong += shown not in (held(datagram.source, before), held(datagram.source, after))
    checks.that(not wrong, f"{wrong} messages carry another id than captured.presences has for their time")


def given_up(seen):
    """Every id that its presence has changed for another one."""
    rows = sorted(seen.presences, key=lambda row: (row["source_node"], row["valid_from"]))
    return {
        old["node_id"]
        for old, new in itertools.pairwise(rows)
        if old["source_node"] == new["source_node"] and old["node_id"] != new["node_id"]
    }


def check_standing(checks, seen, changed):
    """Nobody bans us or evicts an id before its end; everybody has us in its table at the end.

    Returns the number of evictions.
    """
    total = again = 0
    for peer in seen.peers:
        who, rejections = f"libtorrent at {peer.endpoint}", peer.rejections_of(seen.antenna.bind)
        bans = [line for line in rejections if BAN in line]
        checks.that(not bans, f"{who} banned us: {bans[:1]}")
        evicted = []
        for old, new in (_EVICTED.search(line).groups() for line in rejections if EVICTION in line):
            old, new = bytes.fromhex(old), bytes.fromhex(new)
            due = old in changed and new in seen.own_ids and slice_of(old) == slice_of(new)
            checks.that(due, f"{who} saw {old.hex()} become {new.hex()}, which is no change of ours")
            evicted.append(old)
        total += len(evicted)
        again += len(evicted) - len(set(evicted))
        # An id that has just changed must be met again before it is known again.
        changing = peer.rejected is not None and peer.stopped - peer.rejected < RETURN
        kept = [node for node in peer.nodes if node[0] in seen.antenna.bind]
        checks.that(kept or changing, f"{who} has dropped us from its {len(peer.nodes)} nodes")
    checks.that(again <= RARELY * total, f"{again} of {total} evictions were of an id evicted before")
    return total


def check_introductions(checks, seen):
    """Whoever was answered under a new id heard next of a query under it."""
    rows = sorted(seen.presences, key=lambda row: row["valid_from"])
    first = {row["source_node"]: row["node_id"] for row in reversed(rows)}
    new = {row["node_id"] for row in rows} - set(first.values())
    heard = defaultdict(list)
    for datagram in seen.datagrams:
        if datagram.source in seen.endpoints:
            message = krpc.decode(datagram.payload)[0]
            body = message.get(b"r") or message.get(b"a") or {}
            heard[datagram.source, datagram.destination].append((message[b"y"], body.get(b"id")))
    answers = lonely = 0
    for messages in heard.values():
        for (kind, shown), after in itertools.zip_longest(messages, messages[1:]):
            if kind == b"r" and shown in new:
                answers += 1
                lonely += after != (b"q", shown)
    checks.that(answers, "nobody was answered under a new id: nothing is shown about introductions")
    checks.that(
        lonely <= RARELY * answers, f"{lonely} of {answers} answers under a new id were not followed by a query"
    )


def main():
    parser = scenario.parser(__doc__)
    parser.add_argument("--seconds", type=float, default=600.0, help="how long the sessions live")
    parser.add_argument(
        "--rotate-every", type=float, help="seconds from one id to the next; without, ids stay"
    )
    arguments = parser.parse_args()
    checks = scenario.Checks()
    network = "127.34" if arguments.rotate_every else "127.31"
    control = liar.start(network)
    with scenario.data_folder(arguments.data) as data:
        # What ids that change ask is not to wait because they change so much faster than ever in earnest.
        rate = ["--query-rate", str(COMPRESSED_RATE)] if arguments.rotate_every else []
        antenna = Antenna(
            arguments.capture, data, [f"{network}.0.1"], SOCKETS, *rate, rotate_every=arguments.rotate_every
        )
        seen = scenario.observe(antenna, sessions(network), arguments.seconds)

    presence = scenario.by_endpoint(seen.presences)
    difference = scenario.check_events(checks, seen, "exact", lambda d: presence[d.destination])
    scenario.check_presences(checks, antenna)
    sent = scenario.check_wire(checks, seen)
    scenario.check_memory(checks, seen)
    check_ids(checks, seen)
    changed = given_up(seen)
    evictions = check_standing(checks, seen, changed)
    liar.check(checks, control)
    if arguments.rotate_every:
        check_introductions(checks, seen)
        checks.that(evictions, "no id that a session held has changed: nothing is shown about changes")
    total = seen.counts().total()
    print(
        f"soak: {scenario.summary(difference, seen.counts())} · {arguments.seconds:.0f} s,"
        f" {100 * sent['answer'] / total:.1f} % answered, {len(changed)} ids changed,"
        f" {evictions} evictions"
    )
    print(f"soak: sent {dict(sent)} · resident at most {seen.memory:.1f} MiB, {seen.cpu:.1f} s of CPU")
    checks.conclude()


if __name__ == "__main__":
    main()
