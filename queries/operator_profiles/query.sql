WITH first_day AS (
    SELECT midnight(min(first_seen)) + INTERVAL '1 day' AS ends
    FROM derived.operator_days
),
days AS (
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
           max(presences_hit) AS most_presences_a_day,
           max(coalesce(CASE WHEN first_seen < ends THEN busiest_within_day END, busiest_window)) AS busiest_window,
           max(querier_ids) AS querier_ids
    FROM derived.operator_days
    CROSS JOIN first_day
    GROUP BY operator
),
prefixes AS (
    SELECT operator, leading_bits(infohash, 8) AS prefix, count(*) AS hashes, sum(interest_lookups) AS lookups
    FROM derived.pairs
    WHERE interest_days > 0
    GROUP BY operator, leading_bits(infohash, 8)
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
    SELECT operator,
           median(median_gap_seconds) AS typical_gap_seconds,
           min(median_gap_seconds) AS shortest_gap_seconds,
           sum(lookups - 1) AS repeats
    FROM derived.pair_days
    WHERE median_gap_seconds IS NOT NULL AND NOT upkeep
    GROUP BY operator
),
sweepers AS (
    SELECT operator, count(*) AS sweeps
    FROM derived.sweep_events
    WHERE significant
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
           most_presences_a_day,
           CASE WHEN get_peers + announce_peer > 0
                THEN CAST(announce_peer AS DOUBLE) / (get_peers + announce_peer) END AS announce_share,
           lookups_per_hash,
           most_hashes_a_day,
           typical_gap_seconds,
           shortest_gap_seconds,
           coalesce(repeats, 0) AS repeats,
           querier_ids
    FROM days
    LEFT JOIN spreads ON days.operator = spreads.operator
    LEFT JOIN rhythms ON days.operator = rhythms.operator
),
ruled AS (
    SELECT measured.*, asn, country, unique_hashes, first_seen, last_seen, sweeps,
           CASE
               WHEN actor_label = 'measurement_node' THEN 'named'
               WHEN only_upkeep AND hours_per_day >= $present_hours
                    AND most_presences_a_day >= $measured_presences THEN 'present'
               WHEN sample_infohashes >= $samples AND sample_presences >= $sample_presences THEN 'sampling'
               WHEN most_presence_share >= $crawler_share
                    AND coalesce(lookups_per_hash, 0) <= $indexed_lookups THEN 'crawling'
               WHEN sweeps > 0 THEN 'sweeping'
               WHEN unique_hashes >= $indexed_hashes AND lookups_per_hash <= $indexed_lookups
                    AND announce_peer = 0 THEN 'broad'
               WHEN announce_share >= $tracked_share AND unique_hashes >= $tracked_hashes THEN 'announcing'
               WHEN most_hashes_a_day <= $normal_hashes
                    AND (repeats < $cadence_repeats
                         OR typical_gap_seconds >= seconds($cadence_least)
                            AND shortest_gap_seconds <= seconds($cadence_most))
                    THEN 'ordinary'
               ELSE 'none'
           END AS rule
    FROM measured
    JOIN derived.operators ON measured.operator = operators.operator
    LEFT JOIN sweepers ON measured.operator = sweepers.operator
)
SELECT operator,
       asn,
       country,
       CASE rule
           WHEN 'named' THEN 'measurement_node'
           WHEN 'present' THEN 'measurement_node'
           WHEN 'sampling' THEN 'indexer'
           WHEN 'crawling' THEN 'crawler'
           WHEN 'sweeping' THEN 'crawler'
           WHEN 'broad' THEN 'indexer'
           WHEN 'announcing' THEN 'tracker_node'
           WHEN 'ordinary' THEN 'normal_client'
           ELSE 'unknown'
       END AS classification,
       CASE rule
           WHEN 'named' THEN 'on your list of measurement nodes'
           WHEN 'present' THEN concat(
               'ping and find_node only, ', round(hours_per_day, 1), ' hours a day (from ', $present_hours,
               '), on one day to ', most_presences_a_day, ' presences (from ', $measured_presences, ')')
           WHEN 'sampling' THEN concat(
               sample_infohashes, ' sample_infohashes (from ', $samples, '), on one day to ',
               sample_presences, ' presences (from ', $sample_presences, ')')
           WHEN 'crawling' THEN concat(
               round(100 * most_presence_share, 1), ' % of the presences within an hour (from ',
               round(100 * $crawler_share, 1), ' %)',
               CASE WHEN lookups_per_hash IS NULL THEN '' ELSE concat(
                   ', ', round(lookups_per_hash, 2), ' lookups per infohash (up to ', $indexed_lookups, ')') END)
           WHEN 'sweeping' THEN concat('significant sweeps: ', sweeps)
           WHEN 'broad' THEN concat(
               unique_hashes, ' infohashes (from ', $indexed_hashes, '), ', round(lookups_per_hash, 2),
               ' lookups each (up to ', $indexed_lookups, '), no announce')
           WHEN 'announcing' THEN concat(
               round(100 * announce_share, 1), ' % announces (from ', round(100 * $tracked_share, 1), ' %) on ',
               unique_hashes, ' infohashes (from ', $tracked_hashes, ')')
           ELSE concat(
               CASE WHEN rule = 'none' THEN 'no rule fits: ' ELSE '' END,
               '≤ ', most_hashes_a_day, ' infohashes a day (normal ≤ ', $normal_hashes, '), ',
               CASE WHEN repeats < $cadence_repeats
                    THEN concat(repeats, ' times again on one day (a cadence from ', $cadence_repeats, ')')
                    ELSE concat(
                        'again every ', round(typical_gap_seconds / 60, 1), ' min (normal ≥ ',
                        round(seconds($cadence_least) / 60, 1), '), at best ',
                        round(shortest_gap_seconds / 60, 1), ' (normal ≤ ',
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
       most_presences_a_day,
       sample_infohashes,
       sample_presences,
       announce_share,
       lookups_per_hash,
       most_hashes_a_day,
       repeats,
       typical_gap_seconds,
       shortest_gap_seconds,
       querier_ids,
       first_seen,
       last_seen,
       now() AS computed_at
FROM ruled
ORDER BY operator
