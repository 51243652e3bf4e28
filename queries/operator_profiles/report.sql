-- section: Breakdown
SELECT classification AS class,
       count(*) AS operators,
       CAST(count(*) AS DOUBLE) / sum(count(*)) OVER () AS share,
       sum(total_queries) AS queries,
       median(query_rate_per_hour) AS median_queries_an_hour,
       median(unique_hashes) AS median_infohashes,
       count(*) FILTER (WHERE querier_ids >= $shared_ids) AS shared_addresses
FROM derived.operator_profiles
GROUP BY classification
ORDER BY operators DESC, class

-- section: Programs that stand out
SELECT operator, asn, country, classification AS class, reason
FROM derived.operator_profiles
WHERE classification NOT IN ('normal_client', 'unknown')
ORDER BY classification, total_queries DESC, operator

-- section: Unknown
SELECT operator, asn, total_queries AS queries, reason
FROM derived.operator_profiles
WHERE classification = 'unknown'
ORDER BY total_queries DESC, operator

-- section: Most queries
SELECT operator, asn, classification AS class, total_queries AS queries, unique_hashes AS infohashes,
       query_rate_per_hour AS an_hour, burst_score AS burst, entropy_score AS entropy,
       hours_per_day AS hours_a_day, most_presence_share AS presences
FROM derived.operator_profiles
ORDER BY total_queries DESC, operator
