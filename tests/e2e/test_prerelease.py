"""Before a pod is touched, and while rows are on their way: bad, missing and late data on the real control plane.

Validation tables are counted out, not drawn: every verdict on them is the same in every run.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.model import Manifest, model_deployment, monitoring_dataset
from tests.support.polling import eventually
from tests.support.world import Scene, World
from tierwise.adapters.clickhouse.store import ClickHouseStore, open_store
from tierwise.simulation.traffic.scenarios import identical

pytestmark = [pytest.mark.needs_cluster, pytest.mark.timeout(300)]

PLACES = ("bad", "good", "missing", "late")
TIER = "tier-3"
# Of every ten requests of each of five browsers one is answered wrong; by v2 in the table of "bad" four of b3's.
TABLE = """
CREATE TABLE validation_{place} ENGINE = MergeTree ORDER BY ts AS
SELECT toDateTime64('2026-01-01 00:00:00', 3, 'UTC') + toIntervalMillisecond(n) AS ts, v AS model_version,
       concat('b', toString(n % 5)) AS browser, toUInt8(intDiv(n, 50) % 2) AS label,
       ts + toIntervalHour(if({late}, 2, 0)) AS labelled_at,
       if(intDiv(n, 5) % 10 < if({worse} AND v = 'v2' AND n % 5 = 3, 4, 1), 1 - label, label) AS score
FROM (SELECT number AS n, arrayJoin({versions}) AS v FROM numbers(20000))
"""
# Nor does chance decide on the pods' log: 1 to 8 % of answers are wrong, and evidence for a rollback (e ≥ 111 against
# 25 points more) needs over half of nine or more rows wrong: a chance below 1e-9 (binomial tail).
SERVED = {"name": "error-rate", "margin": {"absolute": 0.5}}
MANY = {"per": "1h", "minLabels": 10**9}


@pytest.fixture(scope="module")
def store(world: World) -> Iterator[ClickHouseStore]:
    """The store of all scenes."""
    store = open_store(world.store.dsn)
    yield store
    store.close()


@pytest.fixture(scope="module")
def scenes(world: World, store: ClickHouseStore) -> dict[str, Scene]:
    """Given v1 adopted in four namespaces and predictions on validation sets; when v2 is applied."""
    scenes = {place: world.scene(place) for place in PLACES}
    world.play(scenes["good"], source=identical(1500, slices=4))
    for place, scene in scenes.items():
        versions = "['v1']" if place == "missing" else "['v1', 'v2']"
        store.execute(
            TABLE.format(place=place, versions=versions, worse=int(place == "bad"), late=int(place == "late"))
        )
        scene.serve("v1", tiers=(TIER,))
        scene.kubectl.apply(monitoring_dataset("segment", **({"volume": MANY} if place == "good" else {})))
        scene.kubectl.apply(_validation(place))
        scene.deploy("v1", **_rules())
    for scene in scenes.values():
        scene.becomes_ready()
    scenes["good"].has_logged(1500)
    for scene in scenes.values():
        scene.deploy("v2", **_rules())
    return scenes


def _validation(place: str, maturity: str = "1h") -> Manifest:
    columns = {"model": "", "tier": "", "labelledAt": "labelled_at"}
    return monitoring_dataset(
        "browser", name="validation", maturity=maturity, table=f"validation_{place}", columns=columns
    )


def _rules() -> dict[str, Any]:
    usual = model_deployment("v1", metrics=[SERVED], slices=["segment"])["spec"]["analysis"]
    gate = {"dataset": "validation", "metrics": [{"name": "accuracy", "margin": {"absolute": 0.05}}]}
    return {"tiers": (TIER,), "analysis": {**usual, "preRelease": gate}}


def untouched(scene: Scene) -> None:
    """v1's Deployment was not written, there is no twin beside it, and no rollout was begun."""
    assert scene.rollouts() == {}
    assert [(name, item["metadata"]["generation"]) for name, item in scene.workloads().items()] == [
        (f"{scene.model}-{TIER}", 1)
    ]
    images = {pod["spec"]["containers"][0]["image"] for pod in scene.kubectl.get("pods")["items"]}
    assert images == {f"example.com/{scene.model}:v1"}
    assert scene.status()["stable"]["name"] == "v1"


def waits(scene: Scene, reason: str) -> str:
    """Wait until it says for what it waits; the message."""

    def waiting() -> str | None:
        found = scene.condition("Reconciling")
        assert (found.get("status"), found.get("reason")) == ("True", reason), found
        return str(found["message"])

    message = eventually(waiting, within=60, every=0.25, what=f"{scene.model} waits, {reason}")
    assert message is not None
    return message


def begins(scene: Scene) -> None:
    """Nobody does anything more, and the candidate gets its twin."""
    twin = f"{scene.model}-{TIER}-candidate"
    eventually(lambda: twin in scene.workloads(), within=60, every=0.25, what=f"{twin} is there")
    assert scene.rollout()["result"] == "Progressing"


def test_a_version_that_is_worse_in_a_slice_of_the_validation_set_touches_no_pod(
    scenes: dict[str, Scene], world: World
):
    scene = scenes["bad"]
    message = scene.stalls("PreReleaseFailed")
    assert "accuracy on browser=b3 90" in message
    assert "no pod was touched" in message
    untouched(scene)
    assert "no pod was touched" in scene.explain()


def test_missing_rows_and_labels_that_came_too_late_are_waited_for_and_never_a_pass(
    scenes: dict[str, Scene], world: World, store: ClickHouseStore
):
    missing, late = scenes["missing"], scenes["late"]
    assert "no predictions of v2 beside" in waits(missing, "PreRelease")
    assert "none of 40000 predictions has a label" in waits(late, "NoLabels")
    untouched(missing)
    untouched(late)
    rows = "SELECT * REPLACE (ts + 1 AS ts, 'v2' AS model_version) FROM validation_missing"
    store.execute(f"INSERT INTO validation_missing {rows}")
    late.kubectl.apply(_validation("late", maturity="3h"))
    begins(missing)
    begins(late)


def test_a_good_version_goes_on_and_then_holds_while_too_few_labels_arrive_in_its_tier(
    scenes: dict[str, Scene], world: World
):
    scene = scenes["good"]
    begins(scene)
    message = scene.holds(TIER, "TooFewRows")["gate"]["message"]
    assert "at least 1000000000 are expected (spec.volume)" in message
    assert scene.phases() == ["Judging"]
    scene.kubectl.apply(monitoring_dataset("segment"))
    eventually(
        lambda: scene.tier(TIER)["gate"]["reason"] != "TooFewRows", within=60, every=0.25, what="the hold is over"
    )
