SELECT concat_ws(' ', kind, operator, coalesce(infohash, CAST(first_seen AS VARCHAR))) AS finding,
       concat(
           '[RENDEZVOUS] ', kind, ' ', operator, coalesce(concat(' AS', asn), ''),
           ' / ', coalesce(concat(infohash, ' '), ''), detail,
           coalesce(concat(' conf=', CAST(confidence AS DECIMAL(3, 2))), '')
       ) AS line,
       last_seen AS at, kind, operator, asn, country, infohash, n, visits, first_seen, mean_interval_h,
       interval_sd_h, cv, confidence
FROM derived.rendezvous_events
WHERE kind <> 'RETURN_VISIT' AND explained_by IS NULL
