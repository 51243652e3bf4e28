WITH interest AS (
    SELECT operator,
           target AS infohash,
           sum(raw_events) AS raw_events,
           count(*) FILTER (WHERE method = 'get_peers' AND NOT continued) AS lookups,
           count(*) FILTER (WHERE method = 'announce_peer' AND NOT continued) AS announces,
           count(DISTINCT hash64(querier_id)) AS querier_ids,
           min(lookup_start) AS first_seen,
           max(lookup_end) AS last_seen,
           min(lookup_start) FILTER (WHERE method = 'get_peers' AND NOT continued) AS first_lookup,
           max(lookup_start) FILTER (WHERE method = 'get_peers' AND NOT continued) AS last_lookup,
           gap_squares(lookup_start) FILTER (WHERE method = 'get_peers' AND NOT continued) AS gap_squares,
           median_gap(lookup_start) FILTER (WHERE method = 'get_peers' AND NOT continued) AS median_gap_seconds,
           bool_and(
               method = 'get_peers' AND coalesce(shared_prefix_bits(querier_id, target), 0) >= $own_prefix
           ) AS near_own_id,
           min(asn) AS asn,
           least_text(country) AS country
    FROM derived.lookups
    WHERE method IN ('get_peers', 'announce_peer') AND target IS NOT NULL
      AND lookup_start >= $since AND lookup_start < $until
    GROUP BY operator, target
),
returns AS (
    SELECT operator,
           infohash,
           count(*) FILTER (WHERE NOT continued) AS visits,
           count(*) FILTER (WHERE NOT continued AND solo) AS solo_visits,
           count(*) FILTER (WHERE NOT continued AND announces > 0) AS announcing_visits,
           min(visit_start) FILTER (WHERE NOT continued) AS first_visit,
           max(visit_start) FILTER (WHERE NOT continued) AS last_visit,
           gap_squares(visit_start) FILTER (WHERE NOT continued) AS visit_gap_squares
    FROM derived.visits
    WHERE visit_start >= $since AND visit_start < $until
    GROUP BY operator, infohash
)
SELECT interest.operator,
       interest.infohash,
       raw_events,
       lookups,
       announces,
       visits,
       solo_visits,
       announcing_visits,
       querier_ids,
       first_seen,
       last_seen,
       first_lookup,
       last_lookup,
       gap_squares,
       median_gap_seconds,
       first_visit,
       last_visit,
       visit_gap_squares,
       near_own_id,
       near_own_id AND count(*) OVER whole_hash = 1 AS upkeep,
       asn,
       country
FROM interest
JOIN returns ON interest.operator = returns.operator AND interest.infohash = returns.infohash
WINDOW whole_hash AS (
    -- In the order of the result, so that rows are sorted once.
    PARTITION BY interest.infohash ORDER BY interest.operator
    ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
)
ORDER BY interest.infohash, interest.operator
