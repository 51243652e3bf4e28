WITH pairs AS (
    SELECT operator, infohash, sum(visits) AS visits, sum(announces) AS announces,
           bool_and(near_own_id) AS near_own_id, min(asn) AS asn, min(country) AS country,
           count(*) OVER (PARTITION BY infohash) AS operators
    FROM derived.pair_days
    WHERE lookups > 0
    GROUP BY operator, infohash
),
-- The inverted index: infohashes that few ask for and that are no upkeep.
rare AS (
    SELECT *, count(*) OVER (PARTITION BY operator) AS hashes
    FROM pairs
    WHERE operators <= $max_operators AND NOT (near_own_id AND operators = 1)
),
interests AS (
    SELECT * FROM rare WHERE operators >= 2 AND hashes <= $max_hashes
),
starts AS (
    SELECT visits.operator, visits.infohash, visit_start,
           CAST(floor(CAST(visit_start AS BIGINT) / (seconds($together) * 1e6)) AS BIGINT) AS slot
    FROM derived.visits
    JOIN interests ON visits.operator = interests.operator AND visits.infohash = interests.infohash
    WHERE NOT continued AND lookups > 0
),
-- Every start in its own slot and the two beside it: what is near meets in the same slot.
nearby AS (
    SELECT operator, infohash, visit_start, unnest(make_array(slot - 1, slot, slot + 1)) AS slot
    FROM starts
),
co_visits AS (
    SELECT a.operator AS operator_a,
           b.operator AS operator_b,
           count(*) AS co_visits,
           occasions(a.visit_start, $session) AS occasions,
           avg(abs(seconds(a.visit_start - b.visit_start))) AS mean_apart,
           min(a.visit_start) AS first_seen,
           max(a.visit_start) AS last_seen
    FROM starts a
    JOIN nearby b ON a.infohash = b.infohash AND a.slot = b.slot
     AND a.operator < b.operator
     AND a.visit_start - b.visit_start <= $together AND b.visit_start - a.visit_start <= $together
    GROUP BY a.operator, b.operator
    HAVING occasions(a.visit_start, $session) >= $min_occasions
),
shared AS (
    SELECT operator_a,
           operator_b,
           max(co_visits) AS co_visits,
           max(occasions) AS occasions,
           max(mean_apart) AS mean_apart,
           min(first_seen) AS first_seen,
           max(last_seen) AS last_seen,
           count(*) AS shared_hashes,
           max(a.hashes) AS hashes_a,
           max(b.hashes) AS hashes_b,
           sum(CAST(a.visits AS DOUBLE) * b.visits) AS chances,
           sum(a.announces) > 0 AND sum(b.announces) > 0 AS both_announce,
           min(a.asn) AS asn_a,
           min(b.asn) AS asn_b,
           min(a.country) AS country_a,
           min(b.country) AS country_b
    FROM co_visits
    JOIN interests a ON operator_a = a.operator
    JOIN interests b ON operator_b = b.operator AND a.infohash = b.infohash
    GROUP BY operator_a, operator_b
),
profiles AS (
    SELECT operator, hourly_profile(visit_start) AS profile
    FROM derived.visits
    WHERE NOT continued AND lookups > 0
    GROUP BY operator
),
-- If everybody chose infohashes by popularity alone: the chance that two choices are the same.
pool AS (
    SELECT CAST(sum(operators - 1) AS DOUBLE) / power(count(*), 2) AS chance
    FROM rare
),
days AS (
    SELECT count(DISTINCT CAST(first_seen AS DATE)) AS days
    FROM derived.hash_days
),
expectations AS (
    SELECT shared.*,
           chance * hashes_a * hashes_b AS expected_shared_hashes,
           -- Two visits at chance times of the operators' days are within reach of each other with the
           -- probability that both fall into one hour, times the share of an hour that is in reach.
           chances * inner_product(a.profile, b.profile) / days * 2 * seconds($together) / 3600
               AS expected_co_visits
    FROM shared
    JOIN profiles a ON operator_a = a.operator
    JOIN profiles b ON operator_b = b.operator
    CROSS JOIN pool
    CROSS JOIN days
)
SELECT ip_text(operator_a) AS operator_a,
       ip_text(operator_b) AS operator_b,
       asn_a,
       asn_b,
       country_a,
       country_b,
       shared_hashes,
       expected_shared_hashes,
       CAST(shared_hashes AS DOUBLE) / (hashes_a + hashes_b - shared_hashes) AS jaccard,
       occasions AS n,
       co_visits,
       expected_co_visits,
       mean_apart AS mean_apart_seconds,
       first_seen,
       last_seen,
       CASE
           WHEN asn_a = asn_b AND strpos(ip_text(operator_a), ':') > 0 <> (strpos(ip_text(operator_b), ':') > 0)
               THEN 'dual_stack'
           WHEN both_announce THEN 'client_reannounce'
       END AS explained_by,
       now() AS computed_at
FROM expectations
WHERE shared_hashes >= $min_shared_hashes
  AND shared_hashes >= $interest_ratio * expected_shared_hashes
  AND co_visits >= $synchrony_ratio * expected_co_visits
ORDER BY operator_a, operator_b
