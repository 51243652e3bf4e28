WITH interests AS (
    SELECT operator,
           count(*) AS hashes,
           min(interest_first_seen) AS first_seen,
           max(interest_last_seen) AS last_seen,
           min(asn) AS asn,
           least_text(country) AS country
    FROM derived.pairs
    WHERE interest_days > 0
    GROUP BY operator
),
upkeepers AS (
    SELECT operator, count(*) AS upkeep_hashes
    FROM derived.pairs
    WHERE days > interest_days
    GROUP BY operator
),
operators AS (
    SELECT operator,
           hashes AS unique_hashes,
           CASE WHEN hashes >= $fine_hashes THEN 12 ELSE 8 END AS prefix_bits,
           first_seen,
           last_seen,
           asn,
           country
    FROM interests
    WHERE hashes >= $min_hashes
),
tested_pairs AS (
    SELECT pairs.operator, infohash, unique_hashes, prefix_bits
    FROM derived.pairs
    JOIN operators ON pairs.operator = operators.operator
    WHERE interest_days > 0
),
counts AS (
    SELECT operator,
           unique_hashes,
           leading_bits(infohash, prefix_bits) AS prefix,
           CAST(count(*) AS DOUBLE) AS hashes
    FROM tested_pairs
    GROUP BY operator, unique_hashes, leading_bits(infohash, prefix_bits)
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
    SELECT infohash, bool_or(hashes < $min_hashes) AS referred
    FROM derived.pairs
    JOIN interests ON pairs.operator = interests.operator
    WHERE interest_days > 0
    GROUP BY infohash
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
-- The keyspace as those see it who are too small to be tested: how many of their infohashes lie in each of
-- 65,536 parts of it, and before it.
parts AS (
    SELECT leading_bits(infohash, 16) AS part, CAST(count(*) FILTER (WHERE referred) AS DOUBLE) AS referred
    FROM seen
    GROUP BY leading_bits(infohash, 16)
),
reference AS (
    SELECT part,
           referred,
           sum(referred) OVER (ORDER BY part) - referred AS before,
           sum(referred) OVER () AS size
    FROM parts
),
-- As many cells as are filled well enough for two infohashes to fall into the same of them with the chance
-- (m + 1)/(M + 1), each holding m of M. The more there are, the more this matters: 1,024 at most.
grid AS (
    SELECT cells, (size + 1) / (size / cells + 1) AS independent_cells
    FROM (
        SELECT max(size) AS size, least(1024.0, power(2.0, floor(log2(max(size) / $cell_hashes)))) AS cells
        FROM reference
    )
    WHERE size >= $min_reference
),
-- Of more infohashes than there are cells, as many as there are cells: hardly one would stay empty.
draws AS (
    SELECT operator,
           infohash,
           cells,
           independent_cells,
           row_number() OVER (PARTITION BY operator ORDER BY hash64(infohash), infohash) AS draw
    FROM tested_pairs
    CROSS JOIN grid
),
occupied AS (
    SELECT operator,
           count(*) AS draws,
           independent_cells,
           count(DISTINCT CAST(floor(
               cells / size * (before + referred * (leading_bits(infohash, 32) - part * 65536) / 65536.0)
           ) AS BIGINT)) AS cells
    FROM draws
    JOIN reference ON leading_bits(infohash, 16) = part
    WHERE draw <= cells
    GROUP BY operator, independent_cells
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
           END AS shape,
           coalesce(draws, 0) AS n,
           occupancy(draws, independent_cells, cells) AS chance
    FROM operators
    JOIN spectra ON operators.operator = spectra.operator
    JOIN expected ON operators.unique_hashes = expected.unique_hashes
    LEFT JOIN upkeepers ON operators.operator = upkeepers.operator
    LEFT JOIN occupied ON operators.operator = occupied.operator
),
explained AS (
    SELECT *,
           -- Of 256 infohashes one is near the own id by chance.
           CASE
               WHEN shape = 'concentrated' AND upkeep_hashes * 256 >= $upkeep_ratio * unique_hashes
                   THEN 'bucket_refresh'
           END AS explained_by
    FROM shapes
),
tested AS (
    SELECT *,
           CASE WHEN explained_by IS NULL THEN chance END AS p_value,
           benjamini_hochberg(CASE WHEN explained_by IS NULL THEN chance END) OVER () AS q_value,
           count(CASE WHEN explained_by IS NULL THEN chance END) OVER () AS tests
    FROM explained
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
       n,
       p_value,
       q_value,
       tests,
       coalesce(shape <> 'as_expected' AND q_value <= $false_discovery, false) AS significant,
       explained_by,
       now() AS computed_at
FROM tested
ORDER BY operator
