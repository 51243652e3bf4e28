-- section: Behaviour labels
SELECT label,
       count(*) AS infohashes,
       sum(total_events) AS events,
       max(unique_ips) AS most_operators
FROM (SELECT unnest(classifications) AS label, total_events, unique_ips FROM derived.hash_behavior_profiles)
GROUP BY label
ORDER BY infohashes DESC, label

-- section: Strongest signals
SELECT infohash,
       signal_score AS score,
       array_to_string(classifications, ', ') AS labels,
       total_events AS events,
       unique_ips AS operators,
       unique_asns AS asns,
       burst_score AS burst,
       periodicity_score AS periodicity
FROM derived.hash_behavior_profiles
WHERE signal_score > 0
ORDER BY signal_score DESC, total_events DESC, infohash
