WITH days AS (
    SELECT operator,
           last_value(asn ORDER BY first_seen) FILTER (WHERE asn IS NOT NULL) AS asn,
           last_value(as_organization ORDER BY first_seen) FILTER (WHERE asn IS NOT NULL) AS as_organization,
           last_value(country ORDER BY first_seen) FILTER (WHERE country IS NOT NULL) AS country,
           sum(raw_events) AS total_events,
           max(unique_hashes) AS most_hashes,
           sum(unique_hashes) AS hash_days,
           sum(get_peers + announce_peer) AS hash_events,
           count(*) AS days_active,
           min(first_seen) AS first_seen,
           max(last_seen) AS last_seen
    FROM derived.operator_days
    GROUP BY operator
),
interest AS (
    SELECT operator, count(*) AS hashes, sum(interest_events) AS events
    FROM derived.pairs
    WHERE interest_days > 0
    GROUP BY operator
),
named_networks AS (
    SELECT operator,
           first_value(label ORDER BY network_start DESC, network_end) AS label,
           first_value(note ORDER BY network_start DESC, network_end) AS note
    FROM days
    JOIN user.actors ON operator >= network_start AND operator <= network_end
    GROUP BY operator
),
named_systems AS (
    SELECT asn, label, note FROM user.actors WHERE asn IS NOT NULL
),
measured AS (
    SELECT ip_text(days.operator) AS operator,
           days.asn,
           as_organization,
           country,
           coalesce(named_networks.label, named_systems.label) AS actor_label,
           CASE WHEN named_networks.label IS NULL THEN named_systems.note ELSE named_networks.note END AS notes,
           greatest(coalesce(hashes, 0), most_hashes) AS unique_hashes,
           total_events,
           coalesce(
               CAST(events AS DOUBLE) / hashes,
               CASE WHEN hash_days > 0 THEN CAST(hash_events AS DOUBLE) / hash_days END
           ) AS events_per_hash,
           days_active,
           first_seen,
           last_seen
    FROM days
    LEFT JOIN interest ON days.operator = interest.operator
    LEFT JOIN named_networks ON days.operator = named_networks.operator
    LEFT JOIN named_systems ON days.asn = named_systems.asn
)
SELECT operator,
       asn,
       as_organization,
       country,
       actor_label,
       notes,
       CASE
           WHEN unique_hashes >= $broad_hashes THEN 'BROAD_SWEEP'
           WHEN events_per_hash >= $targeted_ratio THEN 'TARGETED'
           ELSE 'MIXED'
       END AS classification,
       unique_hashes,
       total_events,
       events_per_hash,
       days_active,
       first_seen,
       last_seen,
       now() AS computed_at
FROM measured
ORDER BY operator
