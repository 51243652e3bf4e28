"""What the live scenarios share: run real peers against a real antenna, then judge what was seen.

A scenario is three things side by side: what went over the wire (sniffer), what the clients say
they sent, and what stands in the Parquet files. Every check is collected, so one run shows all that
is wrong, not only the first of it.
"""

import argparse
import contextlib
import dataclasses
import os
import pathlib
import tempfile
import time
from collections import Counter, defaultdict

import krpc
import truth
import wire
from antenna import Antenna, address
from sniffer import Sniffer

QUIET = 1.0  # seconds in which what is under way arrives, before anything is stopped
RESIDENT = 32.0  # MiB that the daemon may hold with 208 presences


class Checks:
    """The sentences that turned out to be false."""

    def __init__(self):
        self.failed = []

    def that(self, true, sentence):
        """Notes `sentence` unless it is true."""
        if not true:
            self.failed.append(sentence)

    def conclude(self):
        """Ends the program with an error when anything was noted."""
        if self.failed:
            raise SystemExit("\n".join(f"FAILED: {sentence}" for sentence in self.failed))


@dataclasses.dataclass
class Observation:
    """One run of `peers` against an antenna, from the first packet to the sealed files."""

    antenna: Antenna
    endpoints: set  # ours
    datagrams: list
    peers: list
    memory: float  # MiB at most
    cpu: float  # seconds of CPU while the peers ran
    presences: list = dataclasses.field(init=False)
    events: list = dataclasses.field(init=False)

    def __post_init__(self):
        self.presences = self.antenna.rows("presences")
        self.events = [truth.recorded(row) for row in self.antenna.rows("events")]

    @property
    def own_ids(self):
        """Every node id that the antenna had."""
        return {row["node_id"] for row in self.presences}

    def names(self):
        """Peer endpoint to the name of its implementation."""
        return {endpoint: peer.name for peer in self.peers for endpoint in peer.endpoints}

    def queries(self):
        """Every query that was sent to the antenna."""
        return [d for d in self.datagrams if d.destination in self.endpoints and truth.is_query(d)]

    def counts(self):
        """Name of the implementation to the number of queries it sent."""
        names = self.names()
        return Counter(names.get(query.source, "strangers") for query in self.queries())

    def tokens(self):
        """(our endpoint, remote address) to every token that it was given there."""
        given = defaultdict(set)
        for datagram in self.datagrams:
            if datagram.source in self.endpoints:
                answer = krpc.decode(datagram.payload)[0].get(b"r", {})
                if b"token" in answer:
                    given[datagram.source, datagram.destination[0]].add(answer[b"token"])
        return given

    def ids_shown(self):
        """(our endpoint, remote address) to every node id that it was shown there."""
        shown = defaultdict(set)
        for datagram in self.datagrams:
            if datagram.source in self.endpoints:
                message = krpc.decode(datagram.payload)[0]
                body = message.get(b"r") or message.get(b"a") or {}
                if b"id" in body:
                    shown[datagram.source, datagram.destination[0]].add(body[b"id"])
        return shown


def observe(antenna, start_peers, seconds):
    """Runs the peers that `start_peers` makes from our endpoints for a while, then stops everything."""
    peers = []
    with contextlib.ExitStack() as cleanup:
        sniffer = cleanup.enter_context(Sniffer(antenna.bind))
        cleanup.enter_context(antenna)
        endpoints = antenna.ports()
        for peer in start_peers(endpoints):
            peer.start()
            cleanup.callback(peer.close)
            peers.append(peer)
        cpu = antenna.cpu()
        time.sleep(seconds)
        cpu = antenna.cpu() - cpu
        for peer in peers:
            peer.stop()
        time.sleep(QUIET)
        memory = antenna.terminate()
    return Observation(antenna, set(endpoints), sniffer.datagrams, peers, memory, cpu)


