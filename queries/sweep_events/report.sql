-- section: Sweeps without an explanation
SELECT sweep_start,
       operator,
       asn,
       concat(first_prefix, '→', last_prefix) AS prefixes,
       hash_count AS hashes,
       duration_seconds AS seconds,
       direction,
       sequential_ratio AS sequential,
       tau_b,
       confidence,
       q_value,
       significant
FROM derived.sweep_events
WHERE explained_by IS NULL
ORDER BY significant DESC, confidence DESC, hash_count DESC, sweep_start, operator

-- section: The same, a line each
SELECT line, operator, asn
FROM derived.sweep_events
WHERE explained_by IS NULL
ORDER BY significant DESC, confidence DESC, hash_count DESC, sweep_start, operator

-- section: Sweeps by explanation
SELECT coalesce(explained_by, 'none') AS explained_by,
       count(*) AS sweeps,
       count(*) FILTER (WHERE significant) AS significant,
       count(DISTINCT operator) AS operators,
       count(DISTINCT asn) AS asns,
       sum(hash_count) AS hashes,
       avg(confidence) AS mean_confidence
FROM derived.sweep_events
GROUP BY explained_by
ORDER BY sweeps DESC, explained_by

-- section: Explained sweeps
SELECT sweep_start,
       operator,
       asn,
       concat(first_prefix, '→', last_prefix) AS prefixes,
       hash_count AS hashes,
       announced_hashes AS announced,
       near_own_id,
       confidence,
       explained_by
FROM derived.sweep_events
WHERE explained_by IS NOT NULL
ORDER BY confidence DESC, hash_count DESC, sweep_start, operator
