WITH sights AS (
    SELECT operator, lookup_start, target, method = 'announce_peer' AS announces,
           coalesce(shared_prefix_bits(querier_id, target) >= $own_prefix, false) AS near_own_id,
           asn, country
    FROM derived.lookups
    WHERE method IN ('get_peers', 'announce_peer') AND target IS NOT NULL AND NOT continued
      AND lookup_start >= $since - $memory AND lookup_start < $until
),
operators AS (
    SELECT operator,
           min(asn) AS asn,
           min(country) AS country,
           keyspace_walks(
               lookup_start, target, announces, near_own_id, $idle, $window, $min_hashes, $since, $until
           ) AS walks
    FROM sights
    GROUP BY operator
),
walks AS (
    SELECT operator, asn, country, unnest(walks) AS walk
    FROM operators
),
found AS (
    SELECT operator,
           asn,
           country,
           walk['first_seen'] AS walk_start,
           walk['last_seen'] AS walk_end,
           seconds(walk['last_seen'] - walk['first_seen']) AS duration_seconds,
           walk['hashes'] AS hash_count,
           walk['first_prefix'] AS first_prefix,
           walk['last_prefix'] AS last_prefix,
           walk['prefixes'] AS distinct_prefixes,
           walk['sequence'] AS sequence,
           walk['sequential_ratio'] AS sequential_ratio,
           walk['tau_b'] AS tau_b,
           CASE WHEN walk['ascending'] THEN 'ascending' ELSE 'descending' END AS direction,
           walk['lookups'] AS lookups,
           walk['announces'] AS announces,
           walk['announced'] AS announced_hashes,
           walk['near_own_id'] AS near_own_id
    FROM walks
)
SELECT operator,
       asn,
       country,
       walk_start,
       walk_end,
       duration_seconds,
       hash_count,
       first_prefix,
       last_prefix,
       distinct_prefixes,
       sequence,
       tau_b,
       direction,
       hash_count / nullif(duration_seconds, 0) AS hashes_per_second,
       lookups,
       announces,
       announced_hashes,
       near_own_id,
       (sequential_ratio + abs(tau_b)) / 2 AS confidence,
       hash_count AS n,
       CASE
           WHEN near_own_id >= $explained_share * hash_count THEN 'bucket_refresh'
           WHEN announced_hashes >= $explained_share * hash_count THEN 'announces_in_hash_order'
       END AS explained_by
FROM found
WHERE distinct_prefixes >= $min_prefixes
ORDER BY walk_start, operator
