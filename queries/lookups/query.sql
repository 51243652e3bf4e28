WITH queries AS (
    SELECT ts, peer_ip, peer_port, querier_id, method, coalesce(infohash, target) AS target,
           sensor, source_node, asn, country
    FROM captured.events
    WHERE method IS NOT NULL AND ts >= $since - $gap AND ts < $until
),
silences AS (
    SELECT *, ts - lag(ts) OVER same_query AS silence
    FROM queries
    WINDOW same_query AS (PARTITION BY peer_ip, peer_port, querier_id, method, target ORDER BY ts)
),
numbered AS (
    SELECT *, sum(CASE WHEN silence <= $gap THEN 0 ELSE 1 END) OVER (
        PARTITION BY peer_ip, peer_port, querier_id, method, target ORDER BY ts
        ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS number
    FROM silences
)
SELECT peer_ip,
       operator(peer_ip) AS operator,
       peer_port,
       querier_id,
       method,
       target,
       min(ts) FILTER (WHERE ts >= $since) AS lookup_start,
       max(ts) AS lookup_end,
       count(*) FILTER (WHERE ts >= $since) AS raw_events,
       count(DISTINCT hash64(sensor, source_node)) FILTER (WHERE ts >= $since) AS presences_hit,
       min(ts) < $since AS continued,
       min(asn) AS asn,
       min(country) AS country
FROM numbered
GROUP BY peer_ip, peer_port, querier_id, method, target, number
HAVING max(ts) >= $since
ORDER BY lookup_start, peer_ip, peer_port, method, target, querier_id
