-- section: Overview
SELECT min(date_utc) AS first_day,
       max(date_utc) AS last_day,
       count(*) AS days,
       sum(total_events) AS events,
       (SELECT count(*) FROM derived.operators) AS operators,
       (SELECT count(DISTINCT hash64(infohash)) FROM derived.hash_days) AS infohashes
FROM derived.daily_summaries

-- section: Alarms
-- One for all detectors together: each may find by chance what the level allows divided by their number. What stayed
-- when its queries left was told while they were there.
WITH detectors AS (
    SELECT unnest(make_array(
        'burst_activity', 'observer_target', 'high_asn_interest', 'periodic_lookup_target', 'dead_swarm',
        'SCHEDULED', 'CROSS_HASH', 'sweep_events', 'prefix_walk_events', 'prefix_entropy', 'prefix_families',
        'keyspace_heatmap', 'coordination'
    )) AS detector
),
tested AS (
    SELECT label AS detector, last_seen, q_value, significant
    FROM derived.hash_signals
    UNION ALL
    SELECT CASE WHEN kind = 'CROSS_HASH' THEN kind ELSE 'SCHEDULED' END, last_seen, q_value, significant
    FROM derived.rendezvous_events
    UNION ALL
    SELECT 'sweep_events', sweep_end, q_value, significant
    FROM derived.sweep_events
    UNION ALL
    SELECT 'prefix_walk_events', walk_end, q_value, significant
    FROM derived.prefix_walk_events
    UNION ALL
    SELECT 'prefix_entropy', last_seen, q_value, significant
    FROM derived.prefix_entropy
    UNION ALL
    SELECT 'prefix_families', last_seen, q_value, significant
    FROM derived.prefix_families
    UNION ALL
    SELECT 'keyspace_heatmap', NULL, q_value, significant
    FROM derived.keyspace_heatmap
    UNION ALL
    SELECT 'coordination', last_seen, q_value, significant
    FROM derived.coordination
),
held AS (
    SELECT min("date") AS since FROM derived.pair_days
),
found AS (
    SELECT detector, min(q_value) AS least_q, count(*) FILTER (WHERE significant) AS significant
    FROM tested
    CROSS JOIN held
    WHERE last_seen IS NULL OR CAST(last_seen AS DATE) >= since
    GROUP BY detector
)
SELECT detector, least_q, significant
FROM found
CROSS JOIN (SELECT count(*) AS detectors FROM detectors)
WHERE least_q <= $alarm / detectors
ORDER BY least_q, detector

-- section: Newest sealed day
SELECT date_utc AS "date", total_events AS events, unique_operators AS operators, unique_hashes AS infohashes,
       observer_targets, burst_activity AS bursts, multi_asn_hashes AS multi_asn, top_country AS country,
       capture_hours AS hours, live_presences AS presences
FROM derived.daily_summaries
ORDER BY sealed DESC, date_utc DESC
LIMIT 1

-- section: Activity by day
SELECT date_utc AS "date", total_events AS events, unique_operators AS operators, unique_hashes AS infohashes,
       top_country AS country, capture_hours AS hours, gap_seconds, drops
FROM derived.daily_summaries
ORDER BY date_utc DESC
