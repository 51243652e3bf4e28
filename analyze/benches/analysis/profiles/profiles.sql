WITH profiles AS (
    SELECT {key}, count(*) AS events, count(DISTINCT hash64({other})) AS others, count(DISTINCT asn) AS asns,
           max_in_window(
               ts, arrow_cast(300000000, 'Duration(Microsecond)'), arrow_cast(0, 'Timestamp(Microsecond, Some("UTC"))')
           ) AS burst,
           gap_squares(ts) AS squares, seconds(max(ts) - min(ts)) AS span
    FROM captured.events
    WHERE infohash IS NOT NULL
    GROUP BY {key}
)
SELECT count(*), sum(events), sum(others), sum(asns), sum(burst), sum(events * burst),
       sum(CASE WHEN span > 0 THEN (events - 1) * squares / (span * span) END)
FROM profiles
