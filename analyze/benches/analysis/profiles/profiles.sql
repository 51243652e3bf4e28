WITH profiles AS (
    SELECT {key}, count(*) AS events,
           activity(
               ts, hash64({other}), coalesce(asn, 0), arrow_cast(300000000, 'Duration(Microsecond)'),
               arrow_cast(0, 'Timestamp(Microsecond, Some("UTC"))')
           ) AS activity,
           seconds(max(ts) - min(ts)) AS span
    FROM captured.events
    WHERE infohash IS NOT NULL
    GROUP BY {key}
),
measures AS (
    SELECT events, activity['parties'] AS others, activity['networks'] AS asns, activity['busiest'] AS burst,
           activity['gap_squares'] AS squares, span
    FROM profiles
)
SELECT count(*), sum(events), sum(others), sum(asns), sum(burst), sum(events * burst),
       sum(CASE WHEN span > 0 THEN (events - 1) * squares / (span * span) END)
FROM measures
