WITH queries AS (
    SELECT operator(peer_ip) AS operator, ts, method, hash64(sensor, source_node) AS presence,
           hash64(querier_id) AS querier, asn, as_organization, country
    FROM captured.events
    WHERE method IS NOT NULL AND ts >= $since - $burst_window AND ts < $until
),
days AS (
    SELECT operator,
           count(*) FILTER (WHERE ts >= $since) AS raw_events,
           count(*) FILTER (WHERE ts >= $since AND method = 'get_peers') AS get_peers,
           count(*) FILTER (WHERE ts >= $since AND method = 'announce_peer') AS announce_peer,
           count(*) FILTER (WHERE ts >= $since AND method = 'find_node') AS find_node,
           count(*) FILTER (WHERE ts >= $since AND method = 'ping') AS ping,
           count(*) FILTER (WHERE ts >= $since AND method = 'sample_infohashes') AS sample_infohashes,
           count(DISTINCT presence) FILTER (WHERE ts >= $since) AS presences_hit,
           count(DISTINCT presence) FILTER (
               WHERE ts >= $since AND method = 'sample_infohashes'
           ) AS sample_presences,
           max_in_window(ts, $burst_window, $since) AS busiest_window,
           min(asn) AS asn,
           min(as_organization) AS as_organization,
           min(country) AS country,
           min(ts) FILTER (WHERE ts >= $since) AS first_seen,
           max(ts) AS last_seen
    FROM queries
    GROUP BY operator
    HAVING max(ts) >= $since
),
hours AS (
    SELECT operator, date_bin(INTERVAL '1 hour', ts) AS hour,
           count(DISTINCT presence) AS presences,
           count(DISTINCT querier) AS querier_ids
    FROM queries
    WHERE ts >= $since
    GROUP BY operator, date_bin(INTERVAL '1 hour', ts)
),
live AS (
    SELECT date_bin(INTERVAL '1 hour', valid_from) AS hour, count(DISTINCT hash64(sensor, source_node)) AS presences
    FROM captured.presences
    WHERE valid_from >= $since AND valid_from < $until
    GROUP BY date_bin(INTERVAL '1 hour', valid_from)
),
peaks AS (
    SELECT operator,
           count(*) AS hours_active,
           max(hours.presences) AS most_presences_in_hour,
           max(CAST(hours.presences AS DOUBLE) / live.presences) AS most_presence_share,
           max(querier_ids) AS querier_ids
    FROM hours
    LEFT JOIN live ON hours.hour = live.hour
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
       presences_hit,
       most_presences_in_hour,
       most_presence_share,
       sample_presences,
       busiest_window,
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
