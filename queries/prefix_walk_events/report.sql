-- section: Prefix walkers
SELECT operator,
       max(asn) AS asn,
       max(country) AS country,
       count(*) AS walks,
       count(*) FILTER (WHERE significant) AS significant,
       sum(hash_count) AS hashes,
       max(hash_count) AS longest,
       count(*) FILTER (WHERE direction = 'ascending') AS ascending,
       min(walk_start) AS first_walk,
       max(walk_end) AS last_walk
FROM derived.prefix_walk_events
WHERE explained_by IS NULL
GROUP BY operator
ORDER BY significant > 0 DESC, hashes DESC, operator

-- section: Walks
SELECT walk_start,
       operator,
       asn,
       hash_count AS hashes,
       distinct_prefixes AS prefixes,
       concat(
           array_to_string(array_slice(sequence, 1, 5), ' '),
           CASE WHEN distinct_prefixes > 6 THEN ' … ' WHEN distinct_prefixes = 6 THEN ' ' ELSE '' END,
           CASE WHEN distinct_prefixes > 5 THEN last_prefix ELSE '' END
       ) AS sequence,
       duration_seconds AS seconds,
       confidence,
       q_value,
       significant
FROM derived.prefix_walk_events
WHERE explained_by IS NULL
ORDER BY significant DESC, walk_start DESC, operator

-- section: Explained walks
SELECT explained_by,
       count(*) AS walks,
       count(DISTINCT operator) AS operators,
       count(DISTINCT asn) AS asns,
       sum(hash_count) AS hashes
FROM derived.prefix_walk_events
WHERE explained_by IS NOT NULL
GROUP BY explained_by
ORDER BY walks DESC, explained_by
