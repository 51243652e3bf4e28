-- section: Evidence
SELECT infohash, label, by_rule, n, p_value, q_value, significant, vis_announce, explained_by
FROM derived.hash_signals
WHERE p_value IS NOT NULL
ORDER BY significant DESC, q_value, p_value, infohash, label

-- section: Label breakdown
SELECT label,
       count(*) AS infohashes,
       CAST(count(*) AS DOUBLE) / max(profiles) AS share,
       median(total_events) AS median_events,
       avg(total_events) AS mean_events,
       max(total_events) AS most_events,
       median(unique_ips) AS median_operators,
       max(unique_ips) AS most_operators
FROM (
    SELECT unnest(classifications) AS label, total_events, unique_ips, count(*) OVER () AS profiles
    FROM derived.hash_behavior_profiles
)
GROUP BY label
ORDER BY infohashes DESC, label

-- section: Stacked signals
SELECT infohash,
       concat('score:', signal_score, ' ', array_to_string(classifications, ', ')) AS signals,
       total_events AS events,
       unique_ips AS operators,
       unique_asns AS asns
FROM derived.hash_behavior_profiles
WHERE signal_score >= 2
ORDER BY signal_score DESC, total_events DESC, infohash

-- section: Most looked up
SELECT infohash, lookup_count AS lookups, announce_count AS announces, observer_score, unique_ips AS operators
FROM derived.hash_behavior_profiles
ORDER BY lookup_count DESC, infohash

-- section: Interest from many networks
SELECT infohash, unique_asns AS asns, unique_ips AS operators, total_events AS events, first_seen, last_seen
FROM derived.hash_behavior_profiles
WHERE unique_asns >= $min_asns
ORDER BY unique_asns DESC, total_events DESC, infohash

-- section: Bursts
SELECT infohash, burst_score, total_events AS events, unique_ips AS operators, first_seen, last_seen
FROM derived.hash_behavior_profiles
WHERE burst_score > $burst_score
ORDER BY burst_score DESC, total_events DESC, infohash

-- section: By the clock
SELECT infohash, periodicity_score, lookup_count AS lookups, unique_ips AS operators, duration_minutes
FROM derived.hash_behavior_profiles
WHERE periodicity_score > $periodicity
ORDER BY periodicity_score DESC, lookup_count DESC, infohash
