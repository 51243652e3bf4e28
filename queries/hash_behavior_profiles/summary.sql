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
       concat('score:', signal_score, ' ', array_to_string(classifications, ', ')) AS signals,
       total_events AS events,
       unique_ips AS operators
FROM derived.hash_behavior_profiles
WHERE signal_score > 0
ORDER BY signal_score DESC, total_events DESC, infohash
