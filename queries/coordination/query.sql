-- Without infohashes that one operator alone asks for, which may be most.
WITH crowds AS (
    SELECT infohash, count(*) AS operators
    FROM derived.pairs
    WHERE interest_lookups > 0
    GROUP BY infohash
    HAVING count(*) >= 2
),
choices AS (
    SELECT operator, count(*) AS hashes
    FROM derived.pairs
    WHERE interest_lookups > 0 AND NOT EXISTS (
        SELECT infohash FROM crowds WHERE crowds.infohash = pairs.infohash AND operators > $max_operators
    )
    GROUP BY operator
),
-- The inverted index: infohashes that few ask for.
interests AS (
    SELECT pairs.infohash, pairs.operator, interest_visits AS visits, announces, asn, country, operators, hashes,
           hashes < $min_shared_hashes AS stranger
    FROM derived.pairs
    JOIN crowds ON pairs.infohash = crowds.infohash
    JOIN choices ON pairs.operator = choices.operator
    WHERE interest_lookups > 0 AND operators <= $max_operators AND hashes <= $max_hashes
),
-- Where operators can meet. Those after too few infohashes to be tested are strangers to each other: they show what
-- happens to everybody.
places AS (
    SELECT infohash, stranger, count(*) AS operators
    FROM interests
    GROUP BY infohash, stranger
    HAVING count(*) >= 2
),
starts AS (
    SELECT visits.operator, visits.infohash, visit_start, stranger,
           CAST(floor(CAST(visit_start AS BIGINT) / (seconds($together) * 1e6)) AS BIGINT) AS slot
    FROM derived.visits
    JOIN interests ON visits.operator = interests.operator AND visits.infohash = interests.infohash
    WHERE NOT continued AND lookups > 0
),
-- Every start in its own slot and the two beside it: what is near meets in the same slot.
nearby AS (
    SELECT operator, infohash, visit_start, stranger, unnest(make_array(slot - 1, slot, slot + 1)) AS slot
    FROM (
        SELECT starts.*
        FROM starts
        JOIN places ON starts.infohash = places.infohash AND starts.stranger = places.stranger
    )
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
    WHERE NOT a.stranger AND NOT b.stranger
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
           sum(least(a.visits, b.visits)) AS opportunities,
           sum(a.announces) > 0 AND sum(b.announces) > 0 AS both_announce,
           min(a.asn) AS asn_a,
           min(b.asn) AS asn_b,
           least_text(a.country) AS country_a,
           least_text(b.country) AS country_b
    FROM co_visits
    JOIN interests a ON operator_a = a.operator
    JOIN interests b ON operator_b = b.operator AND a.infohash = b.infohash
    GROUP BY operator_a, operator_b
),
compared AS (
    SELECT * FROM shared WHERE shared_hashes >= $min_shared_hashes
),
-- What an operator starts without a pause is one burst, however many infohashes it is about.
bursts AS (
    SELECT operator,
           count(*) FILTER (WHERE coalesce(pause > $together, true)) AS bursts,
           coalesce(sum(seconds(pause)) FILTER (WHERE pause <= $together), 0) AS seconds
    FROM (
        SELECT operator, visit_start - lag(visit_start) OVER (PARTITION BY operator ORDER BY visit_start) AS pause
        FROM starts
        WHERE operator IN (SELECT operator_a FROM compared UNION SELECT operator_b FROM compared)
    )
    GROUP BY operator
),
-- If everybody chose infohashes by popularity alone: the chance that two choices are the same.
pool AS (
    SELECT CAST(same AS DOUBLE) / power(chosen, 2) AS chance
    FROM (SELECT sum(operators * (operators - 1)) AS same FROM crowds WHERE operators <= $max_operators)
    CROSS JOIN (SELECT sum(hashes) AS chosen FROM choices)
),
days AS (
    SELECT count(DISTINCT CAST(first_seen AS DATE)) AS days
    FROM derived.hash_days
),
-- Pairs that are tested share so many infohashes, and each of their infohashes is among these.
candidates AS (
    SELECT floor(sum(CAST(operators AS DOUBLE) * (operators - 1) / 2) / $min_shared_hashes) AS pairs
    FROM places
    WHERE NOT stranger
),
crossroads AS (
    SELECT infohash FROM places WHERE stranger ORDER BY infohash LIMIT $reference_hashes
),
strangers AS (
    SELECT operator, interests.infohash, visits
    FROM interests
    JOIN crossroads ON interests.infohash = crossroads.infohash
    WHERE stranger
),
profiles AS (
    SELECT operator, hourly_profile(visit_start) AS profile
    FROM derived.visits
    WHERE NOT continued AND lookups > 0 AND operator IN (
        SELECT operator FROM strangers
        UNION SELECT operator_a FROM compared
        UNION SELECT operator_b FROM compared
    )
    GROUP BY operator
),
crossing AS (
    SELECT strangers.*, profile
    FROM strangers
    JOIN profiles ON strangers.operator = profiles.operator
),
-- Two visits at chance times of the operators' days are within reach of each other with the
-- probability that both fall into one hour, times the share of an hour that is in reach.
chances AS (
    SELECT sum(least(a.visits, b.visits)) AS opportunities,
           sum(CAST(a.visits AS DOUBLE) * b.visits * inner_product(a.profile, b.profile))
               * 2 * seconds($together) / 3600 AS expected_a_day
    FROM crossing a
    JOIN crossing b ON a.infohash = b.infohash AND a.operator < b.operator
),
met AS (
    SELECT CAST(count(*) AS DOUBLE) AS met
    FROM starts a
    JOIN crossroads ON a.infohash = crossroads.infohash
    JOIN nearby b ON a.infohash = b.infohash AND a.slot = b.slot
     AND a.operator < b.operator
     AND a.visit_start - b.visit_start <= $together AND b.visit_start - a.visit_start <= $together
    WHERE a.stranger AND b.stranger
),
-- How much more often they meet than by chance, for each visit that either could have shared, at the upper end
-- of what the count allows (95 %); null when too few could.
reference AS (
    SELECT CASE WHEN opportunities >= $min_reference
                THEN greatest(met + 1 + 2 * sqrt(met + 1) - expected_a_day / days, 0) / opportunities END AS excess
    FROM chances
    CROSS JOIN met
    CROSS JOIN days
),
-- The hours of the day are left behind before the constants come: a cross join copies them for every pair.
overlaps AS (
    SELECT compared.*,
           inner_product(a.profile, b.profile) AS overlap,
           CAST(of_a.bursts AS DOUBLE) * of_b.bursts
               * (2 * seconds($together) + of_a.seconds / of_a.bursts + of_b.seconds / of_b.bursts) / 3600
               AS burst_hours,
           least(opportunities, of_a.bursts, of_b.bursts) AS most_occasions
    FROM compared
    JOIN profiles a ON operator_a = a.operator
    JOIN profiles b ON operator_b = b.operator
    JOIN bursts of_a ON operator_a = of_a.operator
    JOIN bursts of_b ON operator_b = of_b.operator
),
expectations AS (
    SELECT overlaps.*,
           chance * hashes_a * hashes_b AS expected_shared_hashes,
           chances * overlap / days * 2 * seconds($together) / 3600 AS expected_co_visits,
           burst_hours * overlap / days AS expected_bursts,
           $caution * most_occasions * excess AS excess,
           excess IS NOT NULL AS comparable,
           pairs AS candidates
    FROM overlaps
    CROSS JOIN pool
    CROSS JOIN days
    CROSS JOIN candidates
    CROSS JOIN reference
),
-- However many visits it is made of, an occasion is one pair of visits and one pair of bursts at least.
measured AS (
    SELECT *,
           least(expected_co_visits, expected_bursts) AS expected_occasions,
           CASE
               WHEN asn_a = asn_b
                   AND strpos(ip_text(operator_a), ':') > 0 <> (strpos(ip_text(operator_b), ':') > 0)
                   THEN 'dual_stack'
               WHEN both_announce THEN 'client_reannounce'
           END AS explanation
    FROM expectations
),
likely AS (
    SELECT *,
           CASE WHEN explanation IS NULL AND comparable THEN greatest(
               poisson_at_least(shared_hashes, expected_shared_hashes),
               poisson_at_least(occasions, expected_occasions)
           ) END AS chance,
           CASE WHEN explanation IS NULL AND comparable THEN greatest(
               poisson_at_least(shared_hashes, expected_shared_hashes),
               poisson_at_least(occasions, expected_occasions + excess)
           ) END AS calibrated
    FROM measured
),
vetoed AS (
    SELECT *,
           CASE
               WHEN explanation IS NOT NULL THEN explanation
               -- Pairs that met less often have a chance of 1 and are not here: they are counted.
               WHEN benjamini_hochberg(calibrated) OVER ()
                   * greatest(candidates / count(calibrated) OVER (), 1.0) > $false_discovery
                   THEN 'as_strangers'
           END AS explained_by
    FROM likely
),
eligible AS (
    SELECT *, CASE WHEN explained_by IS NULL THEN chance END AS p_value
    FROM vetoed
),
tested AS (
    SELECT *,
           CASE WHEN p_value IS NOT NULL THEN least(1.0,
               benjamini_hochberg(p_value) OVER () * greatest(candidates / count(p_value) OVER (), 1.0)
           ) END AS q_value,
           CAST(CASE WHEN comparable THEN greatest(candidates, count(*) OVER ()) ELSE 0 END AS BIGINT) AS tests
    FROM eligible
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
       co_visits,
       expected_co_visits,
       expected_occasions,
       mean_apart AS mean_apart_seconds,
       first_seen,
       last_seen,
       occasions AS n,
       p_value,
       q_value,
       tests,
       coalesce(q_value <= $false_discovery, false) AS significant,
       explained_by,
       now() AS computed_at
FROM tested
WHERE shared_hashes >= $interest_ratio * expected_shared_hashes
  AND co_visits >= $synchrony_ratio * expected_co_visits
ORDER BY operator_a, operator_b
