-- The day, and of the day before what a window can reach that was crowded before midnight.
WITH upkeep AS (
    SELECT operator, infohash, date_bin(INTERVAL '1 day', first_seen) AS day
    FROM derived.pair_days
    WHERE upkeep AND first_seen >= date_bin(INTERVAL '1 day', $since - $memory) AND first_seen < $until
),
looks AS (
    SELECT operator, infohash, visit_start, visit_end, announces, raw_events, solo, asn, country
    FROM derived.visits
    WHERE NOT continued AND lookups > 0 AND visit_start >= $since - $memory AND visit_start < $until
      AND NOT EXISTS (
          SELECT FROM upkeep
          WHERE upkeep.operator = visits.operator AND upkeep.infohash = visits.infohash
            AND upkeep.day = date_bin(INTERVAL '1 day', visit_start)
      )
),
crowds AS (
    SELECT operator,
           unnest(crowded_stretches(visit_start, hash64(infohash), $window, $min_hashes, $since)) AS stretch
    FROM looks
    GROUP BY operator
),
members AS (
    SELECT looks.operator,
           stretch['first'] AS stretch_start,
           stretch['continues'] AS continues,
           infohash,
           count(*) AS visits,
           count(*) FILTER (WHERE solo) AS solo_visits,
           count(*) FILTER (WHERE announces > 0) AS announcing_visits,
           sum(announces) AS announces,
           sum(raw_events) AS raw_events,
           min(visit_start) AS first_start,
           max(visit_start) AS last_start,
           max(visit_end) AS last_seen,
           min(asn) AS asn,
           least_text(country) AS country
    FROM looks
    JOIN crowds ON looks.operator = crowds.operator
     AND visit_start BETWEEN stretch['first'] AND stretch['last']
    GROUP BY looks.operator, stretch['first'], stretch['continues'], infohash
),
interest AS (
    SELECT infohash, count(*) AS operators
    FROM derived.pair_days
    WHERE first_seen >= $since AND first_seen < $until
    GROUP BY infohash
)
SELECT operator,
       stretch_start,
       continues,
       members.infohash,
       visits,
       solo_visits,
       announcing_visits,
       announces,
       raw_events,
       coalesce(operators > 1, false) AS company,
       first_start,
       last_start,
       last_seen,
       asn,
       country
FROM members
LEFT JOIN interest ON members.infohash = interest.infohash
ORDER BY operator, stretch_start, members.infohash
