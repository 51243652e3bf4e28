-- section: Overview
SELECT min(first_seen) AS period_from,
       max(last_seen) AS period_to,
       sum(raw_events) AS total_observations,
       count(DISTINCT hash64(operator)) AS unique_operators
FROM derived.operator_days

-- section: Campaigns by kind
-- The total comes first: it is never what a limit cuts off.
SELECT kind, count(*) AS campaigns, count(*) - count(explained_by) AS unexplained,
       count(*) FILTER (WHERE significant) AS significant, sum(operators) AS memberships, sum(observations) AS observations
FROM (
    SELECT kind, explained_by, significant, operators, observations, 0 AS place FROM derived.campaigns
    UNION ALL
    SELECT 'total', explained_by, significant, operators, observations, 1 FROM derived.campaigns
)
GROUP BY kind, place
ORDER BY place DESC, kind

-- section: Distributed
SELECT campaign, operators, asns, coordination, duration_h, hashes, observations,
       infrastructure_persistence AS persistence, q_value, significant, array_to_string(countries, ' ') AS countries
FROM derived.campaigns
WHERE kind = 'distributed'
ORDER BY operators DESC, coordination DESC, campaign

-- section: Operators of distributed campaigns
SELECT campaign, unnest(members) AS operator
FROM derived.campaigns
WHERE kind = 'distributed'
ORDER BY campaign, operator

-- section: Scheduled monitoring
SELECT operator, asn, country, period_h, duration_h, hashes, observations,
       infrastructure_persistence AS persistence, q_value, significant
FROM derived.campaigns
WHERE kind = 'scheduled_monitoring'
ORDER BY significant DESC, hashes DESC, duration_h DESC, operator, period_h

-- section: Persistent observers
SELECT operator, asn, country, duration_h, hashes, observations,
       infrastructure_persistence AS persistence, explained_by
FROM derived.campaigns
WHERE kind = 'persistent_observer'
ORDER BY explained_by IS NOT NULL, observations DESC, operator
