"""The program under test: starts the real `capture` binary, waits for its sockets, reads its files."""

import contextlib
import ipaddress
import os
import pathlib
import re
import signal
import subprocess
import time

import pyarrow.parquet

STARTUP = 20.0  # seconds until every socket must be bound
SHUTDOWN = 20.0  # seconds until a SIGTERM must have sealed the hour


class Antenna:
    """A `capture run` on loopback addresses, without bootstrap nodes unless it is given some."""

    def __init__(
        self,
        binary,
        data,
        bind,
        sockets,
        *options,
        sensor="live",
        bootstrap="none",
        rotate_every=None,
        log=None,
    ):
        self.data, self.bind, self.sockets, self.sensor = data, bind, sockets, sensor
        self._log = log  # a file to keep what it says on stderr
        self._command = [binary, "run", "--data", str(data), "--sensor", sensor, "--bind", ",".join(bind)]
        # One of 208 ids is due to change every few minutes: all stay, so that none changes by chance.
        rotation = ["--rotate-every", str(rotate_every)] if rotate_every else ["--rotate-share", "0"]
        self._command += ["--bootstrap", bootstrap, *rotation, *options]
        self.process = None
        self._peak = 0.0

    def launch(self, *before, **how):
        """Starts it, with `before` in front of its command; `how` goes to the system."""
        self.process = subprocess.Popen([*before, *self._command], stdin=subprocess.DEVNULL, **how)

    def start(self):
        """Starts it and returns once all its sockets are bound."""
        with open(self._log, "ab") if self._log else contextlib.nullcontext() as log:
            self.launch(stderr=log)
        self._peak = 0.0
        deadline = time.monotonic() + STARTUP
        bound = 0
        while bound < self.sockets:
            assert time.monotonic() < deadline, (
                f"capture bound {bound} of {self.sockets} sockets in {STARTUP} s"
            )
            time.sleep(0.02)
            code = self.process.poll()
            assert code is None, f"capture ended with exit code {code} before it listened"
            bound = len(self.ports())
        assert bound == self.sockets, f"capture bound {bound} sockets instead of {self.sockets}"

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.kill()

    def ports(self):
        """(address, port) of every UDP socket that it has bound to one of its addresses."""
        own = set()
        for file in pathlib.Path(f"/proc/{self.process.pid}/fd").iterdir():
            # It may close a file at this moment.
            with contextlib.suppress(FileNotFoundError):
                own.add(os.readlink(file))
        # udp6 is missing where the kernel has no IPv6.
        tables = [table for name in ("udp", "udp6") if (table := pathlib.Path("/proc/net", name)).exists()]
        rows = [line.split() for table in tables for line in table.read_text("ascii").splitlines()[1:]]
        # A set: while sockets are being bound, the kernel's table can show one of them twice.
        found = {_endpoint(row[1]) for row in rows if f"socket:[{row[9]}]" in own}
        return sorted(entry for entry in found if entry[0] in self.bind)

    def memory(self):
        """The most memory that was ever resident since the start, in MiB; of the sealing too."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            fields = dict(line.split(":", 1) for line in status)
        if "VmHWM" in fields:  # which a process has until its end
            self._peak = int(fields["VmHWM"].split()[0]) / 1024
        return self._peak

    def cpu(self):
        """Seconds of CPU that all its threads have used."""
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def terminate(self, expected=0):
        """SIGTERM: must seal the running hour and exit with 0. Returns the most memory it had, in MiB."""
        self.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + SHUTDOWN
        while self.process.poll() is None:
            self.memory()
            assert time.monotonic() < deadline, f"capture has not ended {SHUTDOWN} s after SIGTERM"
            time.sleep(0.001)
        code = self.process.returncode
        assert code == expected, f"capture ended with exit code {code} after SIGTERM"
        return self._peak

    def counters(self):
        """The counters that stand in the last line of its log."""
        with open(self._log, encoding="utf-8") as log:
            line = [line for line in log if "stopped: " in line][-1]
        return {name: int(value) for name, value in re.findall(r"(\w+)=(-?\d+)", line)}

    def kill(self):
        """kill -9."""
        self.process.kill()
        self.process.wait()

    def files(self, table):
        """Every file of a captured table that is visible under its final name."""
        return sorted((self.data / "captured" / table).glob("date=*/hour=*/*.parquet"))

    def rows(self, table, columns=None):
        """Every row of a captured table, as dictionaries, with some of its columns or all."""
        return [row for file in self.files(table) for row in rows(file, columns)]


def rows(file, columns=None):
    """Every row of one file."""
    return pyarrow.parquet.ParquetFile(file).read(columns=columns).to_pylist()


def _endpoint(text):
    """(address, port) of a socket in the kernel's table: words of four bytes in the host's order."""
    words, port = text.split(":")
    raw = b"".join(bytes.fromhex(words[at : at + 8])[::-1] for at in range(0, len(words), 8))
    return str(ipaddress.ip_address(raw)), int(port, 16)


def address(raw):
    """The text of a 16-byte address column; IPv4 without its mapping."""
    ip = ipaddress.IPv6Address(raw)
    return str(ip.ipv4_mapped or ip)


def microseconds(ts):
    """A timestamp column's value in µs since 1970-01-01 UTC, exactly."""
    return int(ts.timestamp()) * 1_000_000 + ts.microsecond
