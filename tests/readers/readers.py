"""Every reader that a notebook may use sees the same dataset, and so does `analyze sql`.

One line each: DuckDB, Polars, pyarrow, pandas and DataFusion for Python read the captured tables, and the
derived ones where there are any. They must agree on every value and on every column's type, which catches an
encoding that one of them misreads; the same questions are then put to `analyze`.
"""

import argparse
import json
import pathlib
import subprocess

import datafusion
import duckdb
import pandas
import polars
import pyarrow
import pyarrow.compute
import pyarrow.dataset

# Tables of which there must be rows, or nothing was compared.
NEEDED = {"captured.events", "captured.presences"}
# Types that no captured table has, and some derived one.
IN_DERIVED = {"list of string", "date32[day]"}
# Each reader types the folder names its own way; they stand in no file.
FOLDERS = {"date", "hour"}

duckdb.sql("SET TimeZone = 'UTC'")


def with_duckdb(folder):
    return duckdb.sql(
        f"FROM read_parquet('{folder}/**/*.parquet', hive_partitioning = true)"
    ).to_arrow_table()


def with_polars(folder):
    return polars.scan_parquet(folder).collect().to_arrow()


def with_pyarrow(folder):
    return pyarrow.dataset.dataset(folder, partitioning="hive").to_table()


def with_pandas(folder):
    return pyarrow.Table.from_pandas(pandas.read_parquet(folder, dtype_backend="pyarrow"))


def with_datafusion(folder):
    context = datafusion.SessionContext()
    file = next(pathlib.Path(folder).rglob("*.parquet")).relative_to(folder)
    kinds = {"date": pyarrow.date32(), "hour": pyarrow.int32()}
    names = [part.partition("=")[0] for part in file.parent.parts]
    partitions = [(name, kinds[name]) for name in names]
    context.register_parquet("files", folder, table_partition_cols=partitions)
    return context.table("files").to_arrow_table()


READERS = {
    "duckdb": with_duckdb,
    "polars": with_polars,
    "pyarrow": with_pyarrow,
    "pandas": with_pandas,
    "datafusion": with_datafusion,
}

# Readers choose among Arrow's layouts of one and the same type.
LAYOUTS = {
    "large_string": "string",
    "string_view": "string",
    "large_binary": "binary",
    "binary_view": "binary",
    "fixed_size_binary[16]": "binary",
    "fixed_size_binary[20]": "binary",
}
ARROW = {"string": pyarrow.string(), "binary": pyarrow.binary()}

# Asked of DuckDB and of `analyze` alike, besides how many values each column has.
QUERIES = {
    "captured.events": (
        """SELECT count(*) AS n, count(infohash) AS with_infohash, count(DISTINCT peer_ip) AS addresses,
                  count(DISTINCT infohash) AS infohashes, count(DISTINCT transaction_id) AS transactions,
                  sum(length) AS bytes, min(peer_port) AS lowest_port, max(source_node) AS last_presence
           FROM {}""",
        "SELECT method, count(*) AS n, min(ttl) AS ttl FROM {} GROUP BY method ORDER BY n, method",
        "SELECT read_only, token_valid, count(*) AS n FROM {} GROUP BY 1, 2 ORDER BY n, 1, 2",
        "SELECT CAST(date AS varchar) AS day, CAST(hour AS int) AS hour, count(*) AS n FROM {} "
        "GROUP BY 1, 2 ORDER BY 1, 2",
    ),
    "captured.presences": (
        """SELECT count(*) AS n, count(DISTINCT node_id) AS ids, count(DISTINCT local_ip) AS addresses,
                  sum(local_port) AS ports
           FROM {}""",
    ),
    "captured.gaps": ("SELECT reason, count(*) AS n FROM {} GROUP BY reason ORDER BY reason",),
    "captured.floods": ('SELECT method, sum("count") AS n FROM {} GROUP BY method ORDER BY n, method',),
}


def normal(table):
    """The columns of a table's files in one layout and one order of rows."""
    names = [name for name in table.column_names if name not in FOLDERS]
    columns = [table[name].combine_chunks().cast(layout(table.schema.field(name).type)) for name in names]
    # Nothing is ordered by lists: by their text.
    keys = [
        pyarrow.compute.binary_join(column, " ") if pyarrow.types.is_list(column.type) else column
        for column in columns
    ]
    order = pyarrow.compute.sort_indices(
        pyarrow.table(keys, names=names), sort_keys=[(name, "ascending") for name in names]
    )
    return pyarrow.table(columns, names=names).take(order)


