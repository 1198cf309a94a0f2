"""A look against pulling its rows into pandas, polars or DuckDB and counting there, end to end.

The engine is in this process and hands the rows over in memory: no network, which favours the peers. `pull` is what
their documentation shows: strings as Arrow strings, one GROUP BY per dimension. The lines without a goal give them what
an expert would: dictionaries in place of strings, and in DuckDB all dimensions in one statement.
"""

from __future__ import annotations

from collections.abc import Callable

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa

from tests.bench.measure import Line, Timing, compare, faster
from tests.bench.prediction_log import MATURITY_SECONDS, NAMES, SCOPE, BenchLog, a_dataset
from tierwise.adapters.clickhouse.store import ClickHouseStore
from tierwise.monitoring.counts.model import Block

TITLE = "Pulling rows"
MOST_ROWS = 10_000_000  # of them pandas alone takes gigabytes
KEYS = ["model_version", "lab", "bin"]
DICTIONARIES = (
    " SETTINGS output_format_arrow_low_cardinality_as_dictionary = 1, "
    "output_format_arrow_use_signed_indexes_for_dictionary = 1"
)
_PREPARED = (
    f"SELECT *, CASE WHEN labelled_at > ts + INTERVAL {MATURITY_SECONDS} SECONDS THEN 2 ELSE coalesce(label, 2) END "
    "AS lab, least(99, CAST(floor(score * 100 + 1e-4) AS INT)) AS bin FROM log"
)


def pull(store: ClickHouseStore, window: Block, *, dictionaries: bool) -> pa.Table:
    """The rows and columns of a look."""
    columns = ", ".join(["ts", "model_version", "score", "label", "labelled_at", *NAMES])
    sql = (
        f"SELECT {columns} FROM predictions WHERE model = 'm' AND tier IN ('tier-1', 'tier-2', 'tier-3') "
        "AND model_version IN ('v1', 'v2') AND ts >= {t0:DateTime64(3, 'UTC')} AND ts < {t1:DateTime64(3, 'UTC')}"
    )
    bounds = {"t0": window.start.replace(tzinfo=None), "t1": window.end.replace(tzinfo=None)}
    text = {name: value.isoformat(" ", "milliseconds") for name, value in bounds.items()}
    return store.query(sql + (DICTIONARIES if dictionaries else ""), text)


def with_pandas(rows: pa.Table) -> int:
    """Counts by value, version, label and bin per dimension; the rows counted in all."""
    frame = rows.to_pandas()
    late = frame.labelled_at > frame.ts + pd.Timedelta(seconds=MATURITY_SECONDS)
    frame["lab"] = np.where(late, 2, frame.label.fillna(2)).astype("uint8")
    frame["bin"] = np.minimum(99, np.floor(frame.score * 100 + 1e-4)).astype("uint8")
    return sum(int(frame.groupby([name, *KEYS], observed=True).size().sum()) for name in NAMES)


def with_polars(rows: pa.Table) -> int:
    """The same in polars."""
    frame = pl.from_arrow(rows)
    assert isinstance(frame, pl.DataFrame)
    late = (pl.col("labelled_at") > pl.col("ts") + pl.duration(seconds=MATURITY_SECONDS)).fill_null(value=False)
    frame = frame.with_columns(
        lab=pl.when(late).then(2).otherwise(pl.col("label").fill_null(2)).cast(pl.UInt8),
        bin=(pl.col("score") * 100 + 1e-4).floor().clip(0, 99).cast(pl.UInt8),
    )
    return sum(int(frame.group_by(name, *KEYS).len()["len"].sum()) for name in NAMES)


def with_duckdb(rows: pa.Table) -> int:
    """The same in DuckDB, one GROUP BY per dimension."""
    with duckdb.connect() as connection:
        connection.register("log", rows)
        connection.execute(f"CREATE TEMP TABLE prepared AS {_PREPARED}")
        total = 0
        for name in NAMES:
            sql = f"SELECT {name}, {', '.join(KEYS)}, count(*) AS n FROM prepared GROUP BY ALL"
            total += int(np.sum(connection.sql(sql).to_arrow_table().column("n").to_numpy()))
        return total


def with_duckdb_sets(rows: pa.Table) -> int:
    """The same in DuckDB, all dimensions as grouping sets of one statement."""
    sets = ", ".join(f"({name}, {', '.join(KEYS)})" for name in NAMES)
    sql = f"SELECT {', '.join([*NAMES, *KEYS])}, count(*) AS n FROM ({_PREPARED}) GROUP BY GROUPING SETS ({sets})"
    with duckdb.connect() as connection:
        connection.register("log", rows)
        return int(np.sum(connection.sql(sql).to_arrow_table().column("n").to_numpy()))


PLAIN = {"pandas": with_pandas, "polars": with_polars, "DuckDB": with_duckdb}
TUNED = {"pandas": with_pandas, "polars": with_polars, "DuckDB, grouping sets": with_duckdb_sets}


def run(log: BenchLog, *, quick: bool = False) -> list[Line]:
    """CPU time from the query to the counts of all slices."""
    window = log.window(MOST_ROWS)
    with log.opened() as store:
        expected = int(store.read_distributions(a_dataset(), SCOPE, window).counts[1:].sum())

        def contestant(count: Callable[[pa.Table], int], *, dictionaries: bool) -> Callable[[], None]:
            def run_it() -> None:
                assert count(pull(store, window, dictionaries=dictionaries)) == expected

            return run_it

        def look() -> None:
            store.read_distributions(a_dataset(), SCOPE, window)

        timings: dict[str, Timing] = {}
        looks = []
        for name, count in [*PLAIN.items(), *((f"tuned {name}", count) for name, count in TUNED.items())]:
            peer = contestant(count, dictionaries=name.startswith("tuned"))
            found = compare({"look": look, name: peer}, rounds=1 if quick else 2)
            looks.append(found["look"].cpu_seconds)
            timings[name] = found[name]
    look_seconds = min(looks)
    rows = f"{min(log.rows, MOST_ROWS):,} rows"
    plain = [
        faster("look", look_seconds, f"{rows} pulled into {name}", timings[name].cpu_seconds, at_least=10, goal=3)
        for name in PLAIN
    ]
    tuned = [
        faster(
            "look", look_seconds, f"the same tuned (dictionaries): {name}", timings[f"tuned {name}"].cpu_seconds, goal=3
        )
        for name in TUNED
    ]
    return [*plain, *tuned]
