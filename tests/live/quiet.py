"""Live: what a quiet hour costs, in traffic and in processor time.

A few thousand nodes fill the routing tables of the antenna and ask it 10,000 times an hour. One of
its two bootstrap hosts does not exist. What it sends and uses is measured and put on an hour.
"""

import scenario
from antenna import Antenna
from neighbourhood import PORT, Neighbourhood

NETWORK, ADDRESS = "127.32", "127.32.255.1"
SOCKETS = 208
NODES = 4000
QUERIES_PER_HOUR = 10_000
MEGABYTES_PER_HOUR = 5.0  # that may be sent, headers included
HEADERS = 28  # bytes of IPv4 and UDP
CORE = 2.0  # per cent of a core that may be used
ASKED = 3  # queries of ours a second, or there was too little to ask to say what asking costs


def main():
    parser = scenario.parser(__doc__)
    parser.add_argument("--seconds", type=float, default=600.0, help="how long to measure")
    parser.add_argument("--query-rate", help="queries of ours per second; without, the default")
    arguments = parser.parse_args()
    checks = scenario.Checks()
    options = ["--query-rate", arguments.query_rate] if arguments.query_rate else []
    bootstrap = f"nobody.invalid:{PORT},{NETWORK}.0.1:{PORT}"
    with scenario.data_folder(arguments.data) as data:
        antenna = Antenna(arguments.capture, data, [ADDRESS], SOCKETS, *options, bootstrap=bootstrap)
        seen = scenario.observe(
            antenna,
            lambda contacts: [Neighbourhood(NETWORK, NODES, contacts, QUERIES_PER_HOUR)],
            arguments.seconds,
        )

    presence = scenario.by_endpoint(seen.presences)
    difference = scenario.check_events(checks, seen, "exact", lambda d: presence[d.destination])
    counts = scenario.check_wire(checks, seen)
    scenario.check_memory(checks, seen)
    hours = arguments.seconds / 3600
    sent = [d for d in seen.datagrams if d.source[0] == ADDRESS]
    payload = sum(len(d.payload) for d in sent)
    megabytes = (payload + HEADERS * len(sent)) / hours / 1e6
    core = 100 * seen.cpu / arguments.seconds
    asked = counts["find_node"] + counts["ping"]
    checks.that(asked >= ASKED * arguments.seconds, f"only {asked} queries were sent")
    checks.that(megabytes <= MEGABYTES_PER_HOUR, f"{megabytes:.2f} MB/h were sent")
    checks.that(core <= CORE, f"{core:.2f} % of a core were used")
    print(f"quiet: {scenario.summary(difference, seen.counts())} in {arguments.seconds:.0f} s")
    print(
        f"quiet: sent {dict(counts)}: {megabytes:.2f} MB/h, {payload / hours / 1e6:.2f} MB/h of it payload"
        f" · {core:.2f} % of a core · resident at most {seen.memory:.1f} MiB"
    )
    checks.conclude()


if __name__ == "__main__":
    main()
