"""Killed at any instant, the antenna loses at most one sync interval, and nothing is there twice.

Round after round on one directory: a burst of queries, kill -9 at a random moment, start again.
Every other round asks it to stop first and kills it while it seals the hour. Each query has a number,
so the files can be held against what was sent; and what is missing must lie inside a recorded gap.
"""

import contextlib
import random
import time
from collections import Counter

import pyarrow

import scenario
from antenna import Antenna, microseconds, rows
from burst import Burst

ADDRESS, SOCKETS, SENSOR = "127.24.0.1", 208, "crash"
ROUNDS = 10  # at most 250: each has a network of its own
LONGEST = 2.5  # seconds of burst before the kill
SEALING = 0.06  # seconds after SIGTERM in which the kill falls
SYNC = 1_000_000  # µs between two fsyncs
SLACK = 500_000  # µs from the socket to the spool on a busy machine


def crash(antenna, round_number, rng):
    """One burst that ends in a kill. Returns what was sent and when it was killed (µs)."""
    antenna.start()
    burst = Burst(antenna.ports(), f"127.24.{round_number + 1}")
    with contextlib.closing(burst):
        burst.start()
        time.sleep(rng.uniform(0.1, LONGEST))
        if round_number % 2:
            antenna.process.terminate()
            time.sleep(rng.uniform(0.0, SEALING))
        killed = time.time_ns() // 1000
        antenna.kill()
        burst.stop()
    return burst.sent, killed


class Recorded:
    """What the files hold. Each is read once: a file that is visible never changes."""

    def __init__(self):
        self.queries = {}  # transaction id to the time of the event, µs
        self.twice = 0
        self._read = set()

    def look(self, checks, antenna):
        """Reads the files that are new; whatever is visible under its final name can be read to the end."""
        for table in ("events", "presences", "gaps"):
            for file in set(antenna.files(table)) - self._read:
                self._read.add(file)
                try:
                    found = rows(file)
                except (OSError, pyarrow.ArrowException) as error:
                    checks.that(False, f"{file} is visible and cannot be read: {error}")
                    continue
                if table == "events":
                    self._take(found)

    def _take(self, events):
        for row in events:
            self.twice += row["transaction_id"] in self.queries
            self.queries[row["transaction_id"]] = microseconds(row["ts"])


def check_round(checks, antenna, recorded, sent, killed):
    """What had been synced is there; what is not lies in a gap; no gap is longer than what was not synced.

    Returns how many queries are missing, and for how long before the kill (µs).
    """
    gaps = [(microseconds(row["gap_start"]), microseconds(row["gap_end"])) for row in antenna.rows("gaps")]
    missing = [ts for number, ts in sent.items() if number not in recorded]
    synced = [ts for ts in missing if ts < killed - SYNC - SLACK]
    checks.that(not synced, f"{len(synced)} queries are lost that had been synced before the kill")
    silent = [ts for ts in missing if not any(start <= ts <= end for start, end in gaps)]
    checks.that(not silent, f"{len(silent)} queries are missing outside of every recorded gap")
    noted = [recorded[number] for number in sent if number in recorded]
    covered = [ts for ts in noted if any(start + SYNC + SLACK < ts < end for start, end in gaps)]
    checks.that(not covered, f"{len(covered)} recorded queries lie in a gap, and not only in its beginning")
    return len(missing), killed - min(missing, default=killed)


def main():
    parser = scenario.parser(__doc__)
    parser.add_argument(
        "--seed", type=int, default=random.randrange(1 << 32), help="repeats the same instants"
    )
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="how often it is killed")
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    checks = scenario.Checks()
    total = lost = longest = 0
    recorded = Recorded()
    with scenario.data_folder(arguments.data) as data:
        antenna = Antenna(arguments.capture, data, [ADDRESS], SOCKETS, sensor=SENSOR)
        for round_number in range(arguments.rounds):
            sent, killed = crash(antenna, round_number, rng)
            recorded.look(checks, antenna)
            antenna.start()
            antenna.terminate()
            recorded.look(checks, antenna)
            missing, stretch = check_round(checks, antenna, recorded.queries, sent, killed)
            total, lost, longest = total + len(sent), lost + missing, max(longest, stretch)
        checks.that(not recorded.twice, f"{recorded.twice} queries are recorded more than once")
        scenario.check_presences(checks, antenna)
        reasons = Counter(row["reason"] for row in antenna.rows("gaps"))
        checks.that(reasons["killed"] > 0, f"no gap says `killed`: {dict(reasons)}")
    print(
        f"crash: {arguments.rounds} kills, {total} queries, {lost} in the gaps, at most the last"
        f" {longest / 1e6:.2f} s, {recorded.twice} twice · seed {arguments.seed}"
    )
    checks.conclude()


if __name__ == "__main__":
    main()
