-- section: More concentrated, or more even, than chance, without an explanation
SELECT operator,
       asn,
       country,
       shape,
       unique_hashes AS hashes,
       distinct_prefixes AS prefixes,
       entropy,
       entropy_ratio AS ratio,
       coincidences AS pairs,
       expected_coincidences AS expected_pairs,
       q_value,
       significant
FROM derived.prefix_entropy
WHERE shape <> 'as_expected' AND explained_by IS NULL
ORDER BY significant DESC, shape DESC, unique_hashes DESC, operator

-- section: Shapes
SELECT shape,
       coalesce(explained_by, '') AS explained_by,
       prefix_bits AS bits,
       count(*) AS operators,
       count(*) FILTER (WHERE significant) AS significant,
       count(DISTINCT asn) AS asns,
       sum(unique_hashes) AS hashes,
       avg(entropy_ratio) AS mean_ratio,
       min(entropy_ratio) AS least_ratio,
       max(entropy_ratio) AS largest_ratio
FROM derived.prefix_entropy
GROUP BY shape, explained_by, prefix_bits
ORDER BY shape, explained_by, prefix_bits
