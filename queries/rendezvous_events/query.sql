WITH pairs AS (
    SELECT operator, infohash, visits, solo_visits, announcing_visits, announces, raw_events,
           first_visit AS first_start, last_visit AS last_start, last_seen, visit_gap_squares, asn, country
    FROM derived.pairs
    WHERE visits >= 2
),
-- Of those with visits enough to be tested, by a hash of the pair.
clocks AS (
    SELECT pair, schedule(visit_start, $visit_gap, $resolution, $tested_visits) AS clock
    FROM (SELECT hash64(operator, infohash) AS pair, visit_start FROM derived.visits WHERE NOT continued)
    WHERE pair IN (SELECT hash64(operator, infohash) FROM derived.pairs WHERE visits >= $tested_visits)
    GROUP BY pair
),
shared AS (
    SELECT operator, max(querier_ids) AS querier_ids,
           CAST(sum(upkeep_hashes) AS DOUBLE) / (sum(upkeep_hashes) + sum(unique_hashes)) AS upkeep
    FROM derived.operator_days
    GROUP BY operator
),
-- Population variance of the intervals: they add up to the span, and their squares are known.
rhythms AS (
    SELECT pairs.*, querier_ids, clock,
           seconds(last_start - first_start) / (visits - 1) AS mean,
           sqrt(greatest(
               coalesce(clock['gap_squares'], visit_gap_squares) / (visits - 1)
                   - power(seconds(last_start - first_start) / (visits - 1), 2),
               0
           )) AS sd
    FROM pairs
    LEFT JOIN clocks ON hash64(pairs.operator, pairs.infohash) = pair
    LEFT JOIN shared ON pairs.operator = shared.operator
),
judged AS (
    SELECT operator, infohash, asn, country, visits, solo_visits, announces, raw_events, first_start, last_seen,
           mean, sd, sd / mean AS cv, clock,
           visits >= $min_visits AND sd / mean <= $max_cv AS by_rule,
           CASE
               WHEN announces > 0 AND (
                   CAST(announcing_visits AS DOUBLE) / visits >= $announcing_share
                   OR mean BETWEEN seconds($reannounce_least) AND seconds($reannounce_most)
               ) OR clock['period'] BETWEEN seconds($reannounce_least) AND seconds($reannounce_most)
                   THEN 'client_reannounce'
               WHEN querier_ids >= $shared_ids THEN 'shared_ip'
               WHEN solo_visits < $passing_share * visits AND (
                   abs(mean - seconds($rotation)) <= seconds($rotation_width)
                   OR abs(clock['period'] - seconds($rotation)) <= seconds($rotation_width)
               ) THEN 'node_rotation'
           END AS explained
    FROM rhythms
),
-- What can be tested: lookups alone, one a visit, that nothing explains.
candidates AS (
    SELECT *,
           abs(clock['period'] - 86400) <= seconds($day_width) AS daily,
           announces = 0 AND solo_visits >= $solo_share * visits AND explained IS NULL AS eligible
    FROM judged
    WHERE visits >= $tested_visits
),
-- Those who come back daily and are not tested: the most regular pair of each operator.
habits AS (
    SELECT *,
           daily AND NOT bool_or(daily AND eligible) OVER (PARTITION BY operator)
               AND row_number() OVER (PARTITION BY operator, daily ORDER BY clock['cv'], infohash) = 1 AS habit
    FROM candidates
),
compared AS (
    SELECT *,
           count(*) FILTER (WHERE habit) OVER (PARTITION BY daily ORDER BY clock['cv']) AS as_regular,
           count(*) FILTER (WHERE habit) OVER (PARTITION BY daily) AS habits
    FROM habits
),
vetoed AS (
    SELECT *,
           eligible AND daily AND habits >= $least_habits
               AND CAST(as_regular + 1 AS DOUBLE) / (habits + 1) > $habit_share AS habitual,
           eligible AND NOT (daily AND habits < $least_habits) AS testable
    FROM compared
),
-- Habits go by the clock itself: they were looked at all the same, and count with a p-value of 1.
chances AS (
    SELECT *,
           testable AND NOT habitual AS tested,
           CASE WHEN habitual THEN 1.0 WHEN testable THEN clock['p_value'] END AS chance
    FROM vetoed
),
-- What is discovered is an operator: its least p-value, times the number of its pairs.
ranked AS (
    SELECT *,
           CASE WHEN testable THEN least(chance * count(chance) OVER (PARTITION BY operator), 1) END AS corrected,
           row_number() OVER (PARTITION BY operator, testable ORDER BY chance, infohash) = 1 AS best
    FROM chances
),
schedules AS (
    SELECT *,
           CASE WHEN tested THEN benjamini_hochberg(corrected, best) OVER () END AS q_value,
           count(corrected) FILTER (WHERE best) OVER () AS tests
    FROM ranked
),
starts AS (
    SELECT operator, stretch_start, continues
    FROM derived.cross_hash_days
    GROUP BY operator, stretch_start, continues
),
-- A stretch that goes on after midnight is one occasion with what it goes on from.
stretches AS (
    SELECT operator, stretch_start,
           coalesce(
               max(CASE WHEN NOT continues THEN stretch_start END) OVER (PARTITION BY operator ORDER BY stretch_start),
               min(stretch_start) OVER (PARTITION BY operator)
           ) AS occasion
    FROM starts
),
members AS (
    SELECT hashes.operator, occasion, infohash,
           sum(visits) AS visits,
           sum(solo_visits) AS solo_visits,
           sum(announcing_visits) AS announcing_visits,
           sum(announces) AS announces,
           sum(raw_events) AS raw_events,
           bool_or(company) AS company,
           min(first_start) AS hash_start,
           max(last_start) AS last_start,
           max(last_seen) AS last_seen,
           min(asn) AS asn,
           least_text(country) AS country
    FROM derived.cross_hash_days AS hashes
    JOIN stretches ON hashes.operator = stretches.operator AND hashes.stretch_start = stretches.stretch_start
    GROUP BY hashes.operator, occasion, infohash
),
-- Of those whose occasions may be upkeep: others ask for it as well, or the operator does again.
wanted AS (
    SELECT members.operator, infohash
    FROM members
    JOIN shared ON members.operator = shared.operator
    WHERE upkeep >= $upkeep_share
    GROUP BY members.operator, infohash
    HAVING bool_or(company) OR sum(visits) > 1
),
occasions AS (
    SELECT members.operator,
           occasion AS first_start,
           earliest_ids(hash_start, members.infohash, $listed_hashes) AS infohashes,
           count(*) AS n,
           count(wanted.infohash) AS again,
           count(*) FILTER (WHERE visits > 1 OR solo_visits = 0) AS repeated,
           sum(visits) AS visits,
           sum(solo_visits) AS solo_visits,
           sum(announcing_visits) AS announcing_visits,
           sum(announces) AS announces,
           sum(raw_events) AS raw_events,
           max(last_start) AS last_start,
           max(last_seen) AS last_seen,
           min(asn) AS asn,
           least_text(country) AS country
    FROM members
    LEFT JOIN wanted ON members.operator = wanted.operator AND members.infohash = wanted.infohash
    GROUP BY members.operator, occasion
),
visited AS (
    SELECT occasions.*, querier_ids,
           coalesce(again < $again_hashes AND upkeep >= $upkeep_share, false) AS refresh
    FROM occasions
    LEFT JOIN shared ON occasions.operator = shared.operator
),
-- All occasions of an operator together.
rounds AS (
    SELECT operator, count(*) AS occasions, count(*) FILTER (WHERE NOT refresh) AS unexplained, sum(n) AS seen,
           sum(repeated) AS repeated, sum(announces) AS announces, min(querier_ids) AS querier_ids
    FROM visited
    GROUP BY operator
),
listed AS (
    SELECT operator, count(DISTINCT hash64(infohash)) AS hashes
    FROM members
    GROUP BY operator
),
-- Slots are every infohash on every occasion but one, on which it is seen because it is on the list. Which one was
-- repeated is not told apart: as many repeated ones count as slots allow.
passes AS (
    SELECT rounds.operator,
           hashes * (occasions - 1) AS slots,
           seen - hashes AS returned,
           least(repeated, seen - hashes) AS repeated,
           coalesce(querier_ids < $shared_ids, true) AND announces = 0 AND unexplained >= $tested_occasions AS tested
    FROM rounds
    JOIN listed ON rounds.operator = listed.operator
),
lists AS (
    SELECT *,
           benjamini_hochberg(p_value) OVER () AS q_value,
           count(p_value) OVER () AS tests
    FROM (
        SELECT *,
               CASE WHEN NOT tested THEN NULL
                    WHEN returned < $return_share * slots THEN 1
                    ELSE single_pass_test(slots, slots - returned, repeated) END AS p_value
        FROM passes
    )
),
listings AS (
    SELECT visited.*, tested, p_value, q_value, tests,
           CASE
               WHEN announces > 0 AND CAST(announcing_visits AS DOUBLE) / visits >= $announcing_share
                   THEN 'client_reannounce'
               WHEN refresh THEN 'bucket_refresh'
               WHEN querier_ids >= $shared_ids THEN 'shared_ip'
           END AS explained
    FROM visited
    JOIN lists ON visited.operator = lists.operator
),
findings AS (
    SELECT CASE WHEN by_rule OR coalesce(q_value <= $false_discovery, false)
                THEN 'SCHEDULED' ELSE 'RETURN_VISIT' END AS kind,
           by_rule, operator, infohash, CAST(NULL AS VARCHAR[]) AS infohashes, asn, country, visits, solo_visits,
           announces, raw_events, first_start, last_seen, mean, sd, cv, clock['period'] AS period,
           clock['cv'] AS clock_cv, clock['visits'] AS clock_visits, visits AS n,
           CASE WHEN tested THEN clock['p_value'] END AS p_value,
           q_value,
           CASE WHEN tested THEN tests END AS tests,
           CASE WHEN habitual THEN 'daily_habit' ELSE explained END AS explained_by
    FROM schedules
    UNION ALL
    SELECT CASE WHEN by_rule THEN 'SCHEDULED' ELSE 'RETURN_VISIT' END, by_rule, operator, infohash, NULL, asn, country,
           visits, solo_visits, announces, raw_events, first_start, last_seen, mean, sd, cv, NULL, NULL, NULL,
           visits AS n, NULL, NULL, NULL, explained
    FROM judged
    WHERE visits < $tested_visits
    UNION ALL
    SELECT 'CROSS_HASH', true, operator, NULL, infohashes, asn, country, visits, solo_visits, announces, raw_events,
           first_start, last_seen, seconds(last_start - first_start) / (visits - 1), NULL, NULL, NULL, NULL, NULL, n,
           CASE WHEN explained IS NULL THEN p_value END,
           CASE WHEN explained IS NULL THEN q_value END,
           CASE WHEN explained IS NULL AND tested THEN tests END,
           explained
    FROM listings
)
SELECT kind,
       by_rule,
       ip_text(operator) AS operator,
       encode(infohash, 'hex') AS infohash,
       infohashes,
       asn,
       country,
       visits,
       solo_visits,
       announces,
       raw_events AS observations,
       first_start AS first_seen,
       last_seen,
       mean / 3600 AS mean_interval_h,
       sd / 3600 AS interval_sd_h,
       cv,
       CASE WHEN kind = 'SCHEDULED' THEN coalesce(period, mean) / 3600 END AS period_h,
       CASE
           WHEN kind = 'SCHEDULED' AND by_rule THEN least(1 - cv, 1 - 0.5 / n)
           WHEN kind = 'SCHEDULED' THEN least(1 - clock_cv, 1 - 0.5 / clock_visits)
       END AS confidence,
       n,
       p_value,
       q_value,
       tests,
       coalesce(q_value <= $false_discovery, false) AS significant,
       explained_by,
       CASE
           WHEN kind = 'CROSS_HASH' THEN concat(n, ' infohashes in ', round(mean * (visits - 1) / 3600, 1), 'h')
           WHEN visits = 2 THEN concat('2 visits, ', round(mean / 3600, 1), 'h apart')
           WHEN kind = 'SCHEDULED' AND NOT by_rule
               THEN concat(visits, ' visits, every ', round(period / 3600, 1), 'h, some missing')
           ELSE concat(visits, ' visits, every ', round(mean / 3600, 1), 'h ±', round(sd / 3600, 1), 'h')
       END AS detail,
       now() AS computed_at
FROM findings
-- Whoever looks up an infohash finds its rows side by side.
ORDER BY infohash, operator, kind, first_seen
