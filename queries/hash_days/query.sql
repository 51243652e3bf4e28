SELECT infohash,
       count(*) FILTER (WHERE ts >= $since) AS total_events,
       count(*) FILTER (WHERE ts >= $since AND method = 'get_peers') AS lookup_count,
       count(*) FILTER (WHERE ts >= $since AND method = 'announce_peer') AS announce_count,
       count(DISTINCT hash64(operator(peer_ip))) FILTER (WHERE ts >= $since) AS unique_ips,
       count(DISTINCT asn) FILTER (WHERE ts >= $since) AS unique_asns,
       max_in_window(ts, $burst_window, $since) AS busiest_window,
       min(ts) FILTER (WHERE ts >= $since) AS first_seen,
       max(ts) AS last_seen
FROM captured.events
WHERE method IN ('get_peers', 'announce_peer') AND infohash IS NOT NULL
  AND ts >= $since - $burst_window AND ts < $until
GROUP BY infohash
HAVING max(ts) >= $since
ORDER BY infohash
