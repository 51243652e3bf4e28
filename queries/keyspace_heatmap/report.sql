-- section: Keyspace
SELECT sum(hashes) AS total_hashes,
       count(*) FILTER (WHERE hashes > 0) AS unique_prefixes,
       count(*) FILTER (WHERE zone = 'hot') AS hot_zones,
       (
           SELECT count(DISTINCT operator)
           FROM (
               SELECT operator FROM derived.sweep_events WHERE explained_by IS NULL
               UNION ALL
               SELECT operator FROM derived.prefix_walk_events WHERE explained_by IS NULL
           )
       ) AS systematic_scanners
FROM derived.keyspace_heatmap

-- section: Map of the keyspace: 32 cells a character, 2,048 cells a row
-- grid: half of what is expected or less, less, more, half as much again, twice as much or more
SELECT number / 2048 AS row,
       number % 2048 / 32 AS col,
       CASE
           WHEN sum(hashes) >= $hot_ratio * max(block_expected) THEN 4
           WHEN sum(hashes) >= sqrt($hot_ratio) * max(block_expected) THEN 3
           WHEN sum(hashes) >= max(block_expected) THEN 2
           WHEN sum(hashes) > $cold_ratio * max(block_expected) THEN 1
           ELSE 0
       END AS level
FROM derived.keyspace_heatmap
GROUP BY number / 2048, number % 2048 / 32
ORDER BY row, col

-- section: Hot zones
SELECT cell, hashes, expected, ratio, operators, events, q_value
FROM derived.keyspace_heatmap
WHERE zone = 'hot'
ORDER BY ratio DESC, cell

-- section: Cold zones
SELECT cell, hashes, expected, ratio, operators, events, q_value
FROM derived.keyspace_heatmap
WHERE zone = 'cold'
ORDER BY ratio, expected DESC, cell

-- section: Sweep directions
SELECT direction,
       count(*) AS sweeps,
       count(DISTINCT hash64(operator)) AS operators,
       count(DISTINCT asn) AS asns,
       sum(hash_count) AS hashes,
       sum(duration_seconds) / 3600 AS hours,
       min(first_prefix) AS lowest_start,
       max(first_prefix) AS highest_start
FROM derived.sweep_events
WHERE explained_by IS NULL
GROUP BY direction
ORDER BY direction
