WITH activity AS (
    SELECT midnight(first_seen) AS day, sum(raw_events) AS total_events, count(*) AS unique_operators
    FROM derived.operator_days
    GROUP BY midnight(first_seen)
),
hashes AS (
    SELECT midnight(first_seen) AS day,
           count(*) AS unique_hashes,
           count(*) FILTER (
               WHERE total_events >= $min_events
                 AND CAST(announce_count AS DOUBLE) / total_events < $observer_ratio
           ) AS observer_targets,
           count(*) FILTER (
               WHERE total_events >= $min_events
                 AND CAST(coalesce(busiest_within_day, busiest_window) AS DOUBLE) / total_events > $burst_score
           ) AS burst_activity,
           count(*) FILTER (WHERE total_events >= $min_events AND unique_asns >= $min_asns) AS multi_asn_hashes
    FROM derived.hash_days
    GROUP BY midnight(first_seen)
),
countries AS (
    SELECT day, first_value(country ORDER BY events DESC, country) AS top_country
    FROM (
        SELECT midnight(first_seen) AS day, country, sum(raw_events) AS events
        FROM derived.operator_days
        WHERE country IS NOT NULL
        GROUP BY midnight(first_seen), country
    )
    GROUP BY day
),
watches AS (
    SELECT midnight(valid_from) AS day,
           count(DISTINCT date_bin(INTERVAL '1 hour', valid_from)) AS capture_hours,
           count(DISTINCT hash64(sensor, source_node)) AS live_presences,
           max(valid_to) AS live_until
    FROM captured.presences
    GROUP BY midnight(valid_from)
),
-- A day without a query was watched all the same.
days AS (
    SELECT coalesce(activity.day, watches.day) AS day,
           coalesce(total_events, 0) AS total_events,
           coalesce(unique_operators, 0) AS unique_operators,
           coalesce(capture_hours, 0) AS capture_hours,
           coalesce(live_presences, 0) AS live_presences,
           live_until
    FROM activity
    FULL JOIN watches ON activity.day = watches.day
),
silences AS (
    SELECT day,
           sum(seconds(least(gap_end, day + INTERVAL '1 day') - greatest(gap_start, day))) AS gap_seconds
    FROM days
    JOIN captured.gaps ON gap_start < day + INTERVAL '1 day' AND gap_end > day
    GROUP BY day
),
-- Metrics leave after a week; the summary of a day has the same numbers for ever.
losses AS (
    SELECT day, sum(dropped) AS drops
    FROM (
        SELECT day, sensor, max(dropped) AS dropped
        FROM (
            SELECT day, sensor, kernel_drops + queue_drops + storage_drops AS dropped
            FROM captured.day_summaries
            UNION ALL
            SELECT midnight(ts) AS day, sensor, sum(kernel_drops + queue_drops + storage_drops) AS dropped
            FROM captured.system_metrics
            GROUP BY midnight(ts), sensor
        )
        GROUP BY day, sensor
    )
    GROUP BY day
)
SELECT CAST(days.day AS DATE) AS date_utc,
       coalesce(live_until >= days.day + INTERVAL '1 day', false)
           OR days.day < max(days.day) OVER () AS sealed,
       total_events,
       coalesce(unique_hashes, 0) AS unique_hashes,
       unique_operators,
       coalesce(observer_targets, 0) AS observer_targets,
       coalesce(burst_activity, 0) AS burst_activity,
       coalesce(multi_asn_hashes, 0) AS multi_asn_hashes,
       top_country,
       capture_hours,
       live_presences,
       coalesce(gap_seconds, 0) AS gap_seconds,
       drops,
       now() AS computed_at
FROM days
LEFT JOIN hashes ON days.day = hashes.day
LEFT JOIN countries ON days.day = countries.day
LEFT JOIN silences ON days.day = silences.day
LEFT JOIN losses ON days.day = losses.day
ORDER BY date_utc
