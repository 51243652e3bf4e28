"""Live: the disk fills up, is read-only, or is swept clean under the running antenna.

Whatever happens to the disk, the antenna lives and answers. What it cannot keep it counts, and a row of
`captured.gaps` says when; it resumes by itself. The numbers must agree to the last query: sent,
counted, and found in the files. It needs root for a small tmpfs.
"""

import contextlib
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import time

import krpc
import scenario
from antenna import Antenna, microseconds
from burst import Burst

ADDRESS, NETWORK, SENSOR = "127.41.0.1", "127.41", "disk"
SECOND_ADDRESS = "127.42.0.1"
SOCKETS = 208
SIZE = 16  # MiB of the tmpfs
FLOOR = 6 << 20  # bytes that stay free in the scene about the floor
PATIENCE = 20.0  # seconds in which something must be said in the log
SCENE = 2.0  # seconds before, in and after an outage
SLACK = 1_500_000  # µs between two batches on a busy machine
METRICS = ("--metrics-interval", "1")  # rows that an outage of a scene's length can lose


@contextlib.contextmanager
def small_disk():
    """A file system of its own, too small for much."""
    with tempfile.TemporaryDirectory(prefix="telescope-disk-") as folder:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}m", "telescope", folder], check=True)
        try:
            yield pathlib.Path(folder)
        finally:
            subprocess.run(["umount", "--lazy", folder], check=True)


class Stage:
    """An antenna on a small disk, with a burst of queries to it."""

    def __init__(self, arguments, disk, log, network, *options):
        self.disk, self._log, self._ballast = disk, log, disk / "ballast"
        self.data = disk / "data"
        self.antenna = Antenna(
            arguments.capture, self.data, [ADDRESS], SOCKETS, *options, sensor=SENSOR, log=log
        )
        self._network = network
        self.burst = None

    def __enter__(self):
        self.antenna.start()
        self.burst = Burst(self.antenna.ports(), self._network)
        self.burst.start()
        time.sleep(SCENE)
        return self

    def __exit__(self, *_):
        self.burst.close()
        if self.antenna.process.poll() is None:
            self.antenna.kill()

    def fill(self, leave):
        """Uses the disk up, but for `leave` bytes."""
        free = shutil.disk_usage(self.disk).free
        with open(self._ballast, "wb") as file:
            os.posix_fallocate(file.fileno(), 0, free - leave)

    def empty(self):
        """Gives the room back."""
        self._ballast.unlink()

    def wait_for(self, words):
        """Waits until the antenna has said `words`."""
        deadline = time.monotonic() + PATIENCE
        while words not in pathlib.Path(self._log).read_text(encoding="utf-8"):
            assert self.antenna.process.poll() is None, f"capture has ended instead of saying `{words}`"
            assert time.monotonic() < deadline, f"capture has not said `{words}` in {PATIENCE} s"
            time.sleep(0.05)

    def end(self):
        """Ends the burst and the antenna."""
        time.sleep(SCENE)
        self.burst.stop()
        time.sleep(scenario.QUIET)
        self.antenna.terminate()


