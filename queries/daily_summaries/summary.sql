-- section: Overview
SELECT min(date_utc) AS first_day,
       max(date_utc) AS last_day,
       count(*) AS days,
       sum(total_events) AS events,
       (SELECT count(*) FROM derived.operators) AS operators,
       (SELECT count(DISTINCT hash64(infohash)) FROM derived.hash_days) AS infohashes
FROM derived.daily_summaries

-- section: Newest sealed day
SELECT date_utc AS "date", total_events AS events, unique_operators AS operators, unique_hashes AS infohashes,
       observer_targets, burst_activity AS bursts, multi_asn_hashes AS multi_asn, top_country AS country,
       capture_hours AS hours, live_presences AS presences
FROM derived.daily_summaries
ORDER BY sealed DESC, date_utc DESC
LIMIT 1

-- section: Activity by day
SELECT date_utc AS "date", total_events AS events, unique_operators AS operators, unique_hashes AS infohashes,
       top_country AS country, capture_hours AS hours, gap_seconds, drops
FROM derived.daily_summaries
ORDER BY date_utc DESC
