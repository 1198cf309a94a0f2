"""Delivered tiers watched on a real log: estimates and weighted shares against the past, and within strata."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from tests.unit.rollout.world import NAME, FakeJudge, World, a_spec
from tierwise.adapters.clickhouse.store import ClickHouseStore, open_store
from tierwise.api.modelrollout import Verification
from tierwise.api.monitoringdataset import MonitoringDatasetSpec
from tierwise.runtime.control_loop.reconcile import reconcile
from tierwise.runtime.verification.look import Verifying
from tierwise.simulation.cluster.fleet import NAMESPACE

# Twelve rows a second in three tiers, at the same hours of seven days: of v1, and from noon of the last on of v2 where
# {where}. Every third weighs 3. Scores tell labels apart with some noise, more of it with v2; by hashes, not drawn.
TABLE = """
CREATE TABLE {name} ENGINE = MergeTree ORDER BY ts AS
SELECT toDateTime64('2026-02-28 11:59:00', 3, 'UTC') + toIntervalDay(day) + toIntervalMillisecond(intDiv(n * 1000, 12))
         AS ts,
       if(ts >= toDateTime64('2026-03-01 12:00:00', 3, 'UTC') AND {where}, 'v2', 'v1') AS model_version,
       '{model}' AS model, concat('tier-', toString(3 - n % 3)) AS tier,
       if(cityHash64(n, day, 'country') % 4 = 0, 'a', 'b') AS country, if(intDiv(n, 7) % 3 = 0, 3, 1) AS w,
       toUInt8(cityHash64(n, day, 'label') % 2) AS label,
       (cityHash64(n, day, 'noise') % 1000) / 1000 - 0.5 AS noise,
       toFloat32(0.5 + (label - 0.5) / 2 + noise * if(model_version = 'v2', {spread}, 0.8)) AS raw,
       least(greatest(raw, 0), 1) AS score
FROM (SELECT number AS n, arrayJoin([-5, -4, -3, -2, -1, 0, 1]) AS day FROM numbers({rows}))
"""
# They end less than ten minutes after the last look: later ones would be of the future.
ROWS = 12 * 60 * 40
# By dataset; only "weighted" names the column of weights.
METRICS = {"weighted": ("accuracy", "balanced-accuracy", "auc"), "scores": ("auc", "mcc")}
WATCHED = [f"{dataset}/{metric}" for dataset, metrics in METRICS.items() for metric in metrics]


@pytest.fixture(scope="module")
def store(store_dsn: str) -> Iterator[ClickHouseStore]:
    """One store for all."""
    store = open_store(store_dsn)
    yield store
    store.close()


class _Judge(FakeJudge):
    """Tiers are judged as told, delivered ones on the log."""

    def __init__(self) -> None:
        super().__init__()
        self.real = Verifying(timedelta(seconds=5))

    def verification(self, request: Any) -> Any:
        return self.real.look(request)


class _World(World):
    def __init__(self, store: ClickHouseStore) -> None:
        super().__init__(ready_seconds=0)
        self.store = store
        self.judge = _Judge()

    def tick(self) -> float | None:
        return reconcile(NAMESPACE, NAME, self.fleet, self.store, self.clock, self.judge)


def watched(store: ClickHouseStore, spread: float, *, wait: str | None = None, **analysis: Any) -> Verification:
    """What was found of v2, half an hour after the rollout or within seven minutes beside a tier that waits."""
    name = f"watched_{uuid.uuid4().hex[:8]}"
    where = "true" if wait is None else "n % 3 = 0"
    store.execute(TABLE.format(name=name, spread=spread, model=NAME, where=where, rows=ROWS))
    world = _World(store)
    for dataset in METRICS:
        world.fleet.datasets[dataset] = MonitoringDatasetSpec.model_validate(
            {
                "table": name,
                "columns": {"weight": "w"} if dataset == "weighted" else {},
                "maturity": "1s",
                "scale": {"kind": "Linear", "bins": 40},
                "dimensions": [{"name": "country", "expression": "country"}],
            }
        )
    datasets = [
        {"name": dataset, "metrics": [{"name": metric, "margin": {"absolute": 0.02}} for metric in metrics]}
        for dataset, metrics in METRICS.items()
    ]
    rules = {**a_spec().analysis.to_wire(), "interval": "30s", "verification": "30m", "datasets": datasets, **analysis}
    world.adopted(analysis=rules)
    if wait is not None:
        world.judge.by_tier[wait] = None
    world.apply("v2", analysis=rules)
    world.run(2400 if wait is None else 420, until=_is_over)
    record = world.fleet.rollouts[f"{NAME}-1"].status.verification
    assert record is not None
    return record


def _is_over(world: World) -> bool:
    if not world.fleet.rollouts:
        return False
    record = world.fleet.rollouts[f"{NAME}-1"].status.verification
    return record is not None and record.verdict != "Verifying"


@pytest.mark.parametrize(("spread", "verdict"), [(0.8, "NoRegression"), (1.2, "Regressed")])
def test_estimates_and_weighted_shares_are_compared_with_the_same_hours_of_the_day_before(store, spread, verdict):
    found = watched(store, spread)
    assert (found.verdict, found.stage, found.control) == (verdict, "AfterRollout", "history"), found.message
    assert found.watched == WATCHED
    assert found.not_watched == []
    assert {row.test for row in found.worst} == {"mixture"}


@pytest.mark.parametrize(("spread", "verdict"), [(0.8, "Verifying"), (1.2, "Regressed")])
def test_beside_other_tiers_they_are_compared_within_the_confounders_values(store, spread, verdict):
    found = watched(store, spread, wait="tier-2", confounders=["country"])
    assert (found.verdict, found.stage, found.control) == (verdict, "BesideOtherTiers", "stratified")
    assert found.watched == WATCHED
    assert found.not_watched == []
