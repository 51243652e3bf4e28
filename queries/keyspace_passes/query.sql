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
           least_text(country) AS country,
           keyspace_passes(
               lookup_start, target, announces, near_own_id, $idle, $window, $min_hashes, $since, $until
           ) AS passes
    FROM sights
    GROUP BY operator
),
passes AS (
    SELECT operator, asn, country, unnest(passes) AS pass
    FROM operators
),
explained AS (
    SELECT *,
           CASE
               WHEN pass['near_own_id'] >= $explained_share * pass['hashes'] THEN 'bucket_refresh'
               WHEN pass['announced'] >= $explained_share * pass['hashes'] THEN 'announces_in_hash_order'
           END AS explained_by
    FROM passes
)
SELECT operator,
       asn,
       country,
       pass['walk'] AS walk,
       pass['first_seen'] AS first_seen,
       pass['last_seen'] AS last_seen,
       pass['hashes'] AS hash_count,
       pass['first_prefix'] AS first_prefix,
       pass['last_prefix'] AS last_prefix,
       pass['prefixes'] AS distinct_prefixes,
       CASE WHEN pass['walk'] THEN pass['sequence'] END AS sequence,
       pass['sequential_ratio'] AS sequential_ratio,
       pass['tau_b'] AS tau_b,
       CASE WHEN pass['ascending'] THEN 'ascending' ELSE 'descending' END AS direction,
       pass['lookups'] AS lookups,
       pass['announces'] AS announces,
       pass['announced'] AS announced_hashes,
       pass['near_own_id'] AS near_own_id,
       pass['walks'] AS walks,
       pass['windows'] AS windows,
       CASE WHEN explained_by IS NULL
            THEN least(1.0, pass['windows'] * mann_kendall(pass['balance'], pass['ties'])) END AS p_value,
       explained_by
FROM explained
ORDER BY first_seen, operator, walk
