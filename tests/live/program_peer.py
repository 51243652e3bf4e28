"""Real DHT clients that are programs of their own: each is started, asks for a while, and ends by itself."""

import hashlib
import os
import pathlib
import shutil
import subprocess
import tempfile
import threading
import time
import xmlrpc.client

import background

HERE = pathlib.Path(__file__).parent
GRACE = 15.0  # seconds that a program may take to end after its time is over


class ProgramPeer:
    """A program on its own address that is told about `contacts` and asks for `seconds`."""

    success = 0  # the exit code of a program that did what it should

    def __init__(self, endpoint, contacts, seconds):
        self.endpoint, self.contacts, self.seconds = endpoint, contacts, seconds
        self.endpoints = [endpoint]
        self._process = None

    def start(self):
        """Starts the program."""
        self._process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        self._deadline = time.monotonic() + self.seconds + GRACE

    def stop(self):
        """Waits until the program has ended by itself; a client that failed fails the test."""
        try:
            code = self._process.wait(max(0.0, self._deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.close()
            raise AssertionError(f"{self.name} did not end by itself") from None
        assert code == self.success, f"{self.name} ended with exit code {code}"

    def close(self):
        """Ends the program if it still runs."""
        if self._process and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def arguments(self):
        """The arguments of the drivers written for this test: what they share."""
        return [*map(str, self.endpoint), str(self.seconds), *(f"{ip}:{port}" for ip, port in self.contacts)]


class BittorrentDhtPeer(ProgramPeer):
    """npm bittorrent-dht, what WebTorrent Desktop and most JavaScript crawlers use."""

    name = "bittorrent-dht"

    def command(self):
        return ["node", str(HERE / "bittorrent_dht_peer.mjs"), *self.arguments()]


class MainlinePeer(ProgramPeer):
    """The Rust `mainline` crate, behind pkarr."""

    name = "mainline"

    def __init__(self, binary, *arguments):
        super().__init__(*arguments)
        self._binary = binary

    def command(self):
        return [self._binary, *self.arguments()]


class Aria2Peer(ProgramPeer):
    """aria2, driven over its own RPC port: a magnet link every few seconds, each a lookup and an announce."""

    name = "aria2"
    success = 7  # aria2's code for downloads that are not complete; nobody has ours

    def __init__(self, *arguments, pause=2.0):
        super().__init__(*arguments)
        self._pause = pause
        self._stop = threading.Event()

    def command(self):
        ip, port = self.endpoint
        contact = self.contacts[0]
        return [
            shutil.which("aria2c") or "aria2c",
            "--no-conf",
            "--quiet",
            f"--interface={ip}",
            "--disable-ipv6=true",
            "--bt-enable-lpd=false",
            f"--dht-listen-port={port}",
            f"--listen-port={port}",
            f"--dht-entry-point={contact[0]}:{contact[1]}",
            f"--dht-file-path={self._folder.name}/dht.dat",
            f"--dir={self._folder.name}",
            "--dht-message-timeout=2",
            "--max-concurrent-downloads=1000",
            "--enable-rpc=true",
            f"--rpc-listen-port={port}",
            f"--stop={int(self.seconds)}",
            f"--stop-with-process={os.getpid()}",
        ]

    def start(self):
        self._folder = tempfile.TemporaryDirectory(prefix="telescope-")
        super().start()
        self._running = background.start(self._add_magnets)

    def stop(self):
        self._stop.set()
        self._running.result()
        super().stop()

    def close(self):
        self._stop.set()
        super().close()
        self._folder.cleanup()

    def _add_magnets(self):
        server = xmlrpc.client.ServerProxy(f"http://127.0.0.1:{self.endpoint[1]}/rpc")
        ends = time.monotonic() + self.seconds - self._pause
        number = 0
        while not self._stop.wait(self._pause) and time.monotonic() < ends:
            infohash = hashlib.sha1(b"aria2 %d" % number).hexdigest()
            server.aria2.addUri([f"magnet:?xt=urn:btih:{infohash}"])
            number += 1
