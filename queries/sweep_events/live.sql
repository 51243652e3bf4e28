SELECT concat(operator, ' ', sweep_start) AS finding,
       line,
       sweep_end AS at, operator, asn, country, sweep_start, duration_seconds, first_prefix,
       last_prefix, n, sequential_ratio, tau_b, direction, confidence
FROM derived.sweep_events
WHERE explained_by IS NULL
