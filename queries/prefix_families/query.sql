WITH ids AS (
    SELECT infohash AS id, false AS is_presence FROM derived.pairs WHERE interest_days > 0
    UNION ALL
    SELECT DISTINCT node_id AS id, true AS is_presence FROM captured.presences
),
families AS (
    SELECT unnest(prefix_groups(id, is_presence, $min_hashes, $by_chance, $pair_bits)) AS family
    FROM ids
),
-- A family is known by its first member and what its members share.
members AS (
    SELECT family['shared_bits'] AS shared_bits,
           family['first_member'] AS first_member,
           unnest(family['members']) AS infohash
    FROM families
),
audiences AS (
    SELECT shared_bits,
           first_member,
           count(DISTINCT hash64(operator)) AS operators,
           count(DISTINCT asn) AS asns,
           min(interest_first_seen) AS first_seen,
           max(interest_last_seen) AS last_seen,
           array_agg(DISTINCT encode(members.infohash, 'hex') ORDER BY encode(members.infohash, 'hex')) AS members
    FROM members
    JOIN derived.pairs ON members.infohash = pairs.infohash
    WHERE interest_days > 0
    GROUP BY shared_bits, first_member
),
-- How much denser than on average the infohashes lie: the mean over infohashes, and in the best seen part of
-- the keyspace. Σ µᵏ over its parts is at most Σ µ² times the (k − 2)th power of the largest µ.
exposure AS (
    SELECT coalesce(65536 * sum(hashes * expected) / power(sum(hashes), 2), 1.0) AS crowding,
           coalesce(65536 * max(expected) / sum(hashes), 1.0) AS densest
    FROM derived.keyspace_heatmap
),
described AS (
    SELECT substr(encode(first_member, 'hex'), 1, shared_bits / 4) AS prefix,
           shared_bits,
           array_length(family['members']) AS hashes,
           family['expected_by_chance'] AS expected_by_chance,
           operators,
           asns,
           first_seen,
           last_seen,
           array_slice(members, 1, $listed) AS members,
           family['population'] AS n,
           CASE WHEN family['near_presence'] THEN 'near_presence' END AS explained_by
    FROM families
    JOIN audiences ON family['shared_bits'] = shared_bits AND family['first_member'] = first_member
),
-- Of every size k there may be families; the shares 1/(k(k − 1)) of all sizes add up to 1.
tested AS (
    SELECT *,
           CASE WHEN explained_by IS NULL AND expected_by_chance > 0
                THEN least(1.0, expected_by_chance * crowding * power(densest, hashes - 2.0)
                                * hashes * (hashes - 1))
                WHEN explained_by IS NULL THEN 0.0
           END AS p_value
    FROM described
    CROSS JOIN exposure
)
SELECT prefix,
       shared_bits,
       hashes,
       expected_by_chance,
       operators,
       asns,
       first_seen,
       last_seen,
       members,
       n,
       p_value,
       -- The chance is that of the whole table already.
       p_value AS q_value,
       CAST(1 AS BIGINT) AS tests,
       coalesce(p_value <= $false_discovery, false) AS significant,
       explained_by,
       now() AS computed_at
FROM tested
ORDER BY prefix, shared_bits, first_seen, last_seen