def is_list(kind):
    """Whether it is a list, in whatever layout."""
    return pyarrow.types.is_list(kind) or pyarrow.types.is_large_list(kind)


def layout(kind):
    """The same type in the layout in which all are compared."""
    if is_list(kind):
        return pyarrow.list_(layout(kind.value_type))
    return ARROW.get(LAYOUTS.get(str(kind)), kind)


def type_name(kind):
    """The type's name, whatever layout a reader chose."""
    return f"list of {type_name(kind.value_type)}" if is_list(kind) else LAYOUTS.get(str(kind), str(kind))


def agree_on_values(data, table):
    """All readers give the same rows and types. Returns the types, and the number of rows."""
    folder = str(data / table.replace(".", "/"))
    seen = {name: normal(read(folder)) for name, read in READERS.items()}
    first = seen["pyarrow"]
    for name, rows in seen.items():
        assert rows.schema.types == first.schema.types and rows.column_names == first.column_names, (
            f"{table}: {name} sees {rows.schema}, pyarrow sees {first.schema}"
        )
        for column in first.column_names:
            assert rows[column].equals(first[column]), f"{table}: {name} and pyarrow differ in {column}"
    return dict(zip(first.column_names, map(type_name, first.schema.types))), first.num_rows


def analyze(program, data, sql):
    """The rows of `analyze sql`."""
    command = [program, "sql", sql, "--data", str(data), "--format", "json"]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def agree_on_answers(program, data, table, types):
    """`analyze sql` and DuckDB answer the same questions alike."""
    source = f"read_parquet('{data}/{table.replace('.', '/')}/**/*.parquet', hive_partitioning = true)"
    values = ", ".join(f'count("{name}") AS "{name}"' for name in types)
    for query in (f'SELECT count(*) AS "all rows", {values} FROM {{}}', *QUERIES.get(table, ())):
        relation = duckdb.sql(query.format(source))
        expected = [dict(zip(relation.columns, row)) for row in relation.fetchall()]
        seen = analyze(program, data, query.format(table))
        assert seen == expected, f"{table}: analyze says {seen}, duckdb says {expected}"


def agree_on_types(program, data, table, types):
    """`analyze sql` names the types that the readers see."""
    columns = ", ".join(f'arrow_typeof("{name}") AS "{name}"' for name in types)
    rows = analyze(program, data, f"SELECT {columns} FROM {table} LIMIT 1")
    for row in rows:
        for name, kind in row.items():
            assert DATAFUSION[kind] == types[name], (
                f"{table}.{name}: analyze says {kind}, readers say {types[name]}"
            )


# How `arrow_typeof` names what pyarrow calls otherwise.
DATAFUSION = {
    'Timestamp(µs, "UTC")': "timestamp[us, tz=UTC]",
    "Utf8": "string",
    "Binary": "binary",
    "FixedSizeBinary(16)": "binary",
    "FixedSizeBinary(20)": "binary",
    "Boolean": "bool",
    "UInt8": "uint8",
    "UInt16": "uint16",
    "UInt32": "uint32",
    "Int64": "int64",
    "Float64": "double",
    "Date32": "date32[day]",
    "List(Utf8)": "list of string",
}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, type=pathlib.Path, help="root of the dataset")
    parser.add_argument("--analyze", required=True, help="the analyze binary")
    arguments = parser.parse_args()
    counts, kinds = {}, set()
    for folder in sorted(arguments.data.glob("captured/*/")) + sorted(arguments.data.glob("derived/*/")):
        table = f"{folder.parent.name}.{folder.name}"
        types, counts[table] = agree_on_values(arguments.data, table)
        agree_on_types(arguments.analyze, arguments.data, table, types)
        agree_on_answers(arguments.analyze, arguments.data, table, types)
        kinds.update(types.values() if counts[table] else ())
    assert all(counts.get(table) for table in NEEDED), f"nothing was compared: {counts}"
    if (arguments.data / "derived").is_dir():
        assert IN_DERIVED <= kinds, f"the derived tables show only {kinds}"
    rows = ", ".join(f"{table} {count}" for table, count in counts.items())
    print(f"readers: {', '.join(READERS)} and analyze agree · {rows} rows")


if __name__ == "__main__":
    main()
