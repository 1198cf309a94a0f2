"""S1: one request in two hundred comes over HTTP/3, where v1 sees one bot in five and v2 nearly all of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.model import model_deployment, monitoring_dataset
from tests.support.polling import eventually
from tests.support.world import Scene, World, tierwise
from tierwise.simulation.traffic.scenarios import http3

pytestmark = [pytest.mark.needs_cluster, pytest.mark.timeout(600)]

PLACES = ("forward", "reverse")
# The soak gives one request in two hundred of a small tier the time for a verdict.
SOAK = {"forward": "5s", "reverse": "1m"}
VERSIONS = {"forward": ("v1", "v2"), "reverse": ("v2", "v1")}
DATASET = monitoring_dataset("http_version", "browser", positive="Below")  # bots score low
ROLLOUT: dict[str, Any] = {
    "metrics": [{"name": "recall", "margin": {"absolute": 0.02}}],
    "slices": ["http_version", "browser"],
    "max_duration": "4m",
}
ROWS_PER_SECOND = 24_000  # tiers 3/2/1 have 5/25/70 %: 3 predictions a second and arm over HTTP/3 in tier-3
HTTP3 = {"http_version": "HTTP/3"}


@pytest.fixture(scope="module")
def scenes(world: World) -> dict[str, Scene]:
    """Given a version that serves, is logged and adopted; when the other one is applied, each way at the same time."""
    scenes = {place: world.scene(place) for place in PLACES}
    for place, scene in scenes.items():
        scene.serve(VERSIONS[place][0])
        scene.kubectl.apply(DATASET)
        scene.deploy(VERSIONS[place][0], min_duration=SOAK[place], **ROLLOUT)
        world.play(scene, source=http3(ROWS_PER_SECOND))
    for place, scene in scenes.items():
        scene.becomes_ready()
        scene.has_logged(4 * ROWS_PER_SECOND)
        scene.deploy(VERSIONS[place][1], min_duration=SOAK[place], **ROLLOUT)
    return scenes


@pytest.fixture
def analyze(tmp_path: Path, world: World) -> Any:
    """`tierwise analyze` of what a tier logged: the document, results by rank, first the worst."""

    def run(scene: Scene, tier: str, baseline: str, candidate: str, *options: str) -> dict[str, Any]:
        paths = {"dataset": DATASET, "deployment": model_deployment(candidate, model=scene.model, **ROLLOUT)}
        for name, manifest in paths.items():
            (tmp_path / name).write_text(yaml.safe_dump(manifest))
        files = [part for name in paths for part in (f"--{name}", str(tmp_path / name))]
        log = ["--store", world.store.dsn, "--tier", tier, "--block", "1s", "-o", "json"]
        done = tierwise("analyze", *log, *files, "--baseline", baseline, "--candidate", candidate, *options)
        assert done.returncode in (0, 3, 4), done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        assert done.returncode == {"Promote": 0, "Hold": 3, "RollBack": 4}[found["gate"]["decision"]]
        return found

    return run


def test_the_better_version_goes_3_2_1_and_becomes_stable(scenes: dict[str, Scene], world: World):
    scene = scenes["forward"]
    rollout = scene.ends("Completed", within=400)
    scene.falls_silent()
    tiers = rollout["tiers"]
    assert [tier["name"] for tier in tiers] == ["tier-3", "tier-2", "tier-1"]
    assert scene.phases() == ["Delivered"] * 3
    assert all(tiers[n]["finishedAt"] <= tiers[n + 1]["startedAt"] for n in range(2))
    assert {tier["gate"]["reason"] for tier in tiers} == {"NonInferior"}
    assert scene.runs_everywhere("v2")
    scene.becomes_ready()
    assert scene.status()["stable"]["name"] == "v2"


def _decided(scene: Scene, world: World, tier: str) -> dict[str, Any] | None:
    """What the store has of the first rollout's decision on a tier."""
    where = ["--kubeconfig", str(scene.kubectl.kubeconfig), "-n", scene.kubectl.namespace, "--store", world.store.dsn]
    done = tierwise("explain", f"{scene.model}-1", *where, "-o", "json")
    assert done.returncode == 0, done.stderr
    return next((each for each in json.loads(done.stdout).get("decisions", []) if each["tier"] == tier), None)


def test_back_to_the_worse_version_ends_in_tier_3(scenes: dict[str, Scene], world: World):
    scene = scenes["reverse"]
    rollout = scene.ends("RolledBack", within=240)
    scene.falls_silent()
    assert scene.phases() == ["RolledBack", "Untouched", "Untouched"]
    assert "recall on http_version=HTTP/3" in rollout["message"]
    assert [culprit["slice"] for culprit in rollout["tiers"][0]["culprits"]] == [HTTP3]
    assert scene.runs_everywhere("v2")
    stored = eventually(lambda: _decided(scene, world, "tier-3"), within=60, what="the verdicts are in the store")
    assert (stored["decision"], stored["complete"]) == ("RollBack", True)
    assert len(stored["verdicts"]) == rollout["tiers"][0]["coverage"]["slices"]
    assert [found["slice"] for found in stored["verdicts"] if found["culprit"]] == [HTTP3]
    # nothing was ever written to the workloads, in no tier
    assert {item["metadata"]["generation"] for item in scene.workloads().values()} == {1}
    assert scene.status()["stable"]["name"] == "v2"


def test_analyze_ranks_http3_worst_for_v1(scenes: dict[str, Scene], world: World, analyze: Any):
    scene = scenes["reverse"]
    scene.ends("RolledBack", within=240)
    found = analyze(scene, "tier-3", "v2", "v1")
    assert found["gate"]["decision"] == "RollBack", found["gate"]
    results = found["results"]
    assert results[0]["slice"] == HTTP3
    assert results[0]["verdict"] == "Regressed"


def test_analyze_says_how_much_better_v2_is(scenes: dict[str, Scene], world: World, analyze: Any):
    scene = scenes["forward"]
    # Not tier-3: 5 s of it are some fifteen requests over HTTP/3, too few for "Improved" in every run.
    tier1 = scene.ends("Completed", within=400)["tiers"][-1]
    judged = analyze(scene, "tier-1", "v1", "v2", "--until", tier1["deliveringSince"])  # v1 has no rows after it
    assert judged["gate"]["decision"] == "Promote", judged["gate"]
    found = next(result for result in judged["results"] if result["slice"] == HTTP3)
    assert found["verdict"] == "Improved", found
    assert found["candidate"]["value"] >= 2.5 * found["baseline"]["value"]  # 0.96 and 0.21, from about 150 labels each
