"""Live: `capture tail` shows what is recorded, as it is recorded, and nothing else.

What comes through the pipe is held against the sealed files: the same rows, in full, across a restart
of the antenna. A reader that goes away and a SIGTERM both end it with success.
"""

import signal
import subprocess
import threading
import time

import pyarrow

import background
import scenario
from antenna import Antenna
from burst import Burst

ADDRESS, SOCKETS, SENSOR = "127.43.0.1", 208, "tail"
SECONDS = 3.0
SYNC = 1.0  # seconds from receipt to the spool
SLACK = 1.0  # seconds from there to here on a busy machine
PATIENCE = 10.0


class Tail:
    """A `capture tail`, and every row that came out of it."""

    def __init__(self, binary, data, *options):
        command = [binary, "tail", "--data", str(data), "--sensor", SENSOR, *options]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        self.rows, self.begun = [], threading.Event()
        self.latest = 0.0  # when the last rows came
        self._reading = background.start(self._read)

    def _read(self):
        with pyarrow.ipc.open_stream(self.process.stdout) as stream:
            self.begun.set()
            for batch in stream:
                self.rows += batch.to_pylist()
                self.latest = time.time() if batch.num_rows else self.latest
        # What follows the end of a stream would be the beginning of something broken.
        return self.process.stdout.read()

    def end(self):
        """SIGTERM: the stream must end whole. Returns the exit code and what came after the end."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE), self._reading.result(PATIENCE)


def leave(binary, data):
    """The exit code for a reader that looks at the beginning and goes away."""
    command = [binary, "tail", "--data", str(data), "--sensor", SENSOR, "--unsealed"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        process.stdout.read(1)
        process.stdout.close()
        return process.wait(PATIENCE)


def main():
    arguments = scenario.parser(__doc__).parse_args()
    checks = scenario.Checks()
    with scenario.data_folder(arguments.data) as data:
        antenna = Antenna(arguments.capture, data, [ADDRESS], SOCKETS, sensor=SENSOR)
        with antenna:
            early = Tail(arguments.capture, data)
            checks.that(early.begun.wait(PATIENCE), "the columns do not come before the first row")
            burst = Burst(antenna.ports(), "127.43.1")
            burst.start()
            time.sleep(SECONDS)
            late = Tail(arguments.capture, data, "--unsealed")
            code = leave(arguments.capture, data)
            checks.that(code == 0, f"exit code {code} when the reader went away")
            burst.stop()
            sent = max(burst.sent.values()) / 1e6
            time.sleep(SYNC + SLACK)
            checks.that(len(early.rows) == len(burst.sent), f"{len(early.rows)} of {len(burst.sent)} came in time")
            delay = early.latest - sent
            burst.close()
            antenna.terminate()

            antenna.start()
            again = Burst(antenna.ports(), "127.43.2")
            again.start()
            time.sleep(SECONDS)
            again.close()
            antenna.terminate()
        for name, tail in (("early", early), ("late", late)):
            code, rest = tail.end()
            checks.that((code, rest) == (0, b""), f"{name}: exit code {code}, {len(rest)} bytes after the end")
        key = lambda row: row["transaction_id"]  # noqa: E731
        sealed = sorted(antenna.rows("events"), key=key)
        for name, tail in (("early", early), ("late", late)):
            same = sorted(tail.rows, key=key) == sealed
            checks.that(same, f"{name}: {len(tail.rows)} rows are not the {len(sealed)} that were sealed")
    total = len(burst.sent) + len(again.sent)
    checks.that(len(sealed) == total, f"{total} sent, {len(sealed)} sealed")
    print(f"tail: {len(sealed)} rows twice, the last {delay:.2f} s after it was sent")
    checks.conclude()


if __name__ == "__main__":
    main()
