-- section: Overview
SELECT min(date_utc) AS first_day,
       max(date_utc) AS last_day,
       count(*) AS days,
       sum(total_events) AS events,
       (SELECT count(*) FROM derived.operators) AS operators,
       (SELECT count(DISTINCT hash64(infohash)) FROM derived.hash_days) AS infohashes
FROM derived.daily_summaries

-- section: Alarms
-- One for all detectors together: each may find by chance what the level allows divided by their number. What stayed when
-- its queries left was told while they were there.
WITH held AS (
    SELECT min("date") AS since FROM derived.pair_days
),
signals AS (
    SELECT label, q_value, significant
    FROM derived.hash_signals
    CROSS JOIN held
    WHERE CAST(last_seen AS DATE) >= since
),
returns AS (
    SELECT kind, q_value, significant
    FROM derived.rendezvous_events
    CROSS JOIN held
    WHERE CAST(last_seen AS DATE) >= since
)
SELECT detector, least_q, significant
FROM (
    SELECT *, count(*) OVER () AS detectors
    FROM (
        SELECT 'burst_activity' AS detector, min(q_value) AS least_q, count(*) FILTER (WHERE significant) AS significant
        FROM signals
        WHERE label = 'burst_activity'
        UNION ALL
        SELECT 'observer_target', min(q_value), count(*) FILTER (WHERE significant)
        FROM signals
        WHERE label = 'observer_target'
        UNION ALL
        SELECT 'high_asn_interest', min(q_value), count(*) FILTER (WHERE significant)
        FROM signals
        WHERE label = 'high_asn_interest'
        UNION ALL
        SELECT 'periodic_lookup_target', min(q_value), count(*) FILTER (WHERE significant)
        FROM signals
        WHERE label = 'periodic_lookup_target'
        UNION ALL
        SELECT 'dead_swarm', min(q_value), count(*) FILTER (WHERE significant)
        FROM signals
        WHERE label = 'dead_swarm'
        UNION ALL
        SELECT 'SCHEDULED', min(q_value), count(*) FILTER (WHERE significant)
        FROM returns
        WHERE kind <> 'CROSS_HASH'
        UNION ALL
        SELECT 'CROSS_HASH', min(q_value), count(*) FILTER (WHERE significant)
        FROM returns
        WHERE kind = 'CROSS_HASH'
        UNION ALL
        SELECT 'sweep_events', min(q_value), count(*) FILTER (WHERE significant)
        FROM derived.sweep_events
        CROSS JOIN held
        WHERE CAST(sweep_end AS DATE) >= since
        UNION ALL
        SELECT 'prefix_walk_events', min(q_value), count(*) FILTER (WHERE significant)
        FROM derived.prefix_walk_events
        CROSS JOIN held
        WHERE CAST(walk_end AS DATE) >= since
        UNION ALL
        SELECT 'prefix_entropy', min(q_value), count(*) FILTER (WHERE significant)
        FROM derived.prefix_entropy
        CROSS JOIN held
        WHERE CAST(last_seen AS DATE) >= since
        UNION ALL
        SELECT 'prefix_families', min(q_value), count(*) FILTER (WHERE significant)
        FROM derived.prefix_families
        CROSS JOIN held
        WHERE CAST(last_seen AS DATE) >= since
        UNION ALL
        SELECT 'keyspace_heatmap', min(q_value), count(*) FILTER (WHERE significant)
        FROM derived.keyspace_heatmap
        UNION ALL
        SELECT 'coordination', min(q_value), count(*) FILTER (WHERE significant)
        FROM derived.coordination
        CROSS JOIN held
        WHERE CAST(last_seen AS DATE) >= since
    )
)
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
