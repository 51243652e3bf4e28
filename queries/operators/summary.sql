-- section: Operator classes
SELECT classification AS class,
       count(*) AS operators,
       CAST(count(*) AS DOUBLE) / sum(count(*)) OVER () AS share,
       sum(total_events) AS events,
       max(unique_hashes) AS most_infohashes
FROM derived.operators
GROUP BY classification
ORDER BY operators DESC, class

-- section: Top operators
SELECT operator, asn, country, actor_label AS label, classification AS class, unique_hashes AS infohashes,
       total_events AS events, days_active AS days, last_seen
FROM derived.operators
ORDER BY total_events DESC, operator
