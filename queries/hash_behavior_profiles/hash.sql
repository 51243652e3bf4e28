-- section: Profile
SELECT infohash, concat('score:', signal_score, ' ', array_to_string(classifications, ', ')) AS signals
FROM derived.hash_behavior_profiles
WHERE infohash = $infohash

-- section: Evidence
SELECT label, by_rule, n, p_value, q_value, significant, vis_announce, explained_by
FROM derived.hash_signals
WHERE infohash = $infohash
ORDER BY significant DESC, q_value, label

-- section: Audience
SELECT operators, announcing, asns, exposure_bits, announce_rate, reference
FROM derived.hash_audiences
WHERE infohash = $infohash

-- section: Measures
SELECT total_events AS events,
       lookup_count AS lookups,
       announce_count AS announces,
       burst_score AS burst,
       periodicity_score AS periodicity,
       observer_score AS observer,
       unique_ips AS operators,
       unique_asns AS asns,
       duration_minutes
FROM derived.hash_behavior_profiles
WHERE infohash = $infohash

-- section: Days
SELECT date, total_events AS events, lookup_count AS lookups, announce_count AS announces,
       unique_ips AS operators, unique_asns AS asns, busiest_window AS busiest_5_min, first_seen, last_seen
FROM derived.hash_days
WHERE infohash = decode($infohash, 'hex')
ORDER BY date DESC

-- section: Operators
WITH asking AS (
    SELECT ip_text(operator) AS operator, asn, country, visits, lookups, announces, raw_events, last_seen
    FROM derived.pairs
    WHERE infohash = decode($infohash, 'hex')
)
SELECT asking.operator, asking.asn, asking.country, classification AS class, visits, lookups, announces,
       raw_events AS events, asking.last_seen
FROM asking
LEFT JOIN derived.operator_profiles AS profiles ON asking.operator = profiles.operator
ORDER BY events DESC, operator

-- section: Gaps between visits
SELECT ip_text(operator) AS operator, visit_start, visit_end, lookups, announces, solo,
       -- Not a window per operator: of those that few visits fall into, each costs as much as hundreds of rows.
       CASE WHEN operator = lag(operator) OVER by_operator
            THEN seconds(visit_start - lag(visit_start) OVER by_operator) / 3600
       END AS gap_hours
FROM derived.visits
WHERE infohash = decode($infohash, 'hex') AND NOT continued
WINDOW by_operator AS (ORDER BY operator, visit_start ROWS UNBOUNDED PRECEDING)
ORDER BY visit_start, operator

-- section: Rendezvous
SELECT operator, asn, kind, detail, confidence, q_value, significant, explained_by
FROM derived.rendezvous_events
WHERE infohash = $infohash
ORDER BY significant DESC, explained_by IS NOT NULL, confidence DESC NULLS LAST, visits DESC, operator
