WITH edges AS (
    SELECT operator_a, operator_b, asn_a, asn_b, country_a, country_b, co_visits, expected_co_visits,
           mean_apart_seconds
    FROM derived.coordination
    WHERE significant
),
vertices AS (
    SELECT unnest(components(hash64(operator_a), hash64(operator_b))) AS vertex
    FROM edges
),
members AS (
    SELECT operator, vertex['component'] AS component, min(asn) AS asn, least_text(country) AS country
    FROM (
        SELECT operator_a AS operator, asn_a AS asn, country_a AS country FROM edges
        UNION ALL
        SELECT operator_b, asn_b, country_b FROM edges
    )
    JOIN vertices ON hash64(operator) = vertex['member']
    GROUP BY operator, vertex['component']
),
meetings AS (
    SELECT component,
           count(*) AS edges,
           sum(co_visits) AS co_visits,
           sum(expected_co_visits) AS expected_co_visits,
           sum(co_visits * mean_apart_seconds) / sum(co_visits) AS mean_apart_seconds
    FROM edges
    JOIN members ON operator_a = members.operator
    GROUP BY component
),
-- The same infohashes as in coordination: rare ones, without upkeep.
hashes AS (
    SELECT infohash, count(*) AS operators
    FROM derived.pairs
    WHERE interest_lookups > 0
    GROUP BY infohash
    HAVING count(*) <= $max_operators
),
choices AS (
    SELECT component,
           members.operator,
           pairs.infohash,
           members.asn,
           members.country,
           interest_visits AS visits,
           interest_lookups AS lookups,
           announces,
           interest_events AS raw_events,
           interest_first_seen AS first_seen,
           interest_last_seen AS last_seen
    FROM derived.pairs
    JOIN members ON ip_text(pairs.operator) = members.operator
    JOIN hashes ON pairs.infohash = hashes.infohash
    WHERE interest_lookups > 0
),
interests AS (
    SELECT *,
           count(*) OVER (PARTITION BY operator) AS hashes,
           count(*) OVER (PARTITION BY component, infohash) > 1 AS shared,
           row_number() OVER (PARTITION BY component, infohash ORDER BY operator) = 1 AS once
    FROM choices
),
similarities AS (
    SELECT component, sum(jaccard) AS jaccards
    FROM (
        SELECT a.component, CAST(count(*) AS DOUBLE) / (max(a.hashes) + max(b.hashes) - count(*)) AS jaccard
        FROM interests a
        JOIN interests b ON a.component = b.component AND a.infohash = b.infohash AND a.operator < b.operator
        GROUP BY a.component, a.operator, b.operator
    )
    GROUP BY component
),
parties AS (
    SELECT component,
           operator,
           min(asn) AS asn,
           least_text(country) AS country,
           network(operator) AS network,
           count(*) AS hashes,
           count(*) FILTER (WHERE shared AND once) AS shared_hashes,
           sum(visits) AS visits,
           sum(lookups) AS lookups,
           sum(announces) AS announces,
           coalesce(sum(raw_events) FILTER (WHERE shared), 0) AS observations,
           min(first_seen) FILTER (WHERE shared) AS first_seen,
           max(last_seen) FILTER (WHERE shared) AS last_seen
    FROM interests
    GROUP BY component, operator
),
clusters AS (
    SELECT component,
           count(*) AS operators,
           array_agg(operator ORDER BY first_seen, operator) AS members,
           count(DISTINCT asn) AS asns,
           array_agg(DISTINCT concat('AS', asn) ORDER BY concat('AS', asn)) FILTER (WHERE asn IS NOT NULL)
               AS as_numbers,
           array_agg(DISTINCT country ORDER BY country) FILTER (WHERE country IS NOT NULL) AS countries,
           array_agg(DISTINCT network ORDER BY network) AS networks,
           sum(shared_hashes) AS hashes,
           avg(hashes) AS hashes_per_operator,
           sum(visits) AS visits,
           sum(lookups) AS lookups,
           sum(announces) AS announces,
           sum(observations) AS observations,
           min(first_seen) AS first_seen,
           max(last_seen) AS last_seen
    FROM parties
    GROUP BY component
)
SELECT concat('cluster_', substr(lpad(to_hex(hash64(members[1])), 16, '0'), 1, 8)) AS cluster,
       operators,
       members,
       asns,
       as_numbers,
       countries,
       networks,
       hashes,
       jaccards / (operators * (operators - 1) / 2) AS coordination,
       edges,
       co_visits,
       expected_co_visits,
       mean_apart_seconds,
       hashes_per_operator,
       visits,
       lookups,
       announces,
       observations,
       first_seen,
       last_seen,
       now() AS computed_at
FROM clusters
JOIN meetings ON clusters.component = meetings.component
JOIN similarities ON clusters.component = similarities.component
ORDER BY cluster
