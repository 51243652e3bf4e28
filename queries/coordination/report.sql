-- section: Clusters in several autonomous systems
SELECT cluster, operators, asns, array_to_string(countries, ' ') AS countries,
       hashes, coordination, first_seen, last_seen
FROM derived.operator_clusters
WHERE asns >= 2
ORDER BY operators DESC, coordination DESC, cluster

-- section: Operators in them
SELECT cluster, operator, asn, country, partners, co_visits, best_jaccard, last_seen
FROM (
    SELECT cluster, unnest(members) AS member FROM derived.operator_clusters WHERE asns >= 2
) clusters
JOIN (
    SELECT operator, min(asn) AS asn, min(country) AS country, count(*) AS partners,
           sum(co_visits) AS co_visits, max(jaccard) AS best_jaccard, max(last_seen) AS last_seen
    FROM (
        SELECT operator_a AS operator, asn_a AS asn, country_a AS country, co_visits, jaccard, last_seen
        FROM derived.coordination WHERE significant
        UNION ALL
        SELECT operator_b, asn_b, country_b, co_visits, jaccard, last_seen
        FROM derived.coordination WHERE significant
    )
    GROUP BY operator
) ON member = operator
ORDER BY cluster, partners DESC, operator

-- section: Pairs across autonomous systems
SELECT operator_a AS operator, operator_b AS partner, shared_hashes AS shared, jaccard, n AS occasions, co_visits,
       expected_co_visits AS expected, mean_apart_seconds AS seconds_apart, q_value, significant, explained_by
FROM derived.coordination
WHERE asn_a <> asn_b
ORDER BY significant DESC, explained_by IS NOT NULL, jaccard DESC, operator, partner

-- section: What explains pairs
SELECT explained_by, count(*) AS pairs, count(*) FILTER (WHERE significant) AS significant,
       count(*) FILTER (WHERE asn_a <> asn_b) AS across_asns,
       avg(jaccard) AS mean_jaccard, min(n) AS fewest_occasions, max(n) AS most_occasions
FROM derived.coordination
GROUP BY explained_by
ORDER BY pairs DESC, explained_by
