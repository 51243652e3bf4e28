"""Many addresses asking at once: well-formed queries, each with a number of its own as transaction id.

Real clients do not number their queries. These do, so that after a crash every single one can be
looked up in the files. They also carry what real clients seldom send: BEP 32, 33 and 43.
"""

import itertools
import random
import socket
import threading
import time

import background
import krpc

SENDERS = 40  # each an address of its own, so that none of them exceeds what one source may send
PER_SECOND = 2000
BATCH = 20


class Burst:
    """Sends queries to `contacts` from addresses in `network` (`127.x.y`) until it is stopped."""

    name = "burst"
    _numbers = itertools.count()  # never repeats in one program

    def __init__(self, contacts, network):
        self.sent = {}  # transaction id to the time by which it had been sent, µs
        self._contacts = contacts
        self._random = random.Random(network)
        self._stop = threading.Event()
        self._sockets = [_sender(f"{network}.{number + 1}") for number in range(SENDERS)]
        self.endpoints = [sender.getsockname() for sender in self._sockets]
        self._running = None

    def start(self):
        """Begins to send."""
        self._running = background.start(self._run)

    def stop(self):
        """Ends the sending; `sent` is complete."""
        self._stop.set()
        self._running.result()

    def close(self):
        """Gives the addresses back."""
        self.stop()
        for sender in self._sockets:
            sender.close()

    def _run(self):
        start = time.monotonic()
        for batch in itertools.count():
            due = start + batch * BATCH / PER_SECOND
            if self._stop.wait(max(0.0, due - time.monotonic())):
                return
            for _ in range(BATCH):
                self._send()

    def _send(self):
        number = next(self._numbers)
        transaction = number.to_bytes(4)
        sender = self._sockets[number % SENDERS]
        arguments = {b"id": self._random.randbytes(20)}
        method = (b"get_peers", b"find_node", b"ping", b"sample_infohashes")[number % 4]
        if method == b"get_peers":
            arguments |= {b"info_hash": self._random.randbytes(20), b"noseed": 1, b"scrape": number % 3 % 2}
        elif method != b"ping":
            arguments |= {b"target": self._random.randbytes(20), b"want": [b"n4", b"n6"]}
        query = {b"t": transaction, b"y": b"q", b"q": method, b"a": arguments, b"v": b"XX\0\1", b"ro": 1}
        sender.sendto(krpc.encode(query), self._random.choice(self._contacts))
        # Over loopback it has arrived by now.
        self.sent[transaction] = time.time_ns() // 1000


def _sender(address):
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender.bind((address, 0))
    return sender
