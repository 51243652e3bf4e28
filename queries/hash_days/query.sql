WITH days AS (
    SELECT infohash,
           count(*) FILTER (WHERE ts >= $since) AS total_events,
           count(*) FILTER (WHERE ts >= $since AND method = 'get_peers') AS lookup_count,
           count(*) FILTER (WHERE ts >= $since AND method = 'announce_peer') AS announce_count,
           activity(ts, hash64(operator(peer_ip)), coalesce(asn, 0), $burst_window, $since) AS activity,
           min(ts) FILTER (WHERE ts >= $since) AS first_seen,
           max(ts) AS last_seen
    FROM captured.events
    WHERE method IN ('get_peers', 'announce_peer') AND infohash IS NOT NULL
      AND ts >= $since - $burst_window AND ts < $until
    GROUP BY infohash
)
SELECT infohash,
       total_events,
       lookup_count,
       announce_count,
       activity['parties'] AS unique_ips,
       activity['networks'] AS unique_asns,
       activity['busiest'] AS busiest_window,
       activity['within'] AS busiest_within_day,
       first_seen,
       last_seen
FROM days
WHERE last_seen >= $since
ORDER BY infohash
