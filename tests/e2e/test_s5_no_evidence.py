"""S5: nothing can be judged, for each cause there is: it holds, says why, never promotes, and goes on when it can."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support.model import TIERS, Manifest, model_deployment, monitoring_dataset
from tests.support.polling import eventually
from tests.support.store import ServedStore, served_store
from tests.support.world import Scene, World
from tierwise.simulation.traffic.rows import TrafficSource
from tierwise.simulation.traffic.scenarios import identical

pytestmark = [pytest.mark.needs_cluster, pytest.mark.timeout(600)]

PLACES = ("unlabelled", "stale", "killed", "away", "denied", "table")
PASSWORD = "correct-horse-9c1d"  # of a store that this test starts and ends
TRAFFIC = identical(1500, slices=4)
MIN_SECONDS = 10
ROLLOUT: dict[str, Any] = {
    "metrics": [{"name": "error-rate", "margin": {"absolute": 0.1}}],
    "slices": ["segment"],
    "min_duration": f"{MIN_SECONDS}s",
    "max_duration": "20s",
}


@pytest.fixture(scope="module")
def own_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Restartable]:
    """A store of its own, with a password, that a test may take away."""
    store = Restartable(tmp_path_factory.mktemp("own") / "data")
    store.start()
    yield store
    store.stop()


class Restartable:
    """A store server that comes back on the same port with the same data."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._running = ExitStack()
        self._served: ServedStore | None = None
        self._port = "0"

    def start(self) -> None:
        """Serve, on the port it had before."""
        serving = served_store(self.path, "--port", self._port, password=PASSWORD)
        self._served = self._running.enter_context(serving)
        self._port = self._served.dsn.rpartition(":")[2].partition("/")[0]

    def stop(self) -> None:
        """End the process."""
        self._running.close()

    def dsn(self, password: str = PASSWORD) -> str:
        """How to reach it as the user that the password belongs to."""
        return f"clickhouse://default:{password}@127.0.0.1:{self._port}/default"


def secret(dsn: str) -> Manifest:
    """The Secret that a dataset's store is read from."""
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "store"}, "stringData": {"dsn": dsn}}


OWN_STORE = {"store": {"dsnSecret": {"name": "store", "key": "dsn"}}}


@pytest.fixture(scope="module")
def scenes(world: World, own_store: Restartable) -> dict[str, Scene]:
    """Given v1 adopted in six namespaces, with traffic; when the evidence goes away, and v2 is applied."""
    scenes = {place: world.scene(place) for place in PLACES}
    for place, scene in scenes.items():
        scene.serve("v1")
        has_own = place in ("away", "denied")
        if has_own:
            scene.kubectl.apply(secret(own_store.dsn()))
        scene.kubectl.apply(monitoring_dataset("segment", **(OWN_STORE if has_own else {})))
        scene.deploy("v1", **ROLLOUT)
        world.play(scene, source=TRAFFIC, dsn=own_store.dsn() if has_own else "")
    for scene in scenes.values():
        scene.becomes_ready()
        scene.has_logged(3000)
    play(scenes["unlabelled"], replace(TRAFFIC, labelled_share=0.0))
    scenes["stale"].falls_silent()
    scenes["denied"].kubectl.apply(secret(own_store.dsn("wrong-0b5e")))
    scenes["table"].kubectl.apply(monitoring_dataset("segment", table="predictionz"))
    for place in ("unlabelled", "stale", "denied", "table"):
        scenes[place].deploy("v2", **ROLLOUT)
    return scenes


def play(scene: Scene, source: TrafficSource) -> None:
    """From now on this traffic."""
    assert scene.traffic is not None
    scene.traffic.source = source


def never_promoted(scene: Scene) -> None:
    """v2 was delivered to no workload."""
    assert scene.rollout().get("result", "Progressing") in ("Progressing", "Stalled")
    assert {scene.running()[f"{scene.model}-{tier}"][0] for tier in TIERS} == {"v1"}
    assert scene.status()["stable"]["name"] == "v1"


def goes_on(scene: Scene) -> None:
    """The cause is gone: nobody does anything more, and the tier is judged and delivered."""
    eventually(lambda: scene.tier("tier-3")["phase"] == "Delivered", within=180, every=0.5, what="tier-3 is delivered")
    assert scene.running()[f"{scene.model}-tier-3"][0] == "v2"
    assert scene.tier("tier-3")["gate"]["reason"] == "NonInferior"


