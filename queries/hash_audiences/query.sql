-- Near the id of the one operator that asked for it: upkeep of a routing table.
WITH audiences AS (
    SELECT infohash,
           leading_bits(infohash, 16) AS cell,
           count(*) AS operators,
           count(*) FILTER (WHERE announces > 0) AS announcing,
           count(asn) AS located,
           count(DISTINCT asn) AS asns,
           min(first_seen) AS first_seen,
           max(last_seen) AS last_seen
    FROM derived.pairs
    GROUP BY infohash
    HAVING NOT (count(*) = 1 AND bool_and(near_own_id))
),
ids AS (
    SELECT node_id, leading_bits(node_id, 16) AS cell
    FROM captured.presences
    GROUP BY node_id
),
-- The nearest presence that ever stood: within its own cell of sixteen bits by all bits, otherwise by cells.
cells AS (
    SELECT unnest(bits) AS bits, unnest(range(0, 65536)) AS cell
    FROM (SELECT nearest_bits(node_id) AS bits FROM captured.presences)
),
-- The left side of a join is held in memory: there are few cells and ids, and perhaps many infohashes.
placed AS (
    SELECT audiences.*, bits
    FROM cells
    JOIN audiences ON cells.cell = audiences.cell
),
exposed AS (
    SELECT infohash,
           min(operators) AS operators,
           min(announcing) AS announcing,
           min(located) AS located,
           min(asns) AS asns,
           min(first_seen) AS first_seen,
           max(last_seen) AS last_seen,
           coalesce(max(CAST(shared_prefix_bits(node_id, infohash) AS BIGINT)), min(bits)) AS exposure_bits
    FROM ids
    RIGHT JOIN placed ON ids.cell = placed.cell
    GROUP BY infohash
),
levels AS (
    SELECT exposure_bits, sum(operators) AS operators, sum(announcing) AS announcing
    FROM exposed
    GROUP BY exposure_bits
)
SELECT encode(infohash, 'hex') AS infohash,
       exposed.operators,
       exposed.announcing,
       located,
       asns,
       exposed.exposure_bits,
       CAST(levels.operators - exposed.operators AS BIGINT) AS reference,
       CAST(levels.announcing - exposed.announcing AS DOUBLE)
           / nullif(levels.operators - exposed.operators, 0) AS announce_rate,
       first_seen,
       last_seen,
       now() AS computed_at
FROM levels
JOIN exposed ON levels.exposure_bits = exposed.exposure_bits
ORDER BY infohash
