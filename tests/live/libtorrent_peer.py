"""A real libtorrent session that keeps asking, and its own record of every packet it sent.

libtorrent is what most of the network runs. Its packet alerts are the ground truth of the live
test, and its routing-table log says whether it threw us out.
"""

import random
import re
import tempfile
import threading
import time

import libtorrent

import background

# What libtorrent logs when an endpoint answers with another id than before and leaves the table...
EVICTION = "evicting node (changed ID)"
# ...and when an address sent 50 messages within ten seconds and is ignored for five minutes.
BAN = "BANNING PEER [ ip:"
ALERT = 60.0  # seconds that it may take to name the nodes in its table
# Announce flags of libtorrent::dht::announce_flags_t.
SEED, IMPLIED_PORT = 1, 2

_OUTGOING = re.compile(r"==> \[\[?([^\[\]]+)\]?:(\d+)\]")
_LOOPBACK = {
    "dht_bootstrap_nodes": "",
    "enable_lsd": False,
    "enable_natpmp": False,
    "enable_upnp": False,
    # What it may send itself must not decide the test.
    "dht_upload_rate_limit": 1_000_000,
    "alert_queue_size": 1_000_000,
}
# Lets more than one endpoint of an address, and addresses close to each other, into the table.
_RELAXED = {
    "dht_restrict_routing_ips": False,
    "dht_restrict_search_ips": False,
    "dht_prefer_verified_node_ids": False,
}


class LibtorrentPeer:
    """One session on its own address, told about `contacts`, asking something every `pause` seconds."""

    name = "libtorrent"

    def __init__(self, endpoint, contacts, pause, relaxed=False):
        self.endpoint, self.contacts, self.pause = endpoint, contacts, pause
        self.endpoints = [endpoint]
        self.sent = []  # ((address, port), bytes)
        self.rejections = []  # what it logged about evictions and bans
        self.rejected = None  # when it last did, about, in seconds of the monotonic clock
        self.nodes = None  # the endpoints in its routing table at the end
        self.stopped = None  # when that was
        category = libtorrent.alert.category_t
        settings = dict(
            _LOOPBACK,
            listen_interfaces=("[%s]:%d" if ":" in endpoint[0] else "%s:%d") % endpoint,
            alert_mask=category.dht_log_notification
            | category.dht_notification
            | category.error_notification,
        )
        self._random = random.Random(f"{endpoint}")
        self._stop = threading.Event()
        self._session = libtorrent.session(settings | _RELAXED if relaxed else settings)
        self._running = None

    def start(self):
        """Introduces the session to its contacts and begins to ask."""
        for contact in self.contacts:
            self._session.add_dht_node(contact)
        self._folder = tempfile.TemporaryDirectory(prefix="telescope-")
        torrent = libtorrent.add_torrent_params()
        torrent.info_hashes = libtorrent.info_hash_t(self._id())
        torrent.save_path = self._folder.name
        self._session.add_torrent(torrent)
        self._running = background.start(self._run)

    def stop(self):
        """Ends the asking; `sent` and `rejections` are complete after `close`."""
        self._stop.set()
        self._running.result()
        self._read_nodes()
        self.stopped = time.monotonic()
        self._session.apply_settings({"enable_dht": False})

    def close(self):
        """Ends the session."""
        self._stop.set()
        self._running.result()
        self._read_alerts()
        del self._session
        self._folder.cleanup()

    def rejections_of(self, addresses):
        """What it logged about evicting or banning one of the addresses."""
        return [line for line in self.rejections if any(address in line.split() for address in addresses)]

    def _run(self):
        step = 0
        while not self._stop.wait(self.pause * self._random.uniform(0.7, 1.3)):
            self._ask(step)
            self._read_alerts()
            step += 1

    def _id(self):
        return libtorrent.sha1_hash(self._random.randbytes(20))

    def _ask(self, step):
        session, port = self._session, self.endpoint[1]
        match step % 8:
            case 0:
                session.dht_get_peers(self._id())
            case 1:
                session.dht_announce(self._id(), port, 0)
            case 2:
                session.dht_sample_infohashes(self._random.choice(self.contacts), self._id())
            case 3:
                session.dht_announce(self._id(), port, SEED)
            case 4:
                session.dht_get_immutable_item(self._id())
            case 5:
                session.dht_announce(self._id(), 0, IMPLIED_PORT)
            case 6:
                session.dht_get_mutable_item(self._random.randbytes(32), b"salt")
            case 7:
                session.dht_put_immutable_item(self._random.randbytes(16))

    def _read_nodes(self):
        state = self._session.save_state(libtorrent.save_state_flags_t.save_dht_state)
        # The id is followed by the address that it belongs to.
        node_id = state[b"dht state"][b"node-id"][0][:20]
        self._session.dht_live_nodes(libtorrent.sha1_hash(node_id))
        deadline = time.monotonic() + ALERT
        while self.nodes is None:
            assert time.monotonic() < deadline, f"libtorrent at {self.endpoint} does not name its nodes"
            time.sleep(0.02)
            self._read_alerts()

    def _read_alerts(self):
        for alert in self._session.pop_alerts():
            if isinstance(alert, libtorrent.dht_pkt_alert):
                if outgoing := _OUTGOING.match(alert.message()):
                    self.sent.append(((outgoing[1], int(outgoing[2])), alert.pkt_buf))
            elif isinstance(alert, libtorrent.dht_log_alert):
                if EVICTION in alert.log_message() or BAN in alert.log_message():
                    self.rejections.append(alert.log_message())
                    self.rejected = time.monotonic()
            elif isinstance(alert, libtorrent.dht_live_nodes_alert):
                self.nodes = [node["endpoint"] for node in alert.nodes]
            elif isinstance(alert, libtorrent.alerts_dropped_alert):
                raise AssertionError("libtorrent dropped alerts: its record is not complete")
