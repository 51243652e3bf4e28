-- section: Schedules
SELECT operator, asn, infohash, detail AS schedule, period_h, confidence, q_value, significant, explained_by
FROM derived.rendezvous_events
WHERE kind = 'SCHEDULED'
ORDER BY significant DESC, q_value, confidence DESC, visits DESC, operator, infohash

-- section: Who goes through lists of infohashes
SELECT operator,
       asn,
       country,
       count(*) AS occasions,
       count(*) - count(explained_by) AS unexplained,
       avg(n) AS mean_infohashes,
       min(q_value) AS q_value,
       bool_or(significant) AS significant,
       min(first_seen) AS first_seen,
       max(last_seen) AS last_seen
FROM derived.rendezvous_events
WHERE kind = 'CROSS_HASH'
GROUP BY operator, asn, country
ORDER BY significant DESC, unexplained DESC, occasions DESC, operator, asn, country

-- section: Newest lists
SELECT first_seen AS began, operator, asn, detail AS list, visits, announces, significant, explained_by
FROM derived.rendezvous_events
WHERE kind = 'CROSS_HASH'
ORDER BY first_seen DESC, operator

-- section: Returns and what explains them
SELECT kind,
       explained_by,
       count(*) AS findings,
       count(*) FILTER (WHERE significant) AS significant,
       count(DISTINCT operator) AS operators,
       count(DISTINCT infohash) AS infohashes,
       sum(visits) AS visits,
       sum(solo_visits) AS solo_visits,
       sum(announces) AS announces
FROM derived.rendezvous_events
GROUP BY kind, explained_by
ORDER BY kind DESC, findings DESC, explained_by
