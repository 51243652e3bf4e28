-- section: Overview
SELECT count(*) AS operators,
       count(DISTINCT asn) AS asns,
       max(as_organization) AS organization,
       count(DISTINCT country) AS countries,
       sum(total_events) AS events,
       min(first_seen) AS first_seen,
       max(last_seen) AS last_seen
FROM derived.operators
WHERE operator = ip_text($operator) OR asn = $asn
HAVING count(*) > 0

-- section: Operators
SELECT operator, asn, country, actor_label AS label, notes, classification AS class,
       unique_hashes AS infohashes, total_events AS events, events_per_hash, days_active AS days
FROM derived.operators
WHERE operator = ip_text($operator) OR asn = $asn
ORDER BY total_events DESC, operator

-- section: Profiles
SELECT operator, classification AS class, reason
FROM derived.operator_profiles
WHERE operator = ip_text($operator) OR asn = $asn
ORDER BY total_queries DESC, operator

-- section: Days
SELECT date,
       count(*) AS operators,
       sum(raw_events) AS events,
       sum(get_peers) AS get_peers,
       sum(announce_peer) AS announces,
       sum(find_node) AS find_node,
       sum(ping) AS ping,
       sum(sample_infohashes) AS samples,
       max(unique_hashes) AS infohashes,
       max(hours_active) AS hours,
       max(presences_hit) AS presences
FROM derived.operator_days
WHERE operator = $operator OR asn = $asn
GROUP BY date
ORDER BY date DESC

-- section: Infohashes
WITH asked AS (
    SELECT infohash,
           sum(raw_events) AS events,
           sum(announces) AS announces,
           count(DISTINCT hash64(operator)) AS operators,
           -- The engine counts different integers faster than different dates.
           count(DISTINCT CAST(date AS INT)) AS days
    FROM derived.pair_days
    WHERE operator = $operator OR asn = $asn
    GROUP BY infohash
)
SELECT encode(asked.infohash, 'hex') AS infohash, events, announces, operators, days,
       array_to_string(classifications, ', ') AS labels
FROM asked
LEFT JOIN derived.hash_behavior_profiles AS profiles ON encode(asked.infohash, 'hex') = profiles.infohash
ORDER BY events DESC, infohash

-- section: Sweeps
SELECT operator, sweep_start, concat(first_prefix, '→', last_prefix) AS prefixes,
       hash_count AS hashes, duration_seconds AS seconds, direction, confidence, q_value, significant,
       explained_by
FROM derived.sweep_events
WHERE operator = ip_text($operator) OR asn = $asn
ORDER BY significant DESC, sweep_start DESC, operator

-- section: Rendezvous
SELECT operator, kind, infohash, detail, confidence, explained_by, last_seen
FROM derived.rendezvous_events
WHERE operator = ip_text($operator) OR asn = $asn
ORDER BY explained_by IS NOT NULL, confidence DESC NULLS LAST, visits DESC, operator, infohash, last_seen

-- section: Campaigns
SELECT campaign, kind, operators, asns, coordination, duration_h AS hours, first_seen, last_seen
FROM derived.campaigns
WHERE array_has(members, ip_text($operator)) OR array_has(as_numbers, concat('AS', $asn))
ORDER BY first_seen, campaign