def test_without_labels_it_holds_and_calls_for_a_person_at_the_deadline(scenes: dict[str, Scene], world: World):
    scene = scenes["unlabelled"]
    held = scene.holds("tier-3", "NoLabels")
    assert "none of" in held["gate"]["message"]
    assert held["gate"]["decision"] == "Hold"
    message = scene.stalls("NoLabels", within=120)
    assert "maxDuration 20s" in message
    assert scene.condition("AnalysisHealthy")["status"] == "False"
    never_promoted(scene)
    play(scene, TRAFFIC)
    goes_on(scene)


def test_operator_killed_in_a_tier_goes_on_where_it_was_and_shortens_no_soak(scenes: dict[str, Scene], world: World):
    scene = scenes["killed"]
    manifest = model_deployment("v2", model=scene.model, **ROLLOUT)
    # longer than another operator needs to start: the soak goes on after the restart
    manifest["spec"]["tiers"][0] |= {"minDuration": "20s", "maxDuration": "1m"}
    scene.kubectl.apply(manifest)
    seen: dict[str, dict[str, Any]] = {}
    for tier in ("tier-3", "tier-2"):
        eventually(lambda tier=tier: scene.tier(tier).get("judgingSince"), within=120, what=f"{tier} is judged")
        world.kill_operator()
        seen[tier] = scene.tier(tier)
        templates = _templates(scene)
        world.operator.start()
        world.operator.wait_ready(within=90)
        after = scene.tier(tier)
        if after["phase"] == "Judging":  # it has not gone on yet, so nothing may have been written
            assert _templates(scene) == templates

    rollout = scene.ends("Completed", within=240)
    assert list(scene.rollouts()) == ["killed-1"]
    for spec, tier in zip(manifest["spec"]["tiers"], rollout["tiers"], strict=True):
        before = seen.get(tier["name"], tier)
        assert (tier["startedAt"], tier["judgingSince"]) == (before["startedAt"], before["judgingSince"])
        judged = datetime.fromisoformat(tier["deliveringSince"]) - datetime.fromisoformat(tier["judgingSince"])
        assert judged.total_seconds() >= int(spec["minDuration"].removesuffix("s"))
    assert scene.runs_everywhere("v2")
    # each workload got its new template once: no double advance
    assert {item["metadata"]["generation"] for item in scene.workloads().values()} == {2}


def _templates(scene: Scene) -> dict[str, tuple[str, Any]]:
    return {n: (d["metadata"]["uid"], d["spec"]["template"]) for n, d in scene.workloads().items()}


def test_a_store_that_is_away_holds_the_tier_until_it_is_back(
    scenes: dict[str, Scene], world: World, own_store: Restartable
):
    scene = scenes["away"]
    scene.deploy("v2", **ROLLOUT)
    eventually(lambda: scene.tier("tier-3").get("judgingSince"), within=120, what="tier-3 is judged")
    own_store.stop()
    held = scene.holds("tier-3", "StoreUnreachable", within=120)
    assert "127.0.0.1" in held["gate"]["message"]
    assert PASSWORD not in held["gate"]["message"]
    scene.stalls("StoreUnreachable", within=120)  # after maxDuration a person is called
    never_promoted(scene)
    own_store.start()
    goes_on(scene)


def test_wrong_credentials_hold_until_the_secret_is_right(
    scenes: dict[str, Scene], world: World, own_store: Restartable
):
    scene = scenes["denied"]
    scene.holds("tier-3", "StoreAccessDenied", within=120)
    never_promoted(scene)
    scene.kubectl.apply(secret(own_store.dsn()))
    goes_on(scene)


def test_an_unknown_table_holds_until_it_is_there(scenes: dict[str, Scene], world: World):
    scene = scenes["table"]
    held = scene.holds("tier-3", "UnknownTable")
    assert "predictionz" in held["gate"]["message"]
    never_promoted(scene)
    scene.kubectl.apply(monitoring_dataset("segment"))
    goes_on(scene)


def test_a_log_in_which_nothing_is_new_holds_until_pods_log_again(scenes: dict[str, Scene], world: World):
    scene = scenes["stale"]
    held = scene.holds("tier-3", "StaleLog", within=180)
    assert "newest prediction is" in held["gate"]["message"]
    never_promoted(scene)
    play(scene, TRAFFIC)
    goes_on(scene)


def test_no_credential_is_in_a_log_an_event_or_a_status(scenes: dict[str, Scene], world: World):
    seen = world.operator.log.read_text()
    for place in ("away", "denied"):
        for kind in ("events", "modeldeployments", "modelrollouts", "monitoringdatasets", "deployments"):
            seen += scenes[place].kubectl("get", kind, "-o", "yaml")
        seen += scenes[place].explain()
    assert PASSWORD not in seen
    assert "wrong-0b5e" not in seen
