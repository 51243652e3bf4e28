-- A stretch without a walk was tested as well: nothing in it speaks against chance.
WITH tested AS (
    SELECT *,
           CASE WHEN walk THEN p_value WHEN walks = 0 AND explained_by IS NULL THEN 1.0 END AS chance
    FROM derived.keyspace_passes
),
walks AS (
    SELECT *,
           benjamini_hochberg(chance) OVER () AS q_value,
           count(chance) OVER () AS tests
    FROM tested
)
SELECT ip_text(operator) AS operator,
       asn,
       country,
       first_seen AS walk_start,
       last_seen AS walk_end,
       seconds(last_seen - first_seen) AS duration_seconds,
       hash_count,
       first_prefix,
       last_prefix,
       distinct_prefixes,
       sequence,
       tau_b,
       direction,
       hash_count / nullif(seconds(last_seen - first_seen), 0) AS hashes_per_second,
       lookups,
       announces,
       announced_hashes,
       near_own_id,
       (sequential_ratio + abs(tau_b)) / 2 AS confidence,
       hash_count AS n,
       p_value,
       q_value,
       tests,
       coalesce(q_value <= $false_discovery, false) AS significant,
       explained_by
FROM walks
WHERE walk AND distinct_prefixes >= $min_prefixes
ORDER BY walk_start, operator
