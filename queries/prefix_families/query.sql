WITH pairs AS (
    SELECT operator,
           infohash,
           bool_and(near_own_id) AS near_own_id,
           min(first_seen) AS first_seen,
           max(last_seen) AS last_seen,
           min(asn) AS asn
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
ids AS (
    SELECT infohash AS id, false AS is_presence FROM interest
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
           min(first_seen) AS first_seen,
           max(last_seen) AS last_seen,
           array_agg(DISTINCT encode(members.infohash, 'hex') ORDER BY encode(members.infohash, 'hex')) AS members
    FROM members
    JOIN interest ON members.infohash = interest.infohash
    GROUP BY shared_bits, first_member
)
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
       CASE WHEN family['near_presence'] THEN 'near_presence' END AS explained_by,
       now() AS computed_at
FROM families
JOIN audiences ON family['shared_bits'] = shared_bits AND family['first_member'] = first_member
ORDER BY prefix, shared_bits, first_seen, last_seen
