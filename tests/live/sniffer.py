"""What really went over the loopback interface, seen from outside every program under test.

A packet socket sees each datagram as it is sent, with the kernel's time and its time to live. That
makes it a ground truth for clients that keep no log of their own, and a second one for libtorrent.
"""

import ipaddress
import select
import socket
import struct
import threading
from typing import NamedTuple

import background
import packet_filter

ETH_P_ALL = 3
SOL_PACKET = 263
PACKET_STATISTICS = 6
SO_RCVBUFFORCE = 33
SO_TIMESTAMPNS = 35
BUFFER = 64 << 20


class Datagram(NamedTuple):
    """One UDP datagram."""

    ts: int  # µs since 1970-01-01 UTC
    source: tuple[str, int]
    destination: tuple[str, int]
    ttl: int
    payload: bytes


class Sniffer:
    """Records every UDP datagram on `lo` to or from the given addresses while the block runs."""

    def __init__(self, addresses):
        self.datagrams = []
        self._addresses = [ipaddress.ip_address(address).packed for address in addresses]
        self._stop = threading.Event()

    def __enter__(self):
        try:
            # It takes nothing before it has its filter and is bound.
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
            self._socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
        except PermissionError:
            raise SystemExit(
                "the live tests read packets on lo: run them as root or with CAP_NET_RAW and CAP_NET_ADMIN"
            )
        self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        packet_filter.attach(self._socket, self._addresses)
        self._socket.bind(("lo", ETH_P_ALL))
        self._running = background.start(self._run)
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._running.result()
        statistics = self._socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8)
        self._socket.close()
        _, dropped = struct.unpack("II", statistics)
        assert dropped == 0, f"the sniffer itself lost {dropped} packets: nothing can be concluded"

    def _run(self):
        while True:
            readable, _, _ = select.select([self._socket], [], [], 0.1)
            if readable:
                self._receive()
            elif self._stop.is_set():
                return

    def _receive(self):
        packet, ancillary, _, _ = self._socket.recvmsg(65535, 64)
        seconds, nanoseconds = struct.unpack("qq", ancillary[0][2][:16])
        header, ttl, source, destination = _read_header(packet)
        source_port, destination_port, length = struct.unpack_from("!HHH", packet, header)
        payload = packet[header + 8 : header + length]
        assert len(payload) == length - 8, "a datagram was cut or coalesced on its way to the sniffer"
        self.datagrams.append(
            Datagram(
                ts=seconds * 1_000_000 + nanoseconds // 1000,
                source=(str(ipaddress.ip_address(source)), source_port),
                destination=(str(ipaddress.ip_address(destination)), destination_port),
                ttl=ttl,
                payload=payload,
            )
        )


def _read_header(packet):
    """Length of the IP header, time to live or hop limit, source and destination."""
    if packet[0] >> 4 == 6:
        return 40, packet[7], packet[8:24], packet[24:40]
    return (packet[0] & 15) * 4, packet[8], packet[12:16], packet[16:20]
