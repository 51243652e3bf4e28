-- section: Compared
SELECT (SELECT count(DISTINCT hash64(infohash)) FROM derived.pairs) AS infohashes,
       $min_hashes AS smallest_group,
       $pair_bits AS bits_of_a_pair,
       count(*) AS families,
       count(*) FILTER (WHERE explained_by IS NULL) AS unexplained
FROM derived.prefix_families

-- section: Families without an explanation
SELECT prefix,
       shared_bits AS bits,
       hashes,
       expected_by_chance AS by_chance,
       operators,
       asns,
       first_seen,
       last_seen,
       q_value,
       significant
FROM derived.prefix_families
WHERE explained_by IS NULL
ORDER BY significant DESC, hashes DESC, shared_bits DESC, prefix

-- section: Their members
SELECT prefix, infohash
FROM (
    SELECT prefix, shared_bits, hashes, unnest(members) AS infohash
    FROM derived.prefix_families
    WHERE explained_by IS NULL
)
ORDER BY hashes DESC, shared_bits DESC, prefix, infohash

-- section: Families by explanation
SELECT coalesce(explained_by, 'none') AS explained_by,
       count(*) AS families,
       sum(hashes) AS hashes,
       max(hashes) AS largest,
       max(shared_bits) AS most_bits
FROM derived.prefix_families
GROUP BY explained_by
ORDER BY families DESC, explained_by
