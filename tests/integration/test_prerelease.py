"""The pre-release gate on a real table: a slice that is worse keeps the version out, and no pod is touched."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from tests.unit.rollout.world import NAME, World
from tierwise.adapters.clickhouse.store import ClickHouseStore, open_store
from tierwise.api.monitoringdataset import MonitoringDatasetSpec
from tierwise.runtime.control_loop.reconcile import reconcile
from tierwise.runtime.judging.look import Judging
from tierwise.simulation.cluster.fleet import NAMESPACE

METRICS = [{"name": "accuracy", "margin": {"absolute": 0.05}}]
# Every request is answered by both versions, months apart; wrong: a tenth, and with {worse} four tenths of browser b3.
TABLE = """
CREATE TABLE {name} ENGINE = MergeTree ORDER BY ts AS
SELECT if(v = 'v1', toDateTime64('2026-01-01 00:00:00', 3, 'UTC'), toDateTime64('2026-03-01 11:00:00', 3, 'UTC'))
         + toIntervalMillisecond(n) AS ts,
       v AS model_version, toString(n) AS id, concat('b', toString(n % 5)) AS browser,
       toUInt8(cityHash64(n, 'label') % 2) AS label,
       if(cityHash64(n, 'wrong') % 100 < if({worse} AND v = 'v2' AND n % 5 = 3, 40, 10), 1 - label, label) AS score
FROM (SELECT number AS n, arrayJoin(['v1', 'v2']) AS v FROM numbers(20000))
"""


@pytest.fixture(scope="module")
def store(store_dsn: str) -> Iterator[ClickHouseStore]:
    """One store: what is tried here is the same over HTTP and embedded."""
    store = open_store(store_dsn)
    yield store
    store.close()


class GatedWorld(World):
    """A fleet in memory with the operator's judge on a real store."""

    def __init__(self, store: ClickHouseStore) -> None:
        super().__init__(ready_seconds=0)
        self.store = store
        self.judge: Any = Judging()

    def tick(self) -> float | None:
        return reconcile(NAMESPACE, NAME, self.fleet, self.store, self.clock, self.judge)


def gated(store: ClickHouseStore, *, worse: bool) -> GatedWorld:
    name = f"validation_{uuid.uuid4().hex[:8]}"
    store.execute(TABLE.format(name=name, worse=int(worse)))
    columns = {"model": "", "tier": "", "requestId": "id"}
    dimensions = [{"name": "browser", "expression": "browser"}]
    spec = {"table": name, "columns": columns, "dimensions": dimensions}
    world = GatedWorld(store)
    for dataset in ("humans", "validation"):
        world.fleet.datasets[dataset] = MonitoringDatasetSpec.model_validate(spec)
    world.adopted()
    analysis = {
        "interval": "10s",
        "verification": "0s",
        "datasets": [{"name": "humans", "metrics": METRICS}],
        "preRelease": {"dataset": "validation", "metrics": METRICS},
    }
    world.apply("v2", analysis=analysis)
    return world


def test_a_version_that_is_worse_in_one_slice_of_the_validation_set_is_not_rolled_out(store):
    world = gated(store, worse=True).run(60)
    assert world.health == ("Stalled", "PreReleaseFailed")
    message = world.condition("Stalled").message
    assert "accuracy on browser=b3 90" in message
    assert "no pod was touched" in message
    assert world.fleet.rollouts == {}


def test_an_equal_version_is_rolled_out(store):
    world = gated(store, worse=False)
    world.run_until(lambda w: bool(w.fleet.rollouts), 60)


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_version_without_rows_is_waited_for(store, version):
    world = gated(store, worse=False)
    spec = world.fleet.datasets["validation"]
    query = f"SELECT * FROM {spec.table} WHERE model_version != '{version}'"
    world.fleet.datasets["validation"] = spec.model_copy(update={"table": None, "query": query})
    world.run(60)
    assert world.health == ("Reconciling", "PreRelease")
    assert f"validation set 'validation': no predictions of {version}" in world.condition("Reconciling").message
