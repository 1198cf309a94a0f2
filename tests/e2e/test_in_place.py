"""StatefulSets of three pods each: the highest ordinal gets the candidate, and the other two are the control."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.model import TIERS, Manifest, model_deployment, monitoring_dataset, workload
from tests.support.polling import eventually
from tests.support.world import Scene, World
from tierwise.simulation.traffic.scenarios import http3

pytestmark = [pytest.mark.needs_cluster, pytest.mark.timeout(600)]

PLACES = ("shards",)
DATASET = monitoring_dataset("http_version", positive="Below")  # bots score low
RECALL = [{"name": "recall", "margin": {"absolute": 0.05}}]
OWN_STRATEGY = {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}


def stateful_set(tier: str, version: str) -> Manifest:
    manifest = workload(tier, model="shards", version=version, replicas=3)
    spec = {**manifest["spec"], "serviceName": "shards", "updateStrategy": OWN_STRATEGY}
    return {**manifest, "kind": "StatefulSet", "spec": spec}


def in_place(version: str) -> Manifest:
    manifest = model_deployment(version, model="shards", metrics=RECALL, slices=["http_version"])
    for tier in manifest["spec"]["tiers"]:
        tier["exposure"] = "34%"  # of three pods one
        tier["workloads"] |= {"kind": "StatefulSet", "candidatePods": "InPlace"}
    return manifest


def images(scene: Scene, tier: str) -> list[str]:
    """The versions that the pods of a tier's workload run, by ordinal; '' for one that is not ready."""
    found = {}
    for pod in scene.kubectl.get("pods", "-l", f"tier={tier}")["items"]:
        ready = {c["type"]: c["status"] for c in pod["status"].get("conditions", [])}.get("Ready") == "True"
        version = pod["spec"]["containers"][0]["image"].rpartition(":")[2]
        found[pod["metadata"]["name"]] = version if ready else ""
    return [found[name] for name in sorted(found)]


def uids(scene: Scene, tier: str) -> dict[str, str]:
    items = scene.kubectl.get("pods", "-l", f"tier={tier}")["items"]
    return {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in items}


def update_strategies(scene: Scene) -> list[dict[str, Any]]:
    return [item["spec"]["updateStrategy"] for item in scene.kubectl.get("statefulsets")["items"]]


@pytest.fixture(scope="module")
def scene(world: World) -> Scene:
    """Given v1 in three StatefulSets, logged and adopted; when v2 is applied, which sees the bots over HTTP/3."""
    scene = world.scene("shards")
    scene.kubectl.apply(DATASET, *(stateful_set(tier, "v1") for tier in TIERS), in_place("v1"))
    even = dict.fromkeys(TIERS, 1 / 3)
    world.play(scene, source=http3(9_000, http3_share=0.2, tier_shares=even))
    scene.becomes_ready()
    scene.has_logged(30_000)
    scene.kubectl.apply(in_place("v2"))
    return scene


def test_a_good_version_gets_the_highest_ordinal_first_and_then_all(scene: Scene) -> None:
    eventually(lambda: images(scene, "tier-3") == ["v1", "v1", "v2"], within=90)
    rollout = scene.ends("Completed", within=300)
    assert scene.phases() == ["Delivered"] * 3
    for tier in rollout["tiers"]:
        assert tier["gate"]["reason"] == "NonInferior"
        assert tier["gate"]["message"].endswith("control: by place")
        assert images(scene, tier["name"]) == ["v2"] * 3
    assert update_strategies(scene) == [OWN_STRATEGY] * 3
    assert scene.kubectl.get("deployments")["items"] == []  # no twin
    scene.becomes_ready()


def test_a_bad_version_goes_from_the_touched_ordinal_alone(scene: Scene) -> None:
    scene.ends("Completed", within=300)
    before = uids(scene, "tier-3")
    scene.kubectl.apply(in_place("v1"))
    rollout = scene.ends("RolledBack", revision=2, within=240)
    assert scene.phases(2) == ["RolledBack", "Untouched", "Untouched"]
    assert rollout["tiers"][0]["culprits"][0]["control"] == "by-place"
    assert images(scene, "tier-3") == ["v2"] * 3
    after = uids(scene, "tier-3")
    assert [name for name in before if before[name] != after[name]] == ["shards-tier-3-2"]
    assert update_strategies(scene) == [OWN_STRATEGY] * 3
    assert "control is by place" in scene.explain()
