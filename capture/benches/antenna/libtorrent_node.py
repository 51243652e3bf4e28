"""A libtorrent session that only answers: the third program of the benchmark.

Takes an address, the first and the last of its UDP ports. Says `listening` when every port answers, and
at SIGTERM how much CPU time passed since, over all threads, without what Python took to start.
"""

import signal
import sys
import time

import libtorrent

address, first, last = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
ports = range(first, last + 1)
signals = {signal.SIGTERM}
# The session's threads inherit this, so that the signal is left to the wait below.
signal.pthread_sigmask(signal.SIG_BLOCK, signals)
session = libtorrent.session({
    "listen_interfaces": ",".join(f"{address}:{port}" for port in ports),
    "alert_mask": libtorrent.alert.category_t.status_notification,
    "dht_bootstrap_nodes": "",
    "enable_lsd": False,
    "enable_natpmp": False,
    "enable_upnp": False,
    # As the antenna's. What libtorrent would not send by its own limits must not decide either.
    "recv_socket_buffer_size": 1 << 20,
    "dht_upload_rate_limit": 100_000_000,
    "dht_block_ratelimit": 1_000_000,
    "dht_restrict_routing_ips": False,
    "dht_restrict_search_ips": False,
    "dht_prefer_verified_node_ids": False,
})

open_ports = set()
while len(open_ports) < len(ports) or not session.is_dht_running():
    session.wait_for_alert(100)
    for alert in session.pop_alerts():
        if isinstance(alert, libtorrent.listen_succeeded_alert) and alert.socket_type == libtorrent.socket_type_t.udp:
            open_ports.add(alert.port)
        elif isinstance(alert, libtorrent.listen_failed_alert):
            sys.exit(alert.message())
session.apply_settings({"alert_mask": 0})

started = time.process_time_ns()
print("listening", file=sys.stderr, flush=True)
signal.sigwait(signals)
print(f"stopped: cpu_us={(time.process_time_ns() - started) // 1000}", file=sys.stderr, flush=True)
