"""The commits that pods log since a delivery, read with the look's own query."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa

from tests.support.predictions import T0, Row, columns
from tests.unit.rollout.world import a_spec, a_version
from tierwise.adapters.clickhouse.store import open_store
from tierwise.api.modelrollout import TierStatus
from tierwise.api.monitoringdataset import MonitoringDatasetSpec
from tierwise.rollout.supersede import strategy_of
from tierwise.runtime.reading.commits import read_commits

NOW = T0 + timedelta(minutes=5)


def logged(*rows: tuple[datetime, str, str, str]) -> pa.Table:
    """Rows of time, tier, version and commit."""
    found = columns([Row(ts, version, 0.9, tier=tier, model="bot-score") for ts, tier, version, _ in rows], [])
    return found.append_column("commit", pa.array([commit for *_, commit in rows]))


@dataclass
class OneDataset:
    spec: MonitoringDatasetSpec

    def get_dataset(self, _namespace: str, _name: str) -> MonitoringDatasetSpec:
        return self.spec


def test_rows_of_the_delivered_tier_and_version_by_commit_in_the_latest_minute(tmp_path: Path):
    store = open_store(f"chdb://{tmp_path / 'data'}")
    store.init([])
    late, early = NOW - timedelta(seconds=20), NOW - timedelta(minutes=3)
    store.insert_predictions(
        logged(
            (late, "tier-3", "v2", "badc0ffee"),
            (late, "tier-3", "v2", "badc0ffee"),
            (late, "tier-3", "v2", "6f8e8033"),
            (late, "tier-3", "v1", "0ld"),
            (late, "tier-2", "v2", "else"),
            (early, "tier-3", "v2", "before"),
        )
    )
    spec = a_spec(a_version("v2", commit="6f8e8033"))
    rollout: Any = SimpleNamespace(
        spec=SimpleNamespace(
            to=spec.version,
            from_=a_spec("v1").version,
            model="bot-score",
            strategy=strategy_of(spec),
        )
    )
    deployment: Any = SimpleNamespace(namespace="default")
    tier = TierStatus(name="tier-3", phase="Delivering", delivering_since=T0)
    with_commits = {"table": "predictions", "columns": {"commit": "commit"}}

    def found(**dataset: Any) -> dict[str, int]:
        fleet: Any = OneDataset(MonitoringDatasetSpec.model_validate({**with_commits, **dataset}))
        return dict(read_commits(deployment, rollout, tier, fleet, lambda _: store, NOW))

    assert found() == {"badc0ffee": 2, "6f8e8033": 1}
    assert found(columns={"commit": ""}) == {}
    assert found(table="nowhere") == {}
    store.close()
