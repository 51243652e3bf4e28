"""The program under test: starts the real `capture` binary, waits for its sockets, reads its files."""

import ipaddress
import signal
import socket
import subprocess
import time

import pyarrow.parquet

STARTUP = 20.0  # seconds until every socket must be bound
SHUTDOWN = 20.0  # seconds until a SIGTERM must have sealed the hour


class Antenna:
    """A `capture run` on loopback addresses, without bootstrap nodes."""

    def __init__(self, binary, data, bind, sockets, *options, sensor="live"):
        self.data, self.bind, self.sockets, self.sensor = data, bind, sockets, sensor
        self._command = [binary, "run", "--data", str(data), "--sensor", sensor, "--bind", ",".join(bind)]
        # One of 208 ids is due to change every few minutes: here all stay, so that none changes by chance.
        self._command += ["--bootstrap", "none", "--rotate-share", "0", *options]
        self.process = None

    def start(self):
        """Starts it and returns once all its sockets are bound."""
        assert not self.ports(), f"{self.bind} is in use: do the live tests run twice on this machine?"
        self.process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + STARTUP
        while (bound := len(self.ports())) < self.sockets:
            code = self.process.poll()
            assert code is None, f"capture ended with exit code {code} before it listened"
            assert time.monotonic() < deadline, (
                f"capture bound {bound} of {self.sockets} sockets in {STARTUP} s"
            )
            time.sleep(0.02)
        assert bound == self.sockets, f"capture bound {bound} sockets instead of {self.sockets}"

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.kill()

    def ports(self):
        """(address, port) of every UDP socket that is bound to one of our addresses."""
        with open("/proc/net/udp", encoding="ascii") as table:
            local = [line.split()[1].split(":") for line in list(table)[1:]]
        # A set: while sockets are being bound, the kernel's table can show one of them twice.
        found = {(socket.inet_ntoa(bytes.fromhex(ip)[::-1]), int(port, 16)) for ip, port in local}
        return sorted(entry for entry in found if entry[0] in self.bind)

    def memory(self):
        """The most memory that was ever resident, in MiB."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            fields = dict(line.split(":", 1) for line in status)
        return int(fields["VmHWM"].split()[0]) / 1024

    def terminate(self):
        """SIGTERM: must seal the running hour and exit with 0."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(SHUTDOWN)
        assert code == 0, f"capture ended with exit code {code} after SIGTERM"

    def kill(self):
        """kill -9."""
        self.process.kill()
        self.process.wait()

    def files(self, table):
        """Every file of a captured table that is visible under its final name."""
        return sorted((self.data / "captured" / table).glob("date=*/hour=*/*.parquet"))

    def rows(self, table):
        """Every row of a captured table, as dictionaries."""
        return [
            row for file in self.files(table) for row in pyarrow.parquet.ParquetFile(file).read().to_pylist()
        ]


def address(raw):
    """The text of a 16-byte address column; IPv4 without its mapping."""
    ip = ipaddress.IPv6Address(raw)
    return str(ip.ipv4_mapped or ip)


def microseconds(ts):
    """A timestamp column's value in µs since 1970-01-01 UTC, exactly."""
    return int(ts.timestamp()) * 1_000_000 + ts.microsecond