def check_answers(checks, stage, scene):
    """The antenna answers."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        asker.bind((SECOND_ADDRESS, 0))
        asker.settimeout(2.0)
        query = {b"t": b"disk", b"y": b"q", b"q": b"ping", b"a": {b"id": b"d" * 20}}
        asker.sendto(krpc.encode(query), stage.antenna.ports()[0])
        try:
            answered = krpc.decode(asker.recv(2048))[0].get(b"y") == b"r"
        except TimeoutError:
            answered = False
        checks.that(answered, f"{scene}: it does not answer while it cannot record")


def check_account(checks, stage, scene, asked=0):
    """Sent = recorded + lost; what is lost lies in a gap that says `storage` and stands in the metrics.

    `asked` queries were sent beside the burst. Returns how many are lost.
    """
    antenna, sent = stage.antenna, stage.burst.sent
    counters = antenna.counters()
    events = antenna.rows("events", ["transaction_id", "ts"])
    recorded = {row["transaction_id"]: microseconds(row["ts"]) for row in events}
    lost = {ts for number, ts in sent.items() if number not in recorded}
    gaps = [row for row in antenna.rows("gaps") if row["reason"] == "storage"]
    gaps = [(microseconds(row["gap_start"]), microseconds(row["gap_end"])) for row in gaps]
    total = len(sent) + asked
    checks.that(counters["events"] == total, f"{scene}: {total} sent, {counters['events']} received")
    checks.that(len(events) == len(recorded), f"{scene}: something is recorded twice")
    kept = counters["recorded"]
    checks.that(kept == len(events), f"{scene}: {kept} counted as recorded, {len(events)} in the files")
    missed = counters["lost_storage"] + counters["lost_queue_full"]
    checks.that(kept + missed == total, f"{scene}: {kept} recorded and {missed} lost are not {total}")
    checks.that(counters["unaccounted"] == 0, f"{scene}: {counters['unaccounted']} unaccounted")
    checks.that(lost, f"{scene}: nothing was lost, so this shows nothing")
    told = sum(row["storage_drops"] for row in antenna.rows("system_metrics"))
    stored = counters["lost_storage"]
    checks.that(told == stored, f"{scene}: {told} lost by the metrics, {stored} counted")
    # A query is received a moment before its sender has noted that it was sent.
    silent = [ts for ts in lost if not any(start <= ts <= end + SLACK for start, end in gaps)]
    checks.that(not silent, f"{scene}: {len(silent)} lost queries lie in no gap")
    covered = [ts for ts in recorded.values() if any(start < ts < end for start, end in gaps)]
    checks.that(not covered, f"{scene}: {len(covered)} recorded queries lie in a gap")
    return missed


def full(checks, arguments, log):
    """No space left on the device, until there is some again."""
    options = ("--free-space-floor", "0", *METRICS)
    with small_disk() as disk, Stage(arguments, disk, log, f"{NETWORK}.1", *options) as stage:
        stage.fill(leave=64 << 10)
        stage.wait_for("No space left on device")
        check_answers(checks, stage, "full")
        time.sleep(SCENE)
        stage.empty()
        stage.wait_for("can be written again")
        stage.end()
        return check_account(checks, stage, "full", asked=1)


def floor(checks, arguments, log):
    """Recording stops while there is still room, and resumes when there is more."""
    options = ("--free-space-floor", str(FLOOR), *METRICS)
    with small_disk() as disk, Stage(arguments, disk, log, f"{NETWORK}.2", *options) as stage:
        stage.fill(leave=FLOOR - (1 << 20))
        stage.wait_for("below the --free-space-floor")
        check_answers(checks, stage, "floor")
        before = shutil.disk_usage(disk).free
        time.sleep(SCENE)
        grown = before - shutil.disk_usage(disk).free
        checks.that(grown < 100_000, f"floor: {grown} bytes were written below it")
        stage.empty()
        stage.wait_for("can be written again")
        stage.end()
        return check_account(checks, stage, "floor", asked=1)


def full_at_the_end(checks, arguments, log):
    """No room to seal: the rows stay in the spool, and the next start seals them."""
    with small_disk() as disk, Stage(arguments, disk, log, f"{NETWORK}.3", "--free-space-floor", "0") as stage:
        stage.burst.stop()
        time.sleep(scenario.QUIET)
        stage.fill(leave=0)
        stage.antenna.terminate(expected=1)
        half = [path for path in (stage.data / "captured").rglob("*") if path.suffix == ".tmp"]
        checks.that(not half, f"full at the end: {half} takes room that the spool needs")
        stage.empty()
        stage.antenna.start()
        stage.antenna.terminate()
        recorded = len(stage.antenna.rows("events", ["ts"]))
        sent = len(stage.burst.sent)
        checks.that(recorded == sent, f"full at the end: {sent} sent, {recorded} in the files")


def swept_clean(checks, arguments, log):
    """Somebody removes the whole dataset: what was in the spool is lost and said so, the rest is kept."""
    options = ("--free-space-floor", "0", *METRICS)
    with small_disk() as disk, Stage(arguments, disk, log, f"{NETWORK}.4", *options) as stage:
        shutil.rmtree(stage.data)
        stage.wait_for("was removed while it was written")
        stage.wait_for("can be written again")
        second = refused(stage, arguments)
        checks.that("another capture" in second, f"swept clean: the lock is gone too: {second}")
        stage.end()
        return check_account(checks, stage, "swept clean")


def refused(stage, arguments):
    """What a second daemon on the same folder says, which must not start."""
    command = [arguments.capture, "run", "--data", str(stage.data), "--sensor", SENSOR]
    command += ["--bind", SECOND_ADDRESS, "--bootstrap", "none"]
    second = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    return second.stderr if second.returncode == 1 else f"exit code {second.returncode}: {second.stderr}"


def read_only(checks, arguments):
    """A disk that cannot be written is a reason not to start, and the message says which."""
    with small_disk() as disk:
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        command = [arguments.capture, "run", "--data", str(disk / "data"), "--sensor", SENSOR]
        command += ["--bind", ADDRESS, "--bootstrap", "none"]
        run = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
        said = run.returncode == 1 and "Read-only file system" in run.stderr and str(disk) in run.stderr
        checks.that(said, f"read-only: exit code {run.returncode}, {run.stderr}")


def main():
    arguments = scenario.parser(__doc__).parse_args()
    if os.geteuid() != 0:
        raise SystemExit("disk: only root can mount the small file systems that it needs: run the tests as root")
    checks = scenario.Checks()
    lost = []
    with tempfile.TemporaryDirectory(prefix="telescope-log-") as logs:
        for scene in (full, floor, swept_clean):
            lost.append(f"{scene.__name__} {scene(checks, arguments, f'{logs}/{scene.__name__}')}")
        full_at_the_end(checks, arguments, f"{logs}/end")
    read_only(checks, arguments)
    print(f"disk: lost and counted: {', '.join(lost)}")
    checks.conclude()


if __name__ == "__main__":
    main()
