WITH stretches AS (
    SELECT *,
           benjamini_hochberg(p_value) OVER () AS q_value,
           count(p_value) OVER () AS tests
    FROM derived.keyspace_passes
    WHERE NOT walk
),
sweeps AS (
    SELECT *,
           ip_text(operator) AS address,
           seconds(last_seen - first_seen) AS duration_seconds,
           hash_count / nullif(seconds(last_seen - first_seen), 0) AS hashes_per_second,
           (sequential_ratio + abs(tau_b)) / 2 AS confidence
    FROM stretches
    WHERE sequential_ratio >= $sequential_ratio AND distinct_prefixes >= $min_prefixes
)
SELECT address AS operator,
       asn,
       country,
       first_seen AS sweep_start,
       last_seen AS sweep_end,
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
       p_value,
       q_value,
       tests,
       coalesce(q_value <= $false_discovery, false) AS significant,
       explained_by,
       concat(
           '[SWEEP] KEYSPACE WALK ', address, coalesce(' AS' || CAST(asn AS VARCHAR), ''),
           ' / prefixes ', first_prefix, '→', last_prefix,
           ' ', hash_count, ' hashes ', CAST(round(duration_seconds) AS BIGINT), 's',
           coalesce(' ' || CAST(CAST(hashes_per_second AS DECIMAL(12, 2)) AS VARCHAR) || '/s', ''),
           ' ', direction, ' conf=', CAST(confidence AS DECIMAL(3, 2))
       ) AS line
FROM sweeps
ORDER BY sweep_start, operator