def check_events(checks, observation, attribution, source_node):
    """Every query is recorded exactly once, with the same fields. Returns the difference.

    `source_node` says which presence a datagram belongs to.
    """
    tokens = observation.tokens()
    sent = [
        (
            d.ts,
            truth.expected(
                d, source_node(d), attribution, tokens[d.destination, d.source[0]], observation.antenna.sensor
            ),
        )
        for d in observation.queries()
    ]
    difference = truth.compare(sent, observation.events)
    checks.that(not any(difference), truth.explain(difference))
    strangers = {d.source for d in observation.queries()} - observation.names().keys()
    checks.that(not strangers, f"queries came from {sorted(strangers)}, where no client of this scenario is")
    return difference


def check_announces(checks, observation):
    """Every implementation announced, and only with tokens that we had given it."""
    names = observation.names()
    announces = defaultdict(list)
    for _, event in observation.events:
        if event.method == "announce_peer":
            announces[names.get((event.peer_ip, event.peer_port))].append(event.token_valid)
    for name in set(names.values()):
        checks.that(announces[name], f"{name} announced nothing")
        checks.that(all(announces[name]), f"{name} announced with a token that was refused")


def check_alerts(checks, observation):
    """What libtorrent says it sent to us is what the sniffer saw it send."""
    for peer in observation.peers:
        if peer.name == "libtorrent":
            said = Counter((to, data) for to, data in peer.sent if to in observation.endpoints)
            seen = Counter(
                (d.destination, d.payload) for d in observation.datagrams if d.source == peer.endpoint
            )
            checks.that(said, f"libtorrent at {peer.endpoint} sent nothing")
            checks.that(
                said == seen,
                f"libtorrent at {peer.endpoint}: only in its alerts {said - seen}, only on the wire {seen - said}",
            )


def check_wire(checks, observation):
    """Nothing was sent but answers, pings and look-ups of our own ids. Returns counts of what was."""
    counts, wrong = wire.violations(
        observation.datagrams, observation.endpoints, observation.own_ids, set(observation.names())
    )
    for sentence in wrong[:20]:
        checks.that(False, sentence)
    return counts


def check_presences(checks, antenna):
    """For every event exactly one row of `captured.presences` says which id its presence had then."""
    stretches = defaultdict(list)
    for row in antenna.rows("presences"):
        stretches[row["source_node"]].append((row["valid_from"], row["valid_to"]))
    wrong = 0
    for row in antenna.rows("events", ["source_node", "ts"]):
        holding = [start for start, end in stretches[row["source_node"]] if start <= row["ts"] < end]
        wrong += len(holding) != 1
    checks.that(not wrong, f"{wrong} events have not exactly one id at their time")


def check_memory(checks, observation):
    """The daemon stays small."""
    checks.that(
        observation.memory <= RESIDENT,
        f"capture held {observation.memory:.1f} MiB, {RESIDENT:.0f} are allowed",
    )


def summary(difference, counts):
    """The line that says it all."""
    clients = ", ".join(f"{name} {count}" for name, count in counts.most_common())
    return f"{clients} queries · missing {len(difference.missing)} extra {len(difference.extra)}"


def by_endpoint(presences):
    """(our address, port) to the presence that has it alone."""
    found = {(address(row["local_ip"]), row["local_port"]): row["source_node"] for row in presences}
    assert len(found) == len({row["source_node"] for row in presences}), "two presences share one endpoint"
    return found


@contextlib.contextmanager
def data_folder(keep):
    """A folder for the dataset: `keep`, or a temporary one."""
    if keep:
        yield pathlib.Path(keep)
    else:
        with tempfile.TemporaryDirectory(prefix="telescope-") as folder:
            yield pathlib.Path(folder)


def program(path):
    """An argument that names a program."""
    if not os.access(path, os.X_OK):
        raise argparse.ArgumentTypeError(f"{path} is no program: build it first (`tests/run` does)")
    return path


def parser(doc):
    """The arguments that all scenarios have."""
    arguments = argparse.ArgumentParser(description=doc)
    arguments.add_argument("--capture", required=True, type=program, help="the capture binary")
    arguments.add_argument("--data", help="keep the dataset here instead of in a temporary folder")
    return arguments
