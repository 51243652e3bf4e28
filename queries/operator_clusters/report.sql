-- section: By autonomous system
SELECT asn, count(DISTINCT cluster) AS clusters, count(DISTINCT operator) AS operators,
       string_agg(DISTINCT country, ' ' ORDER BY country) AS countries, max(coordination) AS best_coordination
FROM (SELECT cluster, coordination, unnest(members) AS member FROM derived.operator_clusters) clusters
JOIN (
    SELECT operator_a AS operator, asn_a AS asn, country_a AS country FROM derived.coordination
    UNION
    SELECT operator_b, asn_b, country_b FROM derived.coordination
) ON member = operator
GROUP BY asn
ORDER BY operators DESC, asn

-- section: By network
SELECT network(member) AS network, count(DISTINCT cluster) AS clusters, count(DISTINCT member) AS operators,
       max(coordination) AS best_coordination
FROM (SELECT cluster, coordination, unnest(members) AS member FROM derived.operator_clusters)
GROUP BY network(member)
ORDER BY operators DESC, network

-- section: By behaviour
SELECT cluster, operators, hashes_per_operator,
       CAST(visits AS DOUBLE) / operators AS visits_per_operator,
       CAST(lookups AS DOUBLE) / visits AS lookups_per_visit,
       CAST(announces AS DOUBLE) / (lookups + announces) AS announce_share
FROM derived.operator_clusters
ORDER BY operators DESC, cluster

-- section: By infohashes
SELECT cluster, operators, hashes, coordination, edges,
       CAST(edges AS DOUBLE) / (operators * (operators - 1) / 2) AS linked_pairs
FROM derived.operator_clusters
ORDER BY coordination DESC, operators DESC, cluster

-- section: By timing
SELECT cluster, operators, co_visits, expected_co_visits AS expected, mean_apart_seconds AS seconds_apart,
       first_seen, last_seen
FROM derived.operator_clusters
ORDER BY mean_apart_seconds, cluster
