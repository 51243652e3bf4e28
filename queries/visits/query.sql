WITH touches AS (
    SELECT operator, target, lookup_start, lookup_end, raw_events,
           CAST(NOT continued AND method = 'get_peers' AS BIGINT) AS lookups,
           CAST(NOT continued AND method = 'announce_peer' AS BIGINT) AS announces,
           CAST(continued AS BIGINT) AS continued,
           asn, country
    FROM derived.lookups
    WHERE method IN ('get_peers', 'announce_peer') AND target IS NOT NULL
      AND lookup_end >= $since - $gap AND lookup_start < $until
),
visitors AS (
    SELECT operator, target AS infohash,
           unnest(visit_sessions(
               lookup_start, lookup_end, raw_events, lookups, announces, continued, $gap, $since
           )) AS visit,
           min(asn) AS asn,
           least_text(country) AS country
    FROM touches
    GROUP BY operator, target
)
SELECT operator,
       infohash,
       visit['start'] AS visit_start,
       visit['end'] AS visit_end,
       visit['lookups'] AS lookups,
       visit['announces'] AS announces,
       visit['raw_events'] AS raw_events,
       visit['solo'] AS solo,
       visit['continued'] AS continued,
       asn,
       country
FROM visitors
ORDER BY infohash, operator, visit_start
