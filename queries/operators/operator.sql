-- coalesce: false where no autonomous system is asked for. Beside a null the engine would not skip pages by the
-- operator.

-- section: Overview
SELECT count(*) AS operators,
       count(DISTINCT asn) AS asns,
       max(as_organization) AS organization,
       count(DISTINCT country) AS countries,
       sum(total_events) AS events,
       min(first_seen) AS first_seen,
       max(last_seen) AS last_seen
FROM derived.operators
WHERE operator = ip_text($operator) OR coalesce(asn = $asn, false)
HAVING count(*) > 0

-- section: Operators
SELECT operator, asn, country, actor_label AS label, notes, classification AS class,
       unique_hashes AS infohashes, total_events AS events, events_per_hash, days_active AS days
FROM derived.operators
WHERE operator = ip_text($operator) OR coalesce(asn = $asn, false)
ORDER BY total_events DESC, operator

-- section: Profiles
SELECT operator, classification AS class, reason
FROM derived.operator_profiles
WHERE operator = ip_text($operator) OR coalesce(asn = $asn, false)
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
WHERE operator = $operator OR coalesce(asn = $asn, false)
GROUP BY date
ORDER BY date DESC

-- section: Infohashes
WITH interests AS (
    -- What one operator asked for lies side by side among its lookups, and apart among pairs. Half of this is for
    -- nothing: where the condition is known to be false, not only null, the engine reads none of it.
    SELECT target AS infohash, raw_events, operator, date,
           CAST(method = 'announce_peer' AND NOT continued AS BIGINT) AS announces
    FROM derived.lookups
    WHERE $operator IS NOT NULL AND operator = $operator
      AND method IN ('get_peers', 'announce_peer') AND target IS NOT NULL
    UNION ALL
    SELECT infohash, raw_events, operator, date, announces
    FROM derived.pair_days
    WHERE $asn IS NOT NULL AND asn = $asn
),
asked AS (
    SELECT encode(interests.infohash, 'hex') AS infohash,
           sum(raw_events) AS events,
           sum(announces) AS announces,
           count(DISTINCT hash64(operator)) AS operators,
           -- The engine counts different integers faster than different dates.
           count(DISTINCT CAST(date AS INT)) AS days
    FROM interests
    GROUP BY interests.infohash
)
SELECT asked.infohash, events, announces, operators, days,
       array_to_string(classifications, ', ') AS labels
FROM asked
LEFT JOIN derived.hash_behavior_profiles AS profiles ON asked.infohash = profiles.infohash
ORDER BY events DESC, infohash

-- section: Sweeps
SELECT operator, sweep_start, concat(first_prefix, '→', last_prefix) AS prefixes,
       hash_count AS hashes, duration_seconds AS seconds, direction, confidence, q_value, significant,
       explained_by
FROM derived.sweep_events
WHERE operator = ip_text($operator) OR coalesce(asn = $asn, false)
ORDER BY significant DESC, sweep_start DESC, operator

-- section: Rendezvous
SELECT operator, kind, infohash, detail, confidence, explained_by, last_seen
FROM derived.rendezvous_events
WHERE operator = ip_text($operator) OR coalesce(asn = $asn, false)
ORDER BY explained_by IS NOT NULL, confidence DESC NULLS LAST, visits DESC, operator, infohash, last_seen

-- section: Campaigns
SELECT campaign, kind, operators, asns, coordination, duration_h AS hours, first_seen, last_seen
FROM derived.campaigns
WHERE array_has(members, ip_text($operator)) OR array_has(as_numbers, concat('AS', $asn))
ORDER BY first_seen, campaign
