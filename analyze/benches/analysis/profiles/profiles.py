"""The same profiles by DuckDB or Polars: `profiles.py duckdb|polars COLUMN EVENTS`, where EVENTS is the
folder of captured.events and COLUMN what is profiled, `infohash` or `peer_ip`.

Prints one line of sums over all profiles, as profiles.sql has them.
"""

import sys

THREADS = 2


def duckdb_sums(key, other, events):
    import duckdb

    duckdb.sql(f"SET threads = {THREADS}")
    return duckdb.sql(
        f"""
        WITH queries AS (
            SELECT {key}, {other}, asn, ts,
                   count(*) OVER (PARTITION BY {key} ORDER BY ts
                                  RANGE BETWEEN INTERVAL 5 MINUTES PRECEDING AND CURRENT ROW) AS busy,
                   date_sub('microsecond', lag(ts) OVER (PARTITION BY {key} ORDER BY ts), ts) / 1e6 AS gap
            FROM read_parquet('{events}/**/*.parquet', hive_partitioning = false)
            WHERE infohash IS NOT NULL
        ),
        profiles AS (
            SELECT {key}, count(*) AS events, count(DISTINCT {other}) AS others, count(DISTINCT asn) AS asns,
                   max(busy) AS burst, sum(gap * gap) AS squares,
                   date_sub('microsecond', min(ts), max(ts)) / 1e6 AS span
            FROM queries
            GROUP BY {key}
        )
        SELECT count(*), sum(events), sum(others), sum(asns), sum(burst), sum(events * burst),
               sum(CASE WHEN span > 0 THEN (events - 1) * squares / (span * span) END)
        FROM profiles
        """
    ).fetchall()[0]


def polars_sums(key, other, events):
    import os

    os.environ["POLARS_MAX_THREADS"] = str(THREADS)
    import polars as pl

    events = (
        pl.scan_parquet(events, hive_partitioning=False)
        .filter(pl.col("infohash").is_not_null())
        .select(key, other, "asn", "ts")
        .collect()
    )
    groups = events.lazy().group_by(key)
    counts = groups.agg(
        pl.len().cast(pl.Int64).alias("events"),
        pl.col(other).n_unique().cast(pl.Int64).alias("others"),
        pl.col("asn").drop_nulls().n_unique().cast(pl.Int64).alias("asns"),
    )
    times = events.lazy().select(key, "ts").sort(key, "ts")
    gap = pl.col("ts").diff().dt.total_microseconds() / 1e6
    span = (pl.col("ts").last() - pl.col("ts").first()).dt.total_microseconds() / 1e6
    before = pl.col("ts").search_sorted(pl.col("ts") - pl.duration(minutes=5))
    rhythms = times.group_by(key).agg(
        (pl.int_range(1, pl.len() + 1) - before).max().cast(pl.Int64).alias("burst"),
        (gap * gap).sum().alias("squares"),
        span.alias("span"),
    )
    number, squares, span = pl.col("events"), pl.col("squares"), pl.col("span")
    return (
        counts.join(rhythms, on=key)
        .select(
            pl.len(),
            number.sum(),
            pl.col("others").sum(),
            pl.col("asns").sum(),
            pl.col("burst").sum().alias("bursts"),
            (number * pl.col("burst")).sum().alias("product"),
            pl.when(span > 0).then((number - 1) * squares / (span * span)).sum().alias("gaps"),
        )
        .collect()
        .row(0)
    )


engine, key, events = sys.argv[1:]
other = "peer_ip" if key == "infohash" else "infohash"
sums = {"duckdb": duckdb_sums, "polars": polars_sums}[engine]
print(*sums(key, other, events), sep=",")
