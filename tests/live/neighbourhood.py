"""Thousands of honest DHT nodes on addresses of their own, in one socket and one thread.

They answer `ping` and `find_node` as BEP 5 says, with the nodes nearest to the target, so the
antenna's routing tables fill as they would on the Internet. They also ask, at a steady rate.
"""

import random
import select
import socket
import struct
import threading
import time
from bisect import bisect

import background
import krpc

PORT = 17881  # of all nodes; no other scenario may use it on any address
K = 8  # nodes in an answer
AROUND = 32  # ids either way in which the nearest are looked for: random ones are no farther
# What the nodes ask, about as often as nodes on the Internet do.
METHODS = (b"get_peers",) * 5 + (b"find_node",) * 4 + (b"ping",)
KEYSPACE = 1 << 160
IP_PKTINFO = 8
PACKET_INFO = struct.Struct("=I4s4s")  # struct in_pktinfo: interface, local address, destination


class Neighbourhood:
    """`size` nodes in `network` (`127.x`) that know each other and ask `contacts` so often an hour."""

    name = "neighbourhood"

    def __init__(self, network, size, contacts, queries_per_hour):
        self._random = random.Random(network)
        self._addresses = [f"{network}.{number // 250}.{number % 250 + 1}" for number in range(size)]
        self._ids = sorted(self._random.randrange(KEYSPACE) for _ in range(size))
        self._id_of = dict(zip(map(socket.inet_aton, self._addresses), self._ids))
        self._contacts, self._pause = contacts, 3600 / queries_per_hour
        self._stop = threading.Event()
        self.endpoints = [(address, PORT) for address in self._addresses]
        self._socket = self._running = None

    def start(self):
        """Takes the addresses and begins to answer and to ask."""
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        # On all addresses, but not beyond this host; every packet says for which node it is.
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo")
        self._socket.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
        self._socket.bind(("0.0.0.0", PORT))
        self._running = background.start(self._run)

    def stop(self):
        """Ends both."""
        self._stop.set()
        self._running.result()

    def close(self):
        """Gives the addresses back."""
        self.stop()
        self._socket.close()

    def _run(self):
        due = time.monotonic()
        while not self._stop.is_set():
            readable, _, _ = select.select([self._socket], [], [], max(0.0, due - time.monotonic()))
            if readable:
                self._answer()
            if time.monotonic() >= due:
                self._ask()
                due += self._pause * self._random.uniform(0.5, 1.5)

    def _answer(self):
        packet, ancillary, _, source = self._socket.recvmsg(2048, 64)
        _, node, _ = PACKET_INFO.unpack(ancillary[0][2])
        message = krpc.decode(packet)[0]
        if message[b"y"] != b"q":
            return
        values = {b"id": self._id_of[node].to_bytes(20)}
        if message[b"q"] == b"find_node":
            values[b"nodes"] = self._nearest(int.from_bytes(message[b"a"][b"target"]))
        self._send({b"t": message[b"t"], b"y": b"r", b"r": values}, node, source)

    def _ask(self):
        node, node_id = self._random.choice(list(self._id_of.items()))
        method = self._random.choice(METHODS)
        arguments = {b"id": node_id.to_bytes(20)}
        if method != b"ping":
            arguments[b"info_hash" if method == b"get_peers" else b"target"] = self._random.randbytes(20)
        query = {b"t": self._random.randbytes(2), b"y": b"q", b"q": method, b"a": arguments}
        self._send(query, node, self._random.choice(self._contacts))

    def _send(self, message, node, to):
        info = PACKET_INFO.pack(0, node, bytes(4))
        self._socket.sendmsg([krpc.encode(message)], [(socket.IPPROTO_IP, IP_PKTINFO, info)], 0, to)

    def _nearest(self, target):
        """The nodes nearest to `target` as compact node info."""
        place = bisect(self._ids, target)
        around = range(max(0, place - AROUND), min(len(self._ids), place + AROUND))
        nearest = sorted(around, key=lambda number: self._ids[number] ^ target)[:K]
        return b"".join(
            self._ids[number].to_bytes(20) + socket.inet_aton(self._addresses[number]) + PORT.to_bytes(2)
            for number in nearest
        )
