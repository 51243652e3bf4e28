-- section: Overview
SELECT min(date) AS first_day,
       max(date) AS last_day,
       count(DISTINCT date) AS days,
       sum(total_events) AS events,
       (SELECT count(DISTINCT hash64(operator)) FROM derived.pair_days) AS operators,
       count(DISTINCT hash64(infohash)) AS infohashes
FROM derived.hash_days

-- section: Activity by day
SELECT date,
       count(*) AS infohashes,
       sum(total_events) AS events,
       sum(lookup_count) AS lookups,
       sum(announce_count) AS announces,
       max(busiest_window) AS busiest_5_min
FROM derived.hash_days
GROUP BY date
ORDER BY date DESC
