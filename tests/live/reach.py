"""Live: what the budget of a remote costs in answers.

A remote that knows many of our ids may ask all of them within one lookup. It is answered a group of
sixteen at once, the rest at a steady rate, and never so often that a real client would ban us.
"""

import contextlib
import socket
import threading
import time

import background
import krpc
import scenario
from antenna import Antenna

NETWORK = "127.35"
SOCKETS = 208
ASKED = (1, 4, 16, 64)  # ids of ours in one lookup
SPREAD = (0.0, 10.0)  # seconds over which a lookup asks them
AT_ONCE = 16  # that are answered even if they are asked at once: a group of ours


class Remote:
    """Asks `count` of `contacts` for one infohash, spread over `seconds`."""

    name = "remote"

    def __init__(self, address, contacts, count, seconds):
        self.endpoint = (address, 6881)
        self.endpoints = [self.endpoint]
        self.count, self.seconds = count, seconds
        # Far from each other, as the nodes that a lookup meets on its way.
        self._contacts = [contacts[number * len(contacts) // count] for number in range(count)]
        self._stop = threading.Event()

    def start(self):
        """Begins to ask."""
        self._running = background.start(self._run)

    def stop(self):
        """Waits until all are asked."""
        self._running.result()

    def close(self):
        """Nothing is held."""

    def _run(self):
        with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as asking:
            asking.bind(self.endpoint)
            for number, contact in enumerate(self._contacts):
                asking.sendto(_query(number), contact)
                time.sleep(self.seconds / self.count)
            # Answers are counted on the wire; here they only need somewhere to arrive.
            time.sleep(scenario.QUIET)


def _query(number):
    """get_peers of a read-only node (BEP 43), which is answered and asked nothing."""
    arguments = {b"id": b"r" * 20, b"info_hash": b"i" * 20}
    return krpc.encode({b"t": number.to_bytes(2), b"y": b"q", b"q": b"get_peers", b"a": arguments, b"ro": 1})


def remotes(contacts):
    """One for each number of ids and each time, on an address of its own."""
    for spread, seconds in enumerate(SPREAD):
        for number, count in enumerate(ASKED):
            yield Remote(f"{NETWORK}.{spread + 1}.{number + 1}", contacts, count, seconds)


def main():
    arguments = scenario.parser(__doc__).parse_args()
    checks = scenario.Checks()
    with scenario.data_folder(arguments.data) as data:
        antenna = Antenna(arguments.capture, data, [f"{NETWORK}.0.1"], SOCKETS)
        seen = scenario.observe(antenna, remotes, 0.0)

    presence = scenario.by_endpoint(seen.presences)
    difference = scenario.check_events(checks, seen, "exact", lambda d: presence[d.destination])
    scenario.check_wire(checks, seen)
    print(f"reach: {scenario.summary(difference, seen.counts())}")
    for remote in seen.peers:
        answered = sum(d.destination == remote.endpoint for d in seen.datagrams)
        due = min(remote.count, AT_ONCE)
        checks.that(answered >= due, f"{answered} of {remote.count} were answered, {due} are due")
        print(f"reach: {remote.count} asked in {remote.seconds:.0f} s, {answered} answered")
    checks.conclude()


if __name__ == "__main__":
    main()
