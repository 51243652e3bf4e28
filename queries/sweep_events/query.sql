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
           keyspace_sweeps(
               lookup_start, target, announces, near_own_id, $idle, $window, $min_hashes, $since, $until
           ) AS sweeps
    FROM sights
    GROUP BY operator
),
sweeps AS (
    SELECT operator, asn, country, unnest(sweeps) AS sweep
    FROM operators
),
movements AS (
    SELECT operator,
           asn,
           country,
           sweep['first_seen'] AS sweep_start,
           sweep['last_seen'] AS sweep_end,
           seconds(sweep['last_seen'] - sweep['first_seen']) AS duration_seconds,
           sweep['hashes'] AS hash_count,
           sweep['first_prefix'] AS first_prefix,
           sweep['last_prefix'] AS last_prefix,
           sweep['prefixes'] AS distinct_prefixes,
           sweep['sequential_ratio'] AS sequential_ratio,
           sweep['tau_b'] AS tau_b,
           CASE WHEN sweep['ascending'] THEN 'ascending' ELSE 'descending' END AS direction,
           sweep['lookups'] AS lookups,
           sweep['announces'] AS announces,
           sweep['announced'] AS announced_hashes,
           sweep['near_own_id'] AS near_own_id
    FROM sweeps
),
found AS (
    SELECT *,
           hash_count / nullif(duration_seconds, 0) AS hashes_per_second,
           (sequential_ratio + abs(tau_b)) / 2 AS confidence
    FROM movements
    WHERE sequential_ratio >= $sequential_ratio AND distinct_prefixes >= $min_prefixes
)
SELECT operator,
       asn,
       country,
       sweep_start,
       sweep_end,
       duration_seconds,
       hash_count,
       first_prefix,
       last_prefix,
       distinct_prefixes,
       sequential_ratio,
       tau_b,
       direction,
       hashes_per_second,
       lookups,
       announces,
       announced_hashes,
       near_own_id,
       confidence,
       hash_count AS n,
       CASE
           WHEN near_own_id >= $explained_share * hash_count THEN 'bucket_refresh'
           WHEN announced_hashes >= $explained_share * hash_count THEN 'announces_in_hash_order'
       END AS explained_by,
       concat(
           '[SWEEP] KEYSPACE WALK ', ip_text(operator), coalesce(concat(' AS', asn), ''),
           ' / prefixes ', first_prefix, '→', last_prefix,
           ' ', hash_count, ' hashes ', CAST(round(duration_seconds) AS BIGINT), 's',
           coalesce(concat(' ', CAST(hashes_per_second AS DECIMAL(12, 2)), '/s'), ''),
           ' ', direction, ' conf=', CAST(confidence AS DECIMAL(3, 2))
       ) AS line
FROM found
ORDER BY sweep_start, operator
