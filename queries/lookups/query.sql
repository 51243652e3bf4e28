-- Groups are put in order before their lookups become rows: there are far fewer of them. The lookups of a group
-- come in the order of time.
WITH sources AS (
    SELECT operator(peer_ip) AS operator, peer_ip, peer_port, querier_id, method,
           coalesce(infohash, target) AS target,
           lookup_sessions(ts, hash64(sensor, source_node), $gap, $since) AS lookups,
           min(asn) AS asn,
           least_text(country) AS country
    FROM captured.events
    WHERE method IS NOT NULL AND ts >= $since - $gap AND ts < $until
    GROUP BY peer_ip, peer_port, querier_id, method, coalesce(infohash, target)
    ORDER BY operator, target, peer_ip, peer_port, querier_id, method
),
found AS (
    SELECT operator, peer_ip, peer_port, querier_id, method, target, unnest(lookups) AS lookup, asn, country
    FROM sources
)
SELECT peer_ip,
       operator,
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
FROM found
ORDER BY operator, target, peer_ip, peer_port, querier_id, method
