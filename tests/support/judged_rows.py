"""Two equal versions in a table of four hours, and how `analyze` judges it, spoilt or not."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from tierwise.adapters.clickhouse.store import ClickHouseStore
from tierwise.adapters.prediction_logs.recorded import RecordedStore
from tierwise.api.common import Margin
from tierwise.api.modeldeployment import DatasetAnalysis, MetricSpec
from tierwise.api.monitoringdataset import MonitoringDatasetSpec
from tierwise.runtime.offline.analysis import Analysis, AnalysisRequest, TierRequest, analyze

START = datetime(2026, 10, 24, 22, 0, tzinfo=UTC)  # midnight in Berlin; at 01:00 UTC the clocks go back
HOURS = 4
NOW = START + timedelta(days=2)
ROWS = 6000


def two_equal_versions(store: ClickHouseStore) -> str:
    """Two equal versions, a tenth of the answers wrong in each; request i of version i % 2."""
    name = f"good_{uuid.uuid4().hex[:8]}"
    store.execute(
        f"CREATE TABLE {name} ENGINE = MergeTree ORDER BY ts AS SELECT "
        f"toDateTime64('{START:%Y-%m-%d %H:%M:%S}', 3, 'UTC') + "
        f"toIntervalMillisecond(number * {HOURS * 3600_000 // ROWS}) "
        "AS ts, if(number % 2 = 0, 'v1', 'v2') AS model_version, toString(number) AS id, "
        "toNullable(toUInt8(cityHash64(number, 'label') % 2)) AS label, "
        "toFloat64(if(cityHash64(number, 'wrong') % 10 = 0, 1 - label, label)) AS score "
        f"FROM numbers({ROWS})"
    )
    return name


def a_spec(table: str, **more: Any) -> MonitoringDatasetSpec:
    columns = {"model": "", "tier": "", **more.pop("columns", {})}
    return MonitoringDatasetSpec.model_validate({"table": table, "columns": columns, **more})


def judged(store: ClickHouseStore, spec: MonitoringDatasetSpec, **request: Any) -> Analysis:
    metric = MetricSpec(name="accuracy", margin=Margin(absolute=0.1))
    given: dict[str, Any] = {
        "model": None,
        "baseline": "v1",
        "candidate": "v2",
        "analysis": (DatasetAnalysis(name="data", metrics=[metric]),),
        "datasets": {"data": spec},
        "tiers": (TierRequest(None, 0.05, 4 * 3600.0),),
        "since": None,
        "until": None,
        "block_seconds": 600.0,
        **request,
    }
    return analyze(AnalysisRequest(**given), RecordedStore(store), NOW)


def spoilt(good: str, column: str, expression: str, *, where: str = "true") -> str:
    """A query of the good rows with another column where the condition (over the good rows) holds."""
    value = expression if where == "true" else f"if({where}, {expression}, g.{column})"
    names = ("ts", "model_version", "id", "label", "score")
    columns = ", ".join(f"{value} AS {name}" if name == column else f"g.{name} AS {name}" for name in names)
    return f"SELECT {columns} FROM {good} AS g"


def from_query(query: str, **more: Any) -> MonitoringDatasetSpec:
    columns = {"model": "", "tier": "", **more.pop("columns", {})}
    return MonitoringDatasetSpec.model_validate({"query": query, "columns": columns, **more})
