WITH visits AS (
    SELECT operator, infohash, visit_start, visit_end, lookups, announces, raw_events, solo, continued, asn,
           country
    FROM derived.visits
),
-- The starts of a pair's visits, folded: their intervals add up to the span, their squares to the spread.
pairs AS (
    SELECT operator,
           infohash,
           count(*) FILTER (WHERE NOT continued) AS visits,
           count(*) FILTER (WHERE NOT continued AND solo) AS solo_visits,
           count(*) FILTER (WHERE NOT continued AND announces > 0) AS announcing_visits,
           sum(announces) AS announces,
           sum(raw_events) AS raw_events,
           min(visit_start) FILTER (WHERE NOT continued) AS first_start,
           max(visit_start) FILTER (WHERE NOT continued) AS last_start,
           max(visit_end) AS last_seen,
           gap_squares(visit_start) FILTER (WHERE NOT continued) AS gap_squares,
           min(asn) AS asn,
           min(country) AS country
    FROM visits
    GROUP BY operator, infohash
    HAVING count(*) FILTER (WHERE NOT continued) >= 2
),
-- Upkeep of routing tables is no interest: near the querier's id, and nobody else asks for it.
interests AS (
    SELECT operator, infohash, bool_and(near_own_id) AS near_own_id, sum(visits) AS visits,
           count(*) OVER (PARTITION BY infohash) AS operators
    FROM derived.pair_days
    GROUP BY operator, infohash
),
looks AS (
    SELECT visits.operator, visits.infohash, visit_start, visit_end, announces, raw_events, solo, asn,
           country, operators > 1 OR interests.visits > 1 AS again
    FROM visits
    JOIN interests ON visits.operator = interests.operator AND visits.infohash = interests.infohash
    WHERE NOT continued AND lookups > 0 AND NOT (near_own_id AND operators = 1)
),
crowds AS (
    SELECT operator,
           unnest(crowded_stretches(visit_start, hash64(infohash), $cross_window, $cross_hashes)) AS stretch
    FROM looks
    GROUP BY operator
),
members AS (
    SELECT looks.operator,
           stretch['first'] AS first_start,
           infohash,
           count(*) AS visits,
           count(*) FILTER (WHERE solo) AS solo_visits,
           count(*) FILTER (WHERE announces > 0) AS announcing_visits,
           sum(announces) AS announces,
           sum(raw_events) AS raw_events,
           min(visit_start) AS hash_start,
           max(visit_start) AS last_start,
           max(visit_end) AS last_seen,
           min(asn) AS asn,
           min(country) AS country,
           bool_or(again) AS again
    FROM looks
    JOIN crowds ON looks.operator = crowds.operator
     AND visit_start BETWEEN stretch['first'] AND stretch['last']
    GROUP BY looks.operator, stretch['first'], infohash
),
together AS (
    SELECT 'pair' AS kind, operator, infohash, CAST(NULL AS VARCHAR[]) AS infohashes, visits AS n,
           0 AS again, visits, solo_visits, announcing_visits, announces, raw_events, first_start, last_start,
           last_seen, gap_squares, asn, country
    FROM pairs
    UNION ALL
    SELECT 'CROSS_HASH', operator, NULL,
           array_slice(array_agg(encode(infohash, 'hex') ORDER BY hash_start, infohash), 1, $listed_hashes),
           count(*), count(*) FILTER (WHERE again), sum(visits), sum(solo_visits), sum(announcing_visits),
           sum(announces), sum(raw_events), first_start, max(last_start), max(last_seen), NULL, min(asn), min(country)
    FROM members
    GROUP BY operator, first_start
),
spans AS (
    SELECT *, seconds(last_start - first_start) AS span, visits - 1 AS intervals
    FROM together
),
-- Population variance of the intervals, from their number, sum and squares.
rhythms AS (
    SELECT *, span / intervals AS mean,
           CASE WHEN kind = 'pair' THEN
               sqrt(greatest(gap_squares / intervals - power(span / intervals, 2), 0))
           END AS sd
    FROM spans
),
judged AS (
    SELECT *, sd / mean AS cv,
           CASE WHEN kind <> 'pair' THEN kind
                WHEN visits >= $min_visits AND sd / mean <= $max_cv THEN 'SCHEDULED'
                ELSE 'RETURN_VISIT' END AS verdict
    FROM rhythms
),
shared AS (
    SELECT operator, max(querier_ids) AS querier_ids,
           CAST(sum(upkeep_hashes) AS DOUBLE) / (sum(upkeep_hashes) + sum(unique_hashes)) AS upkeep
    FROM derived.operator_days
    GROUP BY operator
)
SELECT verdict AS kind,
       ip_text(judged.operator) AS operator,
       encode(infohash, 'hex') AS infohash,
       infohashes,
       asn,
       country,
       n,
       visits,
       solo_visits,
       announces,
       raw_events AS observations,
       first_start AS first_seen,
       last_seen,
       mean / 3600 AS mean_interval_h,
       sd / 3600 AS interval_sd_h,
       cv,
       CASE WHEN verdict = 'SCHEDULED' THEN least(1 - cv, 1 - 0.5 / n) END AS confidence,
       CASE
           WHEN announces > 0 AND (
               CAST(announcing_visits AS DOUBLE) / visits >= $announcing_share
               OR verdict <> 'CROSS_HASH' AND mean BETWEEN seconds($reannounce_least) AND seconds($reannounce_most)
           ) THEN 'client_reannounce'
           WHEN verdict = 'CROSS_HASH' AND again < $cross_hashes AND upkeep >= $upkeep_share THEN 'bucket_refresh'
           WHEN querier_ids >= $shared_ids THEN 'shared_ip'
       END AS explained_by,
       CASE
           WHEN verdict = 'CROSS_HASH' THEN concat(n, ' infohashes in ', round(span / 3600, 1), 'h')
           WHEN visits = 2 THEN concat('2 visits, ', round(mean / 3600, 1), 'h apart')
           ELSE concat(visits, ' visits, every ', round(mean / 3600, 1), 'h ±', round(sd / 3600, 1), 'h')
       END AS detail,
       now() AS computed_at
FROM judged
LEFT JOIN shared ON judged.operator = shared.operator
ORDER BY kind, operator, infohash, first_seen
