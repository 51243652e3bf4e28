"""Live: more queries than the antenna may answer, from forty addresses at once.

An outbound budget decides what is answered, never what is recorded: every one of thousands of
queries is in the files exactly once, and the crowd gets no more out of us than it may.
"""

import scenario
from antenna import Antenna
from burst import SENDERS, Burst

ADDRESS, NETWORK = "127.23.0.1", "127.23.1"
SOCKETS = 208
SECONDS = 5.0
QUERIES = 5000  # fewer would be no crowd


def main():
    arguments = scenario.parser(__doc__).parse_args()
    checks = scenario.Checks()
    with scenario.data_folder(arguments.data) as data:
        antenna = Antenna(arguments.capture, data, [ADDRESS], SOCKETS)
        seen = scenario.observe(antenna, lambda endpoints: [Burst(endpoints, NETWORK)], SECONDS)

    presence = scenario.by_endpoint(seen.presences)
    difference = scenario.check_events(checks, seen, "exact", lambda d: presence[d.destination])
    scenario.check_presences(checks, antenna)
    sent = scenario.check_wire(checks, seen)
    checks.that(sent.keys() == {"answer"}, f"nodes that answer no queries were asked: {dict(sent)}")
    total = seen.counts().total()
    checks.that(total >= QUERIES, f"only {total} queries")
    checks.that(
        sent["answer"] < total, "every query was answered: the outbound budget was not put to the test"
    )
    print(
        f"crowd: {scenario.summary(difference, seen.counts())} · {SENDERS} addresses, {sent['answer']} answers"
    )
    checks.conclude()


if __name__ == "__main__":
    main()
