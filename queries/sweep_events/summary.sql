-- section: Sweeps
SELECT operator,
       max(asn) AS asn,
       count(*) AS sweeps,
       count(*) FILTER (WHERE significant) AS significant,
       sum(hash_count) AS hashes,
       max(confidence) AS confidence,
       min(sweep_start) AS first_sweep,
       max(sweep_end) AS last_sweep
FROM derived.sweep_events
WHERE explained_by IS NULL
GROUP BY operator
ORDER BY significant > 0 DESC, confidence DESC, hashes DESC, operator
