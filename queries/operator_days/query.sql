WITH days AS (
    SELECT operator(peer_ip) AS operator,
           count(*) FILTER (WHERE ts >= $since) AS raw_events,
           count(*) FILTER (WHERE ts >= $since AND method = 'get_peers') AS get_peers,
           count(*) FILTER (WHERE ts >= $since AND method = 'announce_peer') AS announce_peer,
           count(*) FILTER (WHERE ts >= $since AND method = 'find_node') AS find_node,
           count(*) FILTER (WHERE ts >= $since AND method = 'ping') AS ping,
           count(*) FILTER (WHERE ts >= $since AND method = 'sample_infohashes') AS sample_infohashes,
           count(DISTINCT hash64(sensor, source_node)) FILTER (
               WHERE ts >= $since AND method = 'sample_infohashes'
           ) AS sample_presences,
           hourly_activity(
               ts, hash64(sensor, source_node), coalesce(hash64(querier_id), CAST(0 AS BIGINT UNSIGNED)),
               $burst_window, $since
           ) AS activity,
           min(asn) AS asn,
           least_text(as_organization) AS as_organization,
           least_text(country) AS country,
           min(ts) FILTER (WHERE ts >= $since) AS first_seen,
           max(ts) AS last_seen
    FROM captured.events
    WHERE method IS NOT NULL AND ts >= $since - $burst_window AND ts < $until
    GROUP BY operator(peer_ip)
    HAVING max(ts) >= $since
),
hours AS (
    SELECT operator, unnest(activity['hours']) AS hour
    FROM days
),
live AS (
    SELECT date_bin(INTERVAL '1 hour', valid_from) AS start, count(DISTINCT hash64(sensor, source_node)) AS presences
    FROM captured.presences
    WHERE valid_from >= $since AND valid_from < $until
    GROUP BY date_bin(INTERVAL '1 hour', valid_from)
),
peaks AS (
    SELECT operator,
           count(*) AS hours_active,
           max(hour['presences']) AS most_presences_in_hour,
           max(CAST(hour['presences'] AS DOUBLE) / live.presences) AS most_presence_share,
           max(hour['queriers']) AS querier_ids
    FROM hours
    LEFT JOIN live ON hour['hour'] = start
    GROUP BY operator
),
interest AS (
    SELECT operator,
           count(*) FILTER (WHERE NOT upkeep) AS unique_hashes,
           count(*) FILTER (WHERE upkeep) AS upkeep_hashes,
           sum(lookups) FILTER (WHERE NOT upkeep) AS lookups,
           sum(announces) AS announces
    FROM derived.pair_days
    WHERE first_seen >= $since AND first_seen < $until
    GROUP BY operator
),
floods AS (
    SELECT operator(peer_ip) AS operator, sum(CAST("count" AS BIGINT)) AS flood_events
    FROM captured.floods
    WHERE method IS NOT NULL AND minute >= $since AND minute < $until
    GROUP BY operator(peer_ip)
)
SELECT days.operator,
       raw_events,
       get_peers,
       announce_peer,
       find_node,
       ping,
       sample_infohashes,
       coalesce(flood_events, 0) AS flood_events,
       coalesce(lookups, 0) AS lookups,
       coalesce(announces, 0) AS announces,
       coalesce(unique_hashes, 0) AS unique_hashes,
       coalesce(upkeep_hashes, 0) AS upkeep_hashes,
       hours_active,
       activity['presences'] AS presences_hit,
       most_presences_in_hour,
       most_presence_share,
       sample_presences,
       activity['busiest'] AS busiest_window,
       activity['within'] AS busiest_within_day,
       querier_ids,
       asn,
       as_organization,
       country,
       first_seen,
       last_seen
FROM days
JOIN peaks ON days.operator = peaks.operator
LEFT JOIN interest ON days.operator = interest.operator
LEFT JOIN floods ON days.operator = floods.operator
ORDER BY days.operator
