WITH first_day AS (
    SELECT midnight(min(first_seen)) + INTERVAL '1 day' AS ends
    FROM derived.hash_days
),
totals AS (
    SELECT infohash,
           sum(total_events) AS total_events,
           sum(lookup_count) AS lookup_count,
           sum(announce_count) AS announce_count,
           min(first_seen) AS first_seen,
           max(last_seen) AS last_seen,
           max(coalesce(CASE WHEN first_seen < ends THEN busiest_within_day END, busiest_window)) AS busiest_window
    FROM derived.hash_days
    CROSS JOIN first_day
    GROUP BY infohash
    HAVING sum(total_events) >= $min_events
),
pairs AS (
    SELECT pairs.infohash, asn, lookups - 1 AS gaps, seconds(last_lookup - first_lookup) AS span, gap_squares AS squares
    FROM derived.pairs
    JOIN totals ON pairs.infohash = totals.infohash
),
-- Periodicity from population variance over squared mean, of n gaps by Σgap and Σgap².
audiences AS (
    SELECT infohash,
           count(*) AS unique_ips,
           count(DISTINCT asn) AS unique_asns,
           max(CASE WHEN gaps >= $min_gaps AND span > 0
                    THEN 1 - sqrt(greatest(gaps * squares / (span * span) - 1, 0)) END) AS periodicity
    FROM pairs
    GROUP BY infohash
),
profiles AS (
    SELECT encode(totals.infohash, 'hex') AS infohash,
           total_events,
           lookup_count,
           announce_count,
           CAST(announce_count AS DOUBLE) / total_events AS announce_ratio,
           unique_ips,
           unique_asns,
           first_seen,
           last_seen,
           seconds(last_seen - first_seen) AS lifespan_seconds,
           CAST(busiest_window AS DOUBLE) / total_events AS burst_score,
           greatest(coalesce(periodicity, 0), 0) AS periodicity_score,
           CAST(lookup_count AS DOUBLE) / (lookup_count + announce_count) AS observer_score
    FROM totals
    JOIN audiences ON totals.infohash = audiences.infohash
),
labelled AS (
    SELECT *, array_compact(make_array(
        CASE WHEN burst_score > $burst_score THEN 'burst_activity' END,
        CASE WHEN announce_ratio < $observer_ratio THEN 'observer_target' END,
        CASE WHEN unique_asns >= $min_asns THEN 'high_asn_interest' END,
        CASE WHEN periodicity_score > $periodicity THEN 'periodic_lookup_target' END,
        CASE WHEN announce_ratio < $dead_ratio THEN 'dead_swarm' END,
        CASE WHEN announce_ratio >= $swarm_ratio AND unique_ips >= $swarm_ips THEN 'swarm_like' END
    )) AS classifications
    FROM profiles
)
SELECT infohash,
       total_events,
       lookup_count,
       announce_count,
       announce_ratio,
       unique_ips,
       unique_asns,
       first_seen,
       last_seen,
       lifespan_seconds / 60 AS duration_minutes,
       lifespan_seconds,
       burst_score,
       periodicity_score,
       observer_score,
       classifications,
       coalesce(CAST(array_length(array_remove_all(classifications, 'swarm_like')) AS BIGINT), 0) AS signal_score,
       now() AS computed_at
FROM labelled
ORDER BY infohash
