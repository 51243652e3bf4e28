-- section: Classes
SELECT classification AS class,
       count(*) AS operators,
       CAST(count(*) AS DOUBLE) / sum(count(*)) OVER () AS share,
       sum(total_events) AS events,
       CAST(sum(total_events) AS DOUBLE) / sum(sum(total_events)) OVER () AS event_share,
       median(unique_hashes) AS median_infohashes,
       max(unique_hashes) AS most_infohashes
FROM derived.operators
GROUP BY classification
ORDER BY operators DESC, class

-- section: Broad sweeps
SELECT operator, asn, country, actor_label AS label, unique_hashes AS infohashes, total_events AS events,
       events_per_hash, days_active AS days, last_seen
FROM derived.operators
WHERE classification = 'BROAD_SWEEP'
ORDER BY unique_hashes DESC, operator

-- section: Targeted
SELECT operator, asn, country, actor_label AS label, unique_hashes AS infohashes, total_events AS events,
       events_per_hash, days_active AS days, last_seen
FROM derived.operators
WHERE classification = 'TARGETED'
ORDER BY events_per_hash DESC, total_events DESC, operator

-- section: Most active
SELECT operator, asn, country, actor_label AS label, classification AS class, unique_hashes AS infohashes,
       total_events AS events, days_active AS days, last_seen
FROM derived.operators
ORDER BY total_events DESC, operator

-- section: Fleets, by autonomous system
SELECT asn,
       max(as_organization) AS organization,
       count(*) AS operators,
       count(DISTINCT country) AS countries,
       sum(total_events) AS events,
       CAST(sum(total_events) AS DOUBLE) / count(*) AS events_each,
       max(unique_hashes) AS most_infohashes,
       count(*) FILTER (WHERE classification = 'BROAD_SWEEP') AS broad,
       count(*) FILTER (WHERE classification = 'TARGETED') AS targeted
FROM derived.operators
WHERE asn IS NOT NULL
GROUP BY asn
ORDER BY events DESC, asn

-- section: By country
SELECT country,
       count(*) AS operators,
       count(DISTINCT asn) AS asns,
       sum(total_events) AS events,
       count(*) FILTER (WHERE classification = 'BROAD_SWEEP') AS broad,
       count(*) FILTER (WHERE classification = 'TARGETED') AS targeted
FROM derived.operators
WHERE country IS NOT NULL
GROUP BY country
ORDER BY events DESC, country
