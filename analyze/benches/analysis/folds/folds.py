"""What one more hour has to add up again, by DuckDB: `folds.py DATA`, where DATA is a dataset that is computed.

Tables over all days rest on these sums, some on several. None of their tests is here, nor what few infohashes or
operators need, nor the day of the hour. Prints how many pairs there are.
"""

import sys
import tempfile
from pathlib import Path

import duckdb

THREADS = 2

FOLDS = [
    # pairs
    """
    SELECT operator, infohash, count(*) AS days, sum(raw_events) AS raw_events, sum(lookups) AS lookups,
           sum(announces) AS announces, sum(visits) AS visits, sum(solo_visits) AS solo_visits,
           sum(announcing_visits) AS announcing_visits, min(first_seen) AS first_seen, max(last_seen) AS last_seen,
           min(first_lookup) AS first_lookup, max(last_lookup) AS last_lookup, sum(gap_squares) AS gap_squares,
           min(first_visit) AS first_visit, max(last_visit) AS last_visit, sum(visit_gap_squares) AS visit_gap_squares,
           bool_and(near_own_id) AS near_own_id, any_value(asn) AS asn, any_value(country) AS country
    FROM read_parquet('{derived}/pair_days/**/*.parquet')
    GROUP BY operator, infohash
    ORDER BY infohash, operator
    """,
    # rendezvous_events: the visits of pairs that can keep a clock
    """
    SELECT operator, infohash, list(visit_start) AS visits
    FROM read_parquet('{derived}/visits/**/*.parquet')
    WHERE NOT continued
    GROUP BY operator, infohash
    HAVING count(*) >= 5
    """,
    # rendezvous_events: what was asked for on each occasion
    """
    SELECT operator, stretch_start, infohash, sum(visits) AS visits, sum(solo_visits) AS solo_visits,
           sum(announces) AS announces, sum(raw_events) AS raw_events, min(first_start) AS first_start,
           max(last_seen) AS last_seen, any_value(asn) AS asn, any_value(country) AS country
    FROM read_parquet('{derived}/cross_hash_days/**/*.parquet')
    GROUP BY operator, stretch_start, infohash
    """,
    # rendezvous_events, in order
    "SELECT * FROM '{derived}/rendezvous_events/data.parquet' ORDER BY infohash, operator, kind, first_seen",
    # operator_profiles, operators, campaigns, daily_summaries
    """
    SELECT operator, sum(raw_events) AS raw_events, max(unique_hashes) AS unique_hashes, count(*) AS days,
           min(first_seen) AS first_seen, max(last_seen) AS last_seen, max(querier_ids) AS querier_ids
    FROM read_parquet('{derived}/operator_days/**/*.parquet')
    GROUP BY operator
    """,
    # operators, prefix_entropy, hash_signals
    """
    SELECT operator, count(*) AS hashes, sum(interest_events) AS events, sum(interest_lookups) AS lookups
    FROM '{derived}/pairs/data.parquet'
    WHERE interest_days > 0
    GROUP BY operator
    """,
    # operator_profiles, prefix_entropy
    """
    SELECT operator, substr(hex(infohash), 1, 2) AS prefix, count(*) AS hashes
    FROM '{derived}/pairs/data.parquet'
    WHERE interest_days > 0
    GROUP BY operator, prefix
    """,
    # hash_audiences, hash_behavior_profiles, keyspace_heatmap, coordination, operator_clusters
    """
    SELECT infohash, count(*) AS operators, count(DISTINCT asn) AS asns, sum(announces) AS announces,
           min(first_seen) AS first_seen, max(last_seen) AS last_seen
    FROM '{derived}/pairs/data.parquet'
    GROUP BY infohash
    """,
    # operator_profiles, operators and hash_audiences, in order
    "SELECT * FROM '{derived}/operator_profiles/data.parquet' ORDER BY operator",
    "SELECT * FROM '{derived}/operators/data.parquet' ORDER BY operator",
    "SELECT * FROM '{derived}/hash_audiences/data.parquet' ORDER BY infohash",
]

derived = Path(sys.argv[1]) / "derived"
with tempfile.TemporaryDirectory(dir=derived.parent) as folder:
    duckdb.sql(f"SET threads = {THREADS}; SET preserve_insertion_order = false")
    for number, fold in enumerate(FOLDS):
        target = f"{folder}/{number}.parquet"
        duckdb.sql(f"COPY ({fold.format(derived=derived)}) TO '{target}' (FORMAT parquet, COMPRESSION zstd)")
    print(duckdb.sql(f"SELECT count(*) FROM '{folder}/0.parquet'").fetchall()[0][0])
