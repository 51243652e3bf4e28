-- Stretches that are open at midnight are tested by the next day, where it is held. As groups, so that it is known
-- how few days there are.
WITH held AS (
    SELECT day FROM derived.hash_bursts GROUP BY day
),
asked AS (
    SELECT encode(infohash, 'hex') AS infohash,
           sum(asks) AS asks,
           CASE WHEN sum(stretches) > 0 THEN least(min(p_value) * sum(stretches), 1) END AS p_value
    FROM (
        SELECT infohash,
               asks,
               CASE WHEN next.day IS NULL THEN stretches + open_stretches ELSE stretches END AS stretches,
               CASE WHEN next.day IS NULL THEN least(p_value, open_p_value) ELSE p_value END AS p_value
        FROM derived.hash_bursts AS bursts
        LEFT JOIN held AS next ON bursts.day + INTERVAL '1 day' = next.day
    )
    GROUP BY infohash
),
-- What stays of days that have left was tested while they were there.
held_since AS (
    SELECT min(first_seen) AS since FROM derived.pairs
),
-- With the least rate that so many of a reference allow (two standard deviations).
audiences AS (
    SELECT infohash, operators, announcing, located, asns, exposure_bits,
           CASE WHEN reference >= $least_reference
                THEN greatest(announce_rate - 2 * sqrt(announce_rate / reference), 0) END AS least_rate
    FROM derived.hash_audiences
    CROSS JOIN held_since
    WHERE coalesce(last_seen >= since, true)
),
-- How many autonomous systems have how many interests, an interest being an operator and an infohash.
capped AS (
    SELECT least(count(*), $most_interests) AS interests, min(asn) AS asn
    FROM derived.pairs
    WHERE asn IS NOT NULL
    GROUP BY operator
),
systems AS (
    SELECT array_agg(size ORDER BY size) AS sizes, array_agg(asns ORDER BY size) AS counts
    FROM (
        SELECT size, count(*) AS asns
        FROM (SELECT sum(interests) AS size FROM capped GROUP BY asn)
        GROUP BY size
    )
),
-- The same numbers come many times.
spread AS (
    SELECT located, asns, rarefaction_test(asns, located, sizes, counts) AS p_value
    FROM (SELECT located, asns FROM audiences WHERE located >= $min_asns GROUP BY located, asns)
    CROSS JOIN systems
),
clocks AS (
    SELECT infohash,
           count(p_value) AS pairs,
           CASE WHEN count(p_value) > 0 THEN least(
               min(p_value) * (count(p_value) + count(*) FILTER (WHERE explained_by = 'daily_habit')), 1
           ) END AS p_value,
           CASE WHEN count(p_value) = 0 THEN min(explained_by) FILTER (WHERE kind = 'SCHEDULED') END AS explained_by
    FROM derived.rendezvous_events
    CROSS JOIN held_since
    WHERE infohash IS NOT NULL AND coalesce(last_seen >= since, true)
    GROUP BY infohash
),
profiles AS (
    SELECT profiles.infohash, classifications, profiles.first_seen, profiles.last_seen,
           operators, announcing, audiences.located, exposure_bits,
           CASE WHEN least_rate IS NOT NULL THEN least(least_rate, $observer_ratio) END AS observer_rate,
           CASE WHEN least_rate IS NOT NULL THEN least(least_rate, $dead_ratio) END AS dead_rate,
           asks, asked.p_value AS burst_p, spread.p_value AS spread_p, pairs, clocks.p_value AS clock_p, explained_by
    FROM derived.hash_behavior_profiles AS profiles
    LEFT JOIN audiences ON profiles.infohash = audiences.infohash
    LEFT JOIN asked ON profiles.infohash = asked.infohash
    LEFT JOIN spread ON audiences.located = spread.located AND audiences.asns = spread.asns
    LEFT JOIN clocks ON profiles.infohash = clocks.infohash
),
-- One struct a label, so that the profile is read once.
labels AS (
    SELECT infohash, classifications, first_seen, last_seen, exposure_bits,
           unnest(make_array(
               named_struct(
                   'label', 'burst_activity', 'n', coalesce(asks, 0), 'expected', CAST(NULL AS DOUBLE),
                   'p_value', burst_p, 'explained_by', CAST(NULL AS VARCHAR)
               ),
               named_struct(
                   'label', 'observer_target', 'n', coalesce(operators, 0), 'expected', operators * observer_rate,
                   'p_value', CASE WHEN operators * observer_rate >= $least_announces
                                   THEN binomial_at_most(announcing, operators, observer_rate) END,
                   'explained_by', CAST(NULL AS VARCHAR)
               ),
               named_struct(
                   'label', 'high_asn_interest', 'n', coalesce(located, 0), 'expected', CAST(NULL AS DOUBLE),
                   'p_value', spread_p, 'explained_by', CAST(NULL AS VARCHAR)
               ),
               named_struct(
                   'label', 'periodic_lookup_target', 'n', coalesce(pairs, 0), 'expected', CAST(NULL AS DOUBLE),
                   'p_value', clock_p, 'explained_by', explained_by
               ),
               named_struct(
                   'label', 'dead_swarm', 'n', coalesce(operators, 0), 'expected', operators * dead_rate,
                   'p_value', CASE WHEN operators * dead_rate >= $least_announces
                                   THEN binomial_at_most(announcing, operators, dead_rate) END,
                   'explained_by', CAST(NULL AS VARCHAR)
               )
           )) AS unit
    FROM profiles
),
units AS (
    SELECT infohash, unit['label'] AS label, array_has(classifications, unit['label']) AS by_rule, first_seen, last_seen,
           exposure_bits, unit['expected'] AS expected, unit['n'] AS n, unit['p_value'] AS p_value,
           unit['explained_by'] AS explained_by
    FROM labels
),
tested AS (
    SELECT *,
           benjamini_hochberg(p_value) OVER (PARTITION BY label) AS q_value,
           count(p_value) OVER (PARTITION BY label) AS tests
    FROM units
)
SELECT infohash,
       label,
       by_rule,
       coalesce(exposure_bits, 0) AS exposure_bits,
       CASE WHEN label NOT IN ('observer_target', 'dead_swarm') THEN NULL
            WHEN p_value IS NULL THEN 'blind'
            ELSE 'expectable' END AS vis_announce,
       first_seen,
       last_seen,
       n,
       p_value,
       q_value,
       CASE WHEN p_value IS NOT NULL THEN tests END AS tests,
       coalesce(q_value <= $false_discovery, false) AS significant,
       explained_by,
       now() AS computed_at
FROM tested
WHERE by_rule OR q_value <= $false_discovery
ORDER BY infohash, label
