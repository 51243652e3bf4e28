WITH touches AS (
    SELECT operator, target AS infohash, method, lookup_start, lookup_end, raw_events, continued, asn, country
    FROM derived.lookups
    WHERE method IN ('get_peers', 'announce_peer') AND target IS NOT NULL
      AND lookup_end >= $since - $gap AND lookup_start < $until
),
absences AS (
    SELECT *, lookup_start - max(lookup_end) OVER (
        PARTITION BY operator, infohash ORDER BY lookup_start, lookup_end
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ) AS absence
    FROM touches
),
numbered AS (
    SELECT *, sum(CASE WHEN absence <= $gap THEN 0 ELSE 1 END) OVER (
        PARTITION BY operator, infohash ORDER BY lookup_start, lookup_end
        ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS number
    FROM absences
)
SELECT operator,
       infohash,
       min(lookup_start) FILTER (WHERE lookup_start >= $since) AS visit_start,
       max(lookup_end) AS visit_end,
       count(*) FILTER (WHERE lookup_start >= $since AND NOT continued AND method = 'get_peers') AS lookups,
       count(*) FILTER (WHERE lookup_start >= $since AND NOT continued AND method = 'announce_peer') AS announces,
       coalesce(sum(raw_events) FILTER (WHERE lookup_start >= $since), 0) AS raw_events,
       count(*) = 1 AND NOT bool_or(continued) AS solo,
       bool_or(continued OR lookup_start < $since) AS continued,
       min(asn) AS asn,
       min(country) AS country
FROM numbered
GROUP BY operator, infohash, number
HAVING max(lookup_start) >= $since
ORDER BY visit_start, operator, infohash
