-- section: Overview
SELECT count(*) AS operators,
       count(DISTINCT asn) AS asns,
       max(as_organization) AS organization,
       count(DISTINCT country) AS countries,
       sum(total_events) AS events,
       min(first_seen) AS first_seen,
       max(last_seen) AS last_seen
FROM derived.operators
WHERE operator = $operator OR asn = $asn
HAVING count(*) > 0

-- section: Operators
SELECT operator, asn, country, actor_label AS label, notes, classification AS class,
       unique_hashes AS infohashes, total_events AS events, events_per_hash, days_active AS days
FROM derived.operators
WHERE operator = $operator OR asn = $asn
ORDER BY total_events DESC, operator

-- section: Profiles
SELECT operator, classification AS class, reason
FROM derived.operator_profiles
WHERE operator = $operator OR asn = $asn
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
WHERE ip_text(operator) = $operator OR asn = $asn
GROUP BY date
ORDER BY date DESC

-- section: Infohashes
SELECT encode(pairs.infohash, 'hex') AS infohash,
       sum(raw_events) AS events,
       sum(announces) AS announces,
       count(DISTINCT hash64(operator)) AS operators,
       count(DISTINCT pairs.date) AS days,
       max(array_to_string(classifications, ', ')) AS labels
FROM derived.pair_days AS pairs
LEFT JOIN derived.hash_behavior_profiles AS profiles ON encode(pairs.infohash, 'hex') = profiles.infohash
WHERE ip_text(operator) = $operator OR asn = $asn
GROUP BY pairs.infohash
ORDER BY events DESC, infohash
