"""Live: as a service manager runs it, under another user without any privilege.

This program is the manager: it holds the notification socket, counts the signs of life, and reads the
log as the journal would. When the writer hangs, the signs of life must end although queries are still
answered; when it goes on, they must come back.
"""

import contextlib
import os
import pathlib
import re
import shutil
import signal
import socket
import time

import krpc
import scenario
from antenna import STARTUP, Antenna

ADDRESS, NETWORK = "127.46.0.1", "127.46.1"
SOCKETS = 208
NOBODY = 65534  # the user and the group that own nothing
WATCHDOG = 2.0  # seconds in which the manager asks for a sign of life
HEARTBEAT = 10.0  # seconds until the writer notes how far it has come
PATIENCE = 5.0  # seconds for anything else, on a busy machine
PRIVILEGES = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
PRIVILEGES += ["--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"]
LOG_LINE = re.compile(r"<[3467]>[a-z]")  # the level, and no time or colour behind it


class Manager:
    """The service manager's end of the notification socket."""

    def __init__(self, path):
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        path.chmod(0o666)

    def close(self):
        """Stops listening."""
        self._socket.close()

    def listen(self, seconds):
        """Every message that comes in this time, each as a list of lines, as they come."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self._socket.settimeout(left)
            with contextlib.suppress(TimeoutError):
                yield self._socket.recv(4096).decode().splitlines()

    def wait(self, line, seconds):
        """The first message with a line that starts like this; None if none comes."""
        said = (lines for lines in self.listen(seconds) if any(said.startswith(line) for said in lines))
        return next(said, None)


def ask_everywhere(endpoints):
    """Pings every endpoint, each from an address of its own. Returns bytes sent, bytes got and answers."""
    sent, answers = 0, []
    for number, endpoint in enumerate(endpoints):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.bind((f"{NETWORK}.{number % 250 + 1}", 0))
            client.settimeout(PATIENCE)
            query = {b"t": b"%d" % number, b"y": b"q", b"q": b"ping", b"a": {b"id": bytes(20)}, b"ro": 1}
            sent += client.sendto(krpc.encode(query), endpoint)
            with contextlib.suppress(TimeoutError):
                answers.append(client.recv(2048))
    return sent, sum(map(len, answers)), len(answers)


def status(antenna):
    """The fields of the process's status."""
    text = pathlib.Path(f"/proc/{antenna.process.pid}/status").read_text(encoding="ascii")
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


def check_privileges(checks, antenna):
    """It is nobody and may do nothing."""
    fields = status(antenna)
    checks.that(fields["Uid"].split() == [str(NOBODY)] * 4, f"it runs as user {fields['Uid']}")
    for name in ("CapPrm", "CapEff", "CapBnd"):
        checks.that(int(fields[name], 16) == 0, f"it has capabilities, {name} {fields[name]}")


def check_reload(checks, antenna, manager):
    """SIGHUP is a reload that begins and ends."""
    antenna.process.send_signal(signal.SIGHUP)
    lines = manager.wait("RELOADING=1", PATIENCE)
    checks.that(lines and any(line.startswith("MONOTONIC_USEC=") for line in lines), f"reload began: {lines}")
    checks.that(manager.wait("READY=1", PATIENCE), "the reload did not end")


def check_watchdog(checks, antenna, manager, dataset):
    """Signs of life come, end when the writer hangs, and come back. Returns what was asked meanwhile."""
    for _ in range(3):
        checks.that(manager.wait("WATCHDOG=1", PATIENCE), "no sign of life")
    # Whoever opens a pipe to write into it waits for a reader, and the writer opens this every ten seconds.
    pipe = dataset / "spool" / antenna.sensor / "state.toml.tmp"
    held = dataset.parent / "pipe"
    os.mkfifo(held)
    os.chown(held, NOBODY, NOBODY)
    os.link(held, pipe)
    said = list(manager.listen(HEARTBEAT + PATIENCE))
    checks.that(["WATCHDOG=1"] in said, "no sign of life before the writer hung")
    checks.that(not manager.wait("WATCHDOG=1", 2 * WATCHDOG), "signs of life while the writer hangs")
    asked = ask_everywhere(antenna.ports())
    checks.that(asked[2] == SOCKETS, f"{asked[2]} of {SOCKETS} answered while the writer hung")
    # It is read by its other name: nobody can come to wait by the first one any more.
    pipe.unlink()
    os.close(os.open(held, os.O_RDONLY | os.O_NONBLOCK))
    checks.that(manager.wait("WATCHDOG=1", PATIENCE), "no sign of life after the writer went on")
    return asked


