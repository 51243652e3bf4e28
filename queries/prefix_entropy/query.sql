WITH pairs AS (
    SELECT operator,
           infohash,
           bool_and(near_own_id) AS near_own_id,
           min(first_seen) AS first_seen,
           max(last_seen) AS last_seen,
           min(asn) AS asn,
           min(country) AS country
    FROM derived.pair_days
    GROUP BY operator, infohash
),
-- Near the id of the one operator that asked for it: upkeep of a routing table.
upkeep AS (
    SELECT infohash
    FROM pairs
    GROUP BY infohash
    HAVING count(*) = 1 AND bool_and(near_own_id)
),
interest AS (
    SELECT pairs.*
    FROM pairs
    LEFT ANTI JOIN upkeep ON pairs.infohash = upkeep.infohash
),
upkeepers AS (
    SELECT operator, count(*) AS upkeep_hashes
    FROM pairs
    JOIN upkeep ON pairs.infohash = upkeep.infohash
    GROUP BY operator
),
operators AS (
    SELECT operator,
           count(*) AS unique_hashes,
           CASE WHEN count(*) >= $fine_hashes THEN 12 ELSE 8 END AS prefix_bits,
           min(first_seen) AS first_seen,
           max(last_seen) AS last_seen,
           min(asn) AS asn,
           min(country) AS country
    FROM interest
    GROUP BY operator
    HAVING count(*) >= $min_hashes
),
counts AS (
    SELECT interest.operator,
           unique_hashes,
           leading_bits(infohash, prefix_bits) AS prefix,
           CAST(count(*) AS DOUBLE) AS hashes
    FROM interest
    JOIN operators ON interest.operator = operators.operator
    GROUP BY interest.operator, unique_hashes, leading_bits(infohash, prefix_bits)
),
spectra AS (
    SELECT operator,
           count(*) AS distinct_prefixes,
           log2(unique_hashes) - sum(hashes * log2(hashes)) / unique_hashes
               + (count(*) - 1) / (2 * unique_hashes * ln(2.0)) AS entropy,
           CAST(sum(hashes * (hashes - 1)) / 2 AS BIGINT) AS coincidences
    FROM counts
    GROUP BY operator, unique_hashes
),
-- What anybody asks for, by prefix: where the infohashes are, and where the presences see them.
seen AS (
    SELECT DISTINCT infohash
    FROM interest
),
prefixes AS (
    SELECT 8 AS prefix_bits, leading_bits(infohash, 8) AS prefix, count(*) AS hashes
    FROM seen
    GROUP BY leading_bits(infohash, 8)
    UNION ALL
    SELECT 12 AS prefix_bits, leading_bits(infohash, 12) AS prefix, count(*) AS hashes
    FROM seen
    GROUP BY leading_bits(infohash, 12)
),
shares AS (
    SELECT prefix_bits, prefix,
           CAST(hashes AS DOUBLE) / sum(hashes) OVER (PARTITION BY prefix_bits) AS share
    FROM prefixes
),
background AS (
    SELECT prefix_bits, array_agg(share ORDER BY prefix) AS shares, sum(share * share) AS same_prefix
    FROM shares
    GROUP BY prefix_bits
),
sizes AS (
    SELECT DISTINCT unique_hashes, prefix_bits
    FROM operators
),
expected AS (
    SELECT unique_hashes,
           expected_entropy(unique_hashes, shares) AS expected_entropy,
           unique_hashes * (unique_hashes - 1) / 2 * same_prefix AS expected_coincidences
    FROM sizes
    JOIN background ON sizes.prefix_bits = background.prefix_bits
),
shapes AS (
    SELECT operators.*,
           distinct_prefixes,
           entropy,
           expected_entropy,
           coincidences,
           expected_coincidences,
           coalesce(upkeep_hashes, 0) AS upkeep_hashes,
           CASE
               WHEN entropy <= $concentrated_ratio * expected_entropy THEN 'concentrated'
               WHEN expected_coincidences >= $min_expected
                   AND coincidences <= $even_ratio * expected_coincidences THEN 'too_even'
               ELSE 'as_expected'
           END AS shape
    FROM operators
    JOIN spectra ON operators.operator = spectra.operator
    JOIN expected ON operators.unique_hashes = expected.unique_hashes
    LEFT JOIN upkeepers ON operators.operator = upkeepers.operator
)
SELECT ip_text(operator) AS operator,
       asn,
       country,
       unique_hashes,
       upkeep_hashes,
       prefix_bits,
       distinct_prefixes,
       entropy,
       expected_entropy,
       entropy / expected_entropy AS entropy_ratio,
       coincidences,
       expected_coincidences,
       shape,
       first_seen,
       last_seen,
       unique_hashes AS n,
       -- Of 256 infohashes one is near the own id by chance.
       CASE
           WHEN shape = 'concentrated' AND upkeep_hashes * 256 >= $upkeep_ratio * unique_hashes
               THEN 'bucket_refresh'
       END AS explained_by,
       now() AS computed_at
FROM shapes
ORDER BY operator
