WITH days AS (
    SELECT operator,
           sum(raw_events) AS raw_events,
           sum(raw_events + flood_events) AS total_queries,
           sum(get_peers) AS get_peers,
           sum(announce_peer) AS announce_peer,
           sum(ping + find_node) AS upkeep,
           sum(sample_infohashes) AS sample_infohashes,
           sum(hours_active) AS hours,
           count(*) AS days,
           max(unique_hashes) AS most_hashes_a_day,
           max(most_presence_share) AS most_presence_share,
           max(sample_presences) AS sample_presences,
           max(busiest_window) AS busiest_window,
           max(querier_ids) AS querier_ids
    FROM derived.operator_days
    GROUP BY operator
),
-- Near the id of the one operator that asked for it: upkeep.
upkeep AS (
    SELECT infohash
    FROM derived.pair_days
    GROUP BY infohash
    HAVING bool_and(near_own_id) AND min(hash64(operator)) = max(hash64(operator))
),
prefixes AS (
    SELECT operator,
           left(encode(pairs.infohash, 'hex'), 2) AS prefix,
           count(DISTINCT hash64(pairs.infohash)) AS hashes,
           sum(lookups) AS lookups
    FROM derived.pair_days AS pairs
    LEFT ANTI JOIN upkeep ON pairs.infohash = upkeep.infohash
    GROUP BY operator, left(encode(pairs.infohash, 'hex'), 2)
),
-- −Σ p·log2 p with p = hashes / total.
spreads AS (
    SELECT operator,
           CAST(sum(lookups) AS DOUBLE) / sum(hashes) AS lookups_per_hash,
           sum(hashes) AS hashes,
           log2(sum(hashes)) - sum(hashes * log2(hashes)) / sum(hashes) AS entropy
    FROM prefixes
    GROUP BY operator
),
rhythms AS (
    SELECT operator, median(median_gap_seconds) AS typical_gap_seconds
    FROM derived.pair_days AS pairs
    LEFT ANTI JOIN upkeep ON pairs.infohash = upkeep.infohash
    WHERE median_gap_seconds IS NOT NULL
    GROUP BY operator
),
measured AS (
    SELECT ip_text(days.operator) AS operator,
           raw_events = upkeep AS only_upkeep,
           announce_peer,
           get_peers + announce_peer AS hash_events,
           total_queries,
           CAST(total_queries AS DOUBLE) / hours AS query_rate_per_hour,
           CAST(busiest_window AS DOUBLE) / raw_events AS burst_score,
           CASE WHEN hashes > 1 THEN greatest(entropy, 0) / log2(least(hashes, 256)) END AS entropy_score,
           CAST(hours AS DOUBLE) / days AS hours_per_day,
           most_presence_share,
           sample_infohashes,
           sample_presences,
           CASE WHEN get_peers + announce_peer > 0
                THEN CAST(announce_peer AS DOUBLE) / (get_peers + announce_peer) END AS announce_share,
           lookups_per_hash,
           most_hashes_a_day,
           typical_gap_seconds,
           querier_ids
    FROM days
    LEFT JOIN spreads ON days.operator = spreads.operator
    LEFT JOIN rhythms ON days.operator = rhythms.operator
),
ruled AS (
    SELECT measured.*, asn, country, unique_hashes, first_seen, last_seen,
           CASE
               WHEN actor_label = 'measurement_node' THEN 'named'
               WHEN only_upkeep AND hours_per_day >= $present_hours THEN 'present'
               WHEN sample_infohashes >= $samples AND sample_presences >= $sample_presences THEN 'sampling'
               WHEN most_presence_share >= $crawler_share THEN 'crawling'
               WHEN unique_hashes >= $indexed_hashes AND lookups_per_hash <= $indexed_lookups
                    AND announce_peer = 0 THEN 'broad'
               WHEN announce_share >= $tracked_share AND unique_hashes >= $tracked_hashes THEN 'announcing'
               WHEN most_hashes_a_day <= $normal_hashes
                    AND (typical_gap_seconds IS NULL
                         OR typical_gap_seconds BETWEEN seconds($cadence_least) AND seconds($cadence_most))
                    THEN 'ordinary'
               ELSE 'none'
           END AS rule
    FROM measured
    JOIN derived.operators ON measured.operator = operators.operator
)
SELECT operator,
       asn,
       country,
       CASE rule
           WHEN 'named' THEN 'measurement_node'
           WHEN 'present' THEN 'measurement_node'
           WHEN 'sampling' THEN 'indexer'
           WHEN 'crawling' THEN 'crawler'
           WHEN 'broad' THEN 'indexer'
           WHEN 'announcing' THEN 'tracker_node'
           WHEN 'ordinary' THEN 'normal_client'
           ELSE 'unknown'
       END AS classification,
       CASE rule
           WHEN 'named' THEN 'on your list of measurement nodes'
           WHEN 'present' THEN concat(
               'ping and find_node only, ', round(hours_per_day, 1), ' hours a day (from ', $present_hours, ')')
           WHEN 'sampling' THEN concat(
               sample_infohashes, ' sample_infohashes (from ', $samples, '), on one day to ',
               sample_presences, ' presences (from ', $sample_presences, ')')
           WHEN 'crawling' THEN concat(
               round(100 * most_presence_share, 1), ' % of the presences within an hour (from ',
               round(100 * $crawler_share, 1), ' %)')
           WHEN 'broad' THEN concat(
               unique_hashes, ' infohashes (from ', $indexed_hashes, '), ', round(lookups_per_hash, 2),
               ' lookups each (up to ', $indexed_lookups, '), no announce')
           WHEN 'announcing' THEN concat(
               round(100 * announce_share, 1), ' % announces (from ', round(100 * $tracked_share, 1), ' %) on ',
               unique_hashes, ' infohashes (from ', $tracked_hashes, ')')
           ELSE concat(
               CASE WHEN rule = 'none' THEN 'no rule fits: ' ELSE '' END,
               '≤ ', most_hashes_a_day, ' infohashes a day (normal ≤ ', $normal_hashes, '), ',
               CASE WHEN typical_gap_seconds IS NULL THEN 'none again on one day'
                    ELSE concat(
                        'again every ', round(typical_gap_seconds / 60, 1), ' min (normal ',
                        round(seconds($cadence_least) / 60, 1), '–',
                        round(seconds($cadence_most) / 60, 1), ')')
               END)
       END AS reason,
       total_queries,
       unique_hashes,
       query_rate_per_hour,
       burst_score,
       entropy_score,
       hours_per_day,
       most_presence_share,
       sample_infohashes,
       sample_presences,
       announce_share,
       lookups_per_hash,
       most_hashes_a_day,
       typical_gap_seconds,
       querier_ids,
       first_seen,
       last_seen,
       now() AS computed_at
FROM ruled
ORDER BY operator
