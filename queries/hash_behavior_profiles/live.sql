SELECT infohash AS finding,
       concat('[INFOHASH] ', infohash, ' / score:', signal_score, ' ', array_to_string(classifications, ', ')) AS line,
       last_seen AS at, infohash, classifications, signal_score, total_events, lookup_count, announce_count,
       unique_ips, unique_asns, burst_score, periodicity_score, first_seen
FROM derived.hash_behavior_profiles
WHERE signal_score >= $told_signals
