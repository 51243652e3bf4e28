"""Live: `analyze watch` on the spool of a running antenna says in time what is being done.

Walkers ask for infohashes in order; the time from the last packet of each to the line that tells all of
it is measured, for the sweep and for the list of infohashes.
"""

import json
import pathlib
import random
import signal
import socket
import subprocess
import threading
import time

import background
import krpc
import scenario
from antenna import Antenna

ADDRESS, NETWORK, SOCKETS, SENSOR = "127.47.0.1", "127.47.1", 208, "watch"
WALKERS, HASHES = 12, 23
STEP = 0.2  # seconds between two packets of a walker
STAGGER = 0.7  # seconds between the beginnings of two walkers
PATIENCE = 90.0
# Table to the seconds from the last packet to the line, on a machine with nothing else to do. Other tests run
# beside this one: only what takes several times as long is a failure.
PROMISED = {"sweep_events": 5.0, "rendezvous_events": 60.0}
SLACK = 4.0


class Walker:
    """Asks for infohashes with rising prefixes, each of another of our sockets."""

    def __init__(self, number, contacts):
        self.address = f"{NETWORK}.{number + 1}"
        self.last = None  # when the last packet had been sent
        self._random = random.Random(number)
        self._contacts = self._random.sample(sorted(contacts), HASHES)
        self._first = 0x100 + 0x111 * number
        # One node, far from what it asks for: this is neither a shared address nor upkeep of a routing table.
        self._id = ((self._first ^ 0x800) << 148 | self._random.getrandbits(148)).to_bytes(20)

    def walk(self):
        """Sends all of its packets."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.bind((self.address, 0))
            for step, contact in enumerate(self._contacts):
                prefix = self._first + step // 4
                infohash = (prefix << 148 | self._random.getrandbits(148)).to_bytes(20)
                arguments = {b"id": self._id, b"info_hash": infohash}
                query = {b"t": bytes([step]), b"y": b"q", b"q": b"get_peers", b"a": arguments}
                sender.sendto(krpc.encode(query), contact)
                self.last = time.time()
                time.sleep(STEP)


class Watch:
    """An `analyze watch`, with the time of every line."""

    def __init__(self, binary, data):
        command = [binary, "watch", "--data", str(data), "--from", f"spool:{SENSOR}", "--format", "json"]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        self.lines = []
        self._reading = background.start(self._read)

    def _read(self):
        for line in self.process.stdout:
            self.lines.append((time.time(), json.loads(line)))

    def end(self):
        """SIGTERM; returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(PATIENCE)
        self._reading.result(PATIENCE)
        return code


def told(lines, table, address):
    """When the line came that tells of all infohashes; None when it has not."""
    mine = (when for when, row in lines if row["table"] == table and row.get("operator") == address and row["n"] == HASHES)
    return min(mine, default=None)


def main():
    parser = scenario.parser(__doc__)
    parser.add_argument("--analyze", required=True, type=pathlib.Path, help="the analyze program")
    arguments = parser.parse_args()
    checks = scenario.Checks()
    with scenario.data_folder(arguments.data) as data:
        antenna = Antenna(arguments.capture, data, [ADDRESS], SOCKETS, sensor=SENSOR)
        with antenna:
            watch = Watch(arguments.analyze, data)
            time.sleep(2.0)
            walkers = [Walker(number, antenna.ports()) for number in range(WALKERS)]
            threads = [threading.Thread(target=walker.walk) for walker in walkers]
            for thread in threads:
                thread.start()
                time.sleep(STAGGER)
            for thread in threads:
                thread.join()
            deadline = time.monotonic() + PATIENCE
            while time.monotonic() < deadline and not all(
                told(watch.lines, table, walker.address) for table in PROMISED for walker in walkers
            ):
                time.sleep(0.2)
            lines = list(watch.lines)
            code = watch.end()
            checks.that(code == 0, f"exit code {code}")
            antenna.terminate()
    for table, promised in PROMISED.items():
        times = [(told(lines, table, walker.address), walker.last) for walker in walkers]
        missing = sum(when is None for when, _ in times)
        checks.that(missing == 0, f"{table}: {missing} of {WALKERS} walks were never told in full")
        late = sorted(when - last for when, last in times if when is not None)
        if late:
            print(f"watch: {table} told {late[len(late) // 2]:.2f} s after its last packet (median), {late[-1]:.2f} s at most")
            checks.that(late[-1] <= SLACK * promised, f"{table}: {late[-1]:.1f} s after its last packet, promised {promised}")
    checks.conclude()


if __name__ == "__main__":
    main()
