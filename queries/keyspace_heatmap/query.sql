-- An infohash counts once, on the day on which it was first seen.
WITH new_hashes AS (
    SELECT day, leading_bits(infohash, 16) AS cell, count(*) AS hashes
    FROM (
        SELECT infohash, midnight(min(interest_first_seen)) AS day
        FROM derived.pairs
        WHERE interest_days > 0
        GROUP BY infohash
    )
    GROUP BY day, leading_bits(infohash, 16)
),
days AS (
    SELECT day FROM new_hashes GROUP BY day
),
presences AS (
    SELECT midnight(valid_from) AS day, nearest_bits(node_id) AS bits
    FROM captured.presences
    GROUP BY midnight(valid_from)
),
-- How near each cell was to a presence on each day; without presences all are equally far.
cells AS (
    SELECT days.day,
           unnest(coalesce(bits, array_repeat(0, 65536))) AS bits,
           unnest(range(0, 65536)) AS cell
    FROM days
    LEFT JOIN presences ON days.day = presences.day
),
-- What one cell at this distance showed on that day on average.
rates AS (
    SELECT cells.day, bits, CAST(sum(coalesce(hashes, 0)) AS DOUBLE) / count(*) AS rate
    FROM cells
    LEFT JOIN new_hashes ON cells.day = new_hashes.day AND cells.cell = new_hashes.cell
    GROUP BY cells.day, bits
),
expectations AS (
    SELECT cell, sum(rate) AS expected
    FROM cells
    JOIN rates ON cells.day = rates.day AND cells.bits = rates.bits
    GROUP BY cell
),
found AS (
    SELECT cell, CAST(sum(hashes) AS BIGINT) AS hashes
    FROM new_hashes
    GROUP BY cell
),
visitors AS (
    SELECT leading_bits(infohash, 16) AS cell, hash64(operator) AS operator, sum(interest_events) AS events
    FROM derived.pairs
    WHERE interest_days > 0
    GROUP BY leading_bits(infohash, 16), hash64(operator)
),
visits AS (
    SELECT cell, count(*) AS operators, sum(events) AS events
    FROM visitors
    GROUP BY cell
),
compared AS (
    SELECT expectations.cell,
           coalesce(hashes, 0) AS hashes,
           coalesce(operators, 0) AS operators,
           coalesce(events, 0) AS events,
           expected,
           sum(expected) OVER (PARTITION BY expectations.cell / 32) AS block_expected,
           coalesce(hashes, 0) / nullif(expected, 0) AS ratio,
           least(1.0, 2 * least(
               poisson_at_least(coalesce(hashes, 0), expected), poisson_at_most(coalesce(hashes, 0), expected)
           )) AS p_value
    FROM expectations
    LEFT JOIN found ON expectations.cell = found.cell
    LEFT JOIN visits ON expectations.cell = visits.cell
),
tested AS (
    SELECT *,
           benjamini_hochberg(p_value) OVER () AS q_value,
           count(p_value) OVER () AS tests
    FROM compared
),
zones AS (
    SELECT *,
           CASE
               WHEN q_value <= $false_discovery AND ratio >= $hot_ratio THEN 'hot'
               WHEN q_value <= $false_discovery AND ratio <= $cold_ratio THEN 'cold'
           END AS zone
    FROM tested
)
SELECT lpad(to_hex(cell), 4, '0') AS cell,
       cell AS number,
       hashes,
       operators,
       events,
       expected,
       block_expected,
       ratio,
       zone,
       CAST(CASE
           WHEN ratio >= $hot_ratio THEN 4
           WHEN ratio >= sqrt($hot_ratio) THEN 3
           WHEN ratio >= 1 THEN 2
           WHEN ratio > $cold_ratio THEN 1
           ELSE 0
       END AS BIGINT) AS level,
       hashes AS n,
       p_value,
       q_value,
       tests,
       zone IS NOT NULL AS significant,
       CAST(NULL AS VARCHAR) AS explained_by,
       now() AS computed_at
FROM zones
WHERE hashes > 0 OR zone = 'cold'
ORDER BY number
