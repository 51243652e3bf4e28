"""Every event of a sealed hour says where its source belongs, as far as the geo files know it.

One file has the layout of GeoLite2, the other that of IPinfo. They are written here, by a writer that
is no relative of the reader under test.
"""

import subprocess
import time

import mmdb_writer
import netaddr

import scenario
from antenna import Antenna, address
from burst import Burst

ADDRESS, NETWORK, SOCKETS = "127.45.0.1", "127.45.1", 208
SECONDS = 1.0
# Networks of the burst's senders, 127.45.1.1 to 127.45.1.40: the second lies in the first.
OUTER, INNER = "127.45.0.0/16", "127.45.1.0/28"
SYSTEMS = {OUTER: (64496, "Example Outer"), INNER: (64497, "Example Inner")}
COUNTRY = "DE"  # of the inner network; nothing is known about the rest


def write_files(folder):
    """Writes both files. Returns their paths."""
    asn = mmdb_writer.MMDBWriter(4, "GeoLite2-ASN", int_type="u32")
    for network, (number, name) in SYSTEMS.items():
        record = {"autonomous_system_number": number, "autonomous_system_organization": name}
        asn.insert_network(netaddr.IPSet([network]), record)
    asn.to_db_file(str(folder / "asn.mmdb"))
    country = mmdb_writer.MMDBWriter(6, "ipinfo country.mmdb", ipv4_compatible=True)
    country.insert_network(netaddr.IPSet([INNER]), {"country": COUNTRY, "country_name": "Germany"})
    country.to_db_file(str(folder / "country.mmdb"))
    return folder / "asn.mmdb", folder / "country.mmdb"


def expected(source):
    """What the files say about an address."""
    inner = netaddr.IPAddress(source) in netaddr.IPNetwork(INNER)
    return (*SYSTEMS[INNER if inner else OUTER], COUNTRY if inner else None)


def check_broken(checks, capture, folder):
    """A file that is none of this kind is refused at the start, by name."""
    broken = folder / "broken.mmdb"
    broken.write_bytes(b"not this")
    command = [capture, "run", "--data", folder / "none", "--bind", ADDRESS, "--geo-city", broken]
    ended = subprocess.run(command, stderr=subprocess.PIPE, text=True, timeout=20)
    checks.that(ended.returncode == 1, f"capture ended with {ended.returncode} for a broken geo file")
    checks.that(str(broken) in ended.stderr, f"the broken file is not named: {ended.stderr}")


def main():
    arguments = scenario.parser(__doc__).parse_args()
    checks = scenario.Checks()
    with scenario.data_folder(arguments.data) as data:
        asn, country = write_files(data)
        check_broken(checks, arguments.capture, data)
        antenna = Antenna(
            arguments.capture, data, [ADDRESS], SOCKETS, "--geo-asn", str(asn), "--geo-city", str(country)
        )
        with antenna:
            burst = Burst(antenna.ports(), NETWORK)
            burst.start()
            time.sleep(SECONDS)
            burst.close()
            time.sleep(scenario.QUIET)
            antenna.terminate()
        rows = antenna.rows("events")

    told = {(address(r["peer_ip"]), r["asn"], r["as_organization"], r["country"]) for r in rows}
    sources = {source for source, _ in burst.endpoints}
    should = {(source, *expected(source)) for source in sources}
    checks.that(told == should, f"told {sorted(told - should)}, not told {sorted(should - told)}")
    print(f"geo: {len(rows)} events from {len(sources)} addresses in {len(SYSTEMS)} networks")
    checks.conclude()


if __name__ == "__main__":
    main()
