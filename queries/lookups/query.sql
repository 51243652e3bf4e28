WITH sources AS (
    SELECT peer_ip, peer_port, querier_id, method, coalesce(infohash, target) AS target,
           unnest(lookup_sessions(ts, hash64(sensor, source_node), $gap, $since)) AS lookup,
           min(asn) AS asn,
           min(country) AS country
    FROM captured.events
    WHERE method IS NOT NULL AND ts >= $since - $gap AND ts < $until
    GROUP BY peer_ip, peer_port, querier_id, method, coalesce(infohash, target)
)
SELECT peer_ip,
       operator(peer_ip) AS operator,
       peer_port,
       querier_id,
       method,
       target,
       lookup['start'] AS lookup_start,
       lookup['end'] AS lookup_end,
       lookup['raw_events'] AS raw_events,
       lookup['presences'] AS presences_hit,
       lookup['continued'] AS continued,
       asn,
       country
FROM sources
ORDER BY operator, target, lookup_start, peer_ip, peer_port, querier_id, method
