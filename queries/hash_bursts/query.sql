WITH found AS (
    SELECT target AS infohash,
           bursts(lookup_start, lookup_end, greatest(raw_events / ($sends * presences_hit), 1),
                  $burst_window, $burst_context, $since, $until) AS burst
    FROM derived.lookups
    WHERE method = 'get_peers' AND target IS NOT NULL AND NOT continued AND presences_hit > 0
      AND lookup_end >= $since - $memory AND lookup_start < $until
    GROUP BY target
)
SELECT infohash,
       CAST($since AS DATE) AS day,
       burst['asks'] AS asks,
       burst['stretches'] AS stretches,
       burst['p_value'] AS p_value,
       burst['open_stretches'] AS open_stretches,
       burst['open_p_value'] AS open_p_value
FROM found
WHERE burst['asks'] > 0 OR burst['stretches'] > 0
ORDER BY infohash