def check_metrics(checks, antenna, threads, asked):
    """Rows of metrics add up to what was sent, received and, while the writer hung, lost."""
    rows = antenna.rows("system_metrics")
    lost = sum(answers for *_, answers in asked) - len(antenna.rows("events"))
    checks.that(len(rows) > HEARTBEAT, f"{len(rows)} rows of metrics in {HEARTBEAT} s and more")
    sent, got, _ = (sum(values) for values in zip(*asked))
    expected = {"network_bytes_sent": got, "network_bytes_recv": sent}
    expected |= {"kernel_drops": 0, "queue_drops": lost, "storage_drops": 0}
    total = {name: sum(row[name] for row in rows) for name in expected}
    checks.that(total == expected, f"metrics say {total}, but it was {expected}")
    for row in rows:
        checks.that(SOCKETS < row["open_files"] < 2 * SOCKETS, f"{row['open_files']} open files")
        checks.that(row["threads"] == threads, f"{row['threads']} threads instead of {threads}")
        checks.that(1.0 < row["memory_mb"] < 100.0, f"{row['memory_mb']} MB of memory")


def main():
    arguments = scenario.parser(__doc__).parse_args()
    checks = scenario.Checks()
    with scenario.data_folder(arguments.data) as home, contextlib.ExitStack() as cleanup:
        # Where the binary and the dataset usually are, this user may have no access.
        capture = shutil.copy(arguments.capture, home / "capture")
        dataset = home / "dataset"
        dataset.mkdir()
        for path in (home, dataset):
            os.chown(path, NOBODY, NOBODY)
        manager = cleanup.enter_context(contextlib.closing(Manager(home / "notify")))
        log = cleanup.enter_context((home / "log").open("w+", encoding="utf-8"))
        journal = os.fstat(log.fileno())
        environment = {
            "PATH": os.environ["PATH"],
            "NOTIFY_SOCKET": str(manager.path),
            "WATCHDOG_USEC": str(int(WATCHDOG * 1e6)),
            "JOURNAL_STREAM": f"{journal.st_dev}:{journal.st_ino}",
        }
        antenna = Antenna(capture, dataset, [ADDRESS], SOCKETS, "--metrics-interval", "1")
        antenna.launch(*PRIVILEGES, env=environment, stderr=log)
        with contextlib.ExitStack() as alive:
            alive.callback(antenna.kill)
            checks.that(manager.wait("READY=1", STARTUP), f"not ready in {STARTUP} s")
            ports = antenna.ports()
            checks.that(len(ports) == SOCKETS, f"ready with {len(ports)} of {SOCKETS} sockets")
            check_privileges(checks, antenna)
            checks.that(manager.wait("STATUS=", PATIENCE), "no status line")
            asked = [ask_everywhere(ports)]
            checks.that(asked[0][2] == SOCKETS, f"{asked[0][2]} of {SOCKETS} answered")
            check_reload(checks, antenna, manager)
            threads = int(status(antenna)["Threads"])
            asked.append(check_watchdog(checks, antenna, manager, dataset))
            antenna.terminate()
            alive.pop_all()
        checks.that(manager.wait("STOPPING=1", PATIENCE), "its end was not announced")
        check_metrics(checks, antenna, threads, asked)
        log.seek(0)
        for line in log:
            checks.that(LOG_LINE.match(line), f"a line that the journal would not understand: {line!r}")
        rows = len(antenna.rows("events"))
        print(f"service: {rows} of {2 * SOCKETS} events through {SOCKETS} sockets as user {NOBODY}")
    checks.conclude()


if __name__ == "__main__":
    main()
