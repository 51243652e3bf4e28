WITH captured AS (
    SELECT DISTINCT CAST(first_seen AS DATE) AS day
    FROM derived.operator_days
),
extent AS (
    SELECT count(DISTINCT CAST(first_seen AS DATE)) AS days,
           seconds(max(last_seen) - min(first_seen)) / 3600 AS hours
    FROM derived.operator_days
),
activity AS (
    SELECT operator,
           count(*) AS days,
           sum(announce_peer) AS announces,
           max(querier_ids) AS querier_ids
    FROM derived.operator_days
    GROUP BY operator
),
-- Active most of the time, and never announcing.
silent AS (
    SELECT operator, querier_ids
    FROM activity
    CROSS JOIN extent
    WHERE announces = 0 AND activity.days >= $min_days AND activity.days >= $min_day_share * extent.days
),
targets AS (
    SELECT pairs.operator, infohash, silent.querier_ids, raw_events, first_seen, last_seen, asn, country
    FROM silent
    JOIN derived.pairs ON silent.operator = pairs.operator
    WHERE pairs.days >= $min_days
),
observers AS (
    SELECT ip_text(operator) AS operator,
           count(*) AS hashes,
           sum(raw_events) AS observations,
           min(first_seen) AS first_seen,
           max(last_seen) AS last_seen,
           min(asn) AS asn,
           least_text(country) AS country,
           CASE WHEN max(querier_ids) >= $shared_ids THEN 'shared_ip' END AS explained_by
    FROM targets
    GROUP BY operator
),
schedules AS (
    SELECT operator, asn, country, infohash, period_h, observations, first_seen, last_seen, by_rule, p_value,
           q_value, tests, significant,
           lag(period_h) OVER (PARTITION BY operator ORDER BY period_h, infohash) AS shorter
    FROM derived.rendezvous_events
    CROSS JOIN extent
    WHERE kind = 'SCHEDULED' AND explained_by IS NULL AND hours >= $min_periods * period_h
),
-- A period begins where the next longer one is no longer nearly the same.
periods AS (
    SELECT *, sum(CASE WHEN period_h <= shorter * (1 + $same_period) THEN 0 ELSE 1 END) OVER (
        PARTITION BY operator ORDER BY period_h, infohash ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS period
    FROM schedules
),
-- Clusters are made of significant pairs: the strongest of a cluster speaks for it.
links AS (
    SELECT cluster, count(*) AS n, min(p_value) AS p_value, min(q_value) AS q_value, max(tests) AS tests
    FROM (SELECT cluster, unnest(members) AS operator FROM derived.operator_clusters) members
    JOIN derived.coordination ON operator = operator_a
    WHERE significant
    GROUP BY cluster
),
found AS (
    SELECT concat('persistent_', substr(lpad(to_hex(hash64(operator)), 16, '0'), 1, 8)) AS campaign,
           'persistent_observer' AS kind,
           operator,
           asn,
           country,
           make_array(operator) AS members,
           CAST(1 AS BIGINT) AS operators,
           CAST(CASE WHEN asn IS NULL THEN 0 ELSE 1 END AS BIGINT) AS asns,
           CASE WHEN asn IS NOT NULL THEN make_array(concat('AS', asn)) END AS as_numbers,
           CASE WHEN country IS NOT NULL THEN make_array(country) END AS countries,
           CAST(NULL AS DOUBLE) AS coordination,
           CAST(NULL AS DOUBLE) AS period_h,
           hashes, observations, first_seen, last_seen, true AS by_rule, hashes AS n,
           CAST(NULL AS DOUBLE) AS p_value, CAST(NULL AS DOUBLE) AS q_value, CAST(NULL AS BIGINT) AS tests,
           false AS significant, explained_by
    FROM observers
    UNION ALL
    SELECT concat('scheduled_', substr(lpad(to_hex(hash64(operator)), 16, '0'), 1, 8), '_',
                  round(avg(period_h), 1), 'h'),
           'scheduled_monitoring',
           operator,
           min(asn),
           least_text(country),
           make_array(operator),
           1,
           CASE WHEN min(asn) IS NULL THEN 0 ELSE 1 END,
           CASE WHEN min(asn) IS NOT NULL THEN make_array(concat('AS', min(asn))) END,
           CASE WHEN least_text(country) IS NOT NULL THEN make_array(least_text(country)) END,
           NULL,
           avg(period_h),
           count(*), sum(observations), min(first_seen), max(last_seen), bool_or(by_rule), count(*) AS n,
           min(p_value), min(q_value), max(tests), bool_or(significant), NULL
    FROM periods
    GROUP BY operator, period
    UNION ALL
    SELECT concat('distributed_', substr(clusters.cluster, 9), '_', operators, 'ops'),
           'distributed', NULL, NULL, NULL, members, operators, asns, as_numbers, countries, coordination, NULL, hashes,
           observations, first_seen, last_seen, true, coalesce(n, 0), p_value, q_value, tests, n IS NOT NULL, NULL
    FROM derived.operator_clusters AS clusters
    LEFT JOIN links ON clusters.cluster = links.cluster
    WHERE operators >= $min_operators AND asns >= $min_asns
),
-- How many of the days between its first and its last sign a campaign was captured, and each of its
-- operators was active. Names are short hashes: the first operator keeps campaigns apart that share one.
spells AS (
    SELECT campaign, members[1] AS first_operator, count(*) AS days
    FROM found
    JOIN captured ON day BETWEEN CAST(first_seen AS DATE) AND CAST(last_seen AS DATE)
    GROUP BY campaign, members[1]
),
presence AS (
    SELECT campaign, first_operator, count(*) AS operator_days
    FROM (
        SELECT campaign, members[1] AS first_operator, unnest(members) AS operator, first_seen, last_seen
        FROM found
    ) memberships
    JOIN (SELECT ip_text(operator) AS operator, first_seen AS seen FROM derived.operator_days) days
      ON memberships.operator = days.operator
     AND CAST(seen AS DATE) BETWEEN CAST(first_seen AS DATE) AND CAST(last_seen AS DATE)
    GROUP BY campaign, first_operator
)
SELECT found.campaign,
       kind,
       by_rule,
       operator,
       asn,
       country,
       operators,
       members,
       asns,
       as_numbers,
       coalesce(CAST(array_length(countries) AS BIGINT), 0) AS geographic_spread,
       countries,
       coordination,
       period_h,
       hashes,
       observations,
       first_seen,
       last_seen,
       seconds(last_seen - first_seen) / 3600 AS duration_h,
       CAST(operator_days AS DOUBLE) / (operators * days) AS infrastructure_persistence,
       n,
       p_value,
       q_value,
       tests,
       significant,
       explained_by,
       now() AS computed_at
FROM found
JOIN spells ON found.campaign = spells.campaign AND members[1] = spells.first_operator
JOIN presence ON found.campaign = presence.campaign AND members[1] = presence.first_operator
ORDER BY kind, campaign, first_seen, last_seen
