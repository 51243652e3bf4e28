SELECT operator AS finding,
       concat('[PROFILE] ', operator, coalesce(concat(' AS', asn), ''), ' / ', classification) AS line,
       last_seen AS at, operator, asn, country, classification, reason, total_queries, unique_hashes, first_seen
FROM derived.operator_profiles
WHERE classification NOT IN ('normal_client', 'unknown')
