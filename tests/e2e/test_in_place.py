"""StatefulSets and DaemonSets of three pods each: one pod gets the candidate, and the other two are the control."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.cluster import Kubectl
from tests.support.model import TIERS, Manifest, model_deployment, monitoring_dataset, workload
from tests.support.polling import eventually
from tests.support.world import Scene, World
from tierwise.simulation.traffic.scenarios import http3

pytestmark = [pytest.mark.needs_cluster, pytest.mark.timeout(600)]

PLACES = ("shards", "agents")
MODELS = {"StatefulSet": "shards", "DaemonSet": "agents"}
DATASET = monitoring_dataset("http_version", positive="Below")  # bots score low
RECALL = [{"name": "recall", "margin": {"absolute": 0.05}}]
OWN_STRATEGY: dict[str, dict[str, Any]] = {
    "StatefulSet": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}},
    "DaemonSet": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}},
}


def a_workload(kind: str, tier: str, nodes: dict[str, str]) -> Manifest:
    manifest = workload(tier, model=MODELS[kind], version="v1", replicas=3)
    spec = {**manifest["spec"], "updateStrategy": OWN_STRATEGY[kind]}
    spec["template"]["spec"]["nodeSelector"] = nodes
    if kind == "StatefulSet":
        spec["serviceName"] = MODELS[kind]
    else:
        del spec["replicas"]
    return {**manifest, "kind": kind, "spec": spec}


def in_place(kind: str, version: str) -> Manifest:
    manifest = model_deployment(version, model=MODELS[kind], metrics=RECALL, slices=["http_version"])
    for tier in manifest["spec"]["tiers"]:
        tier["exposure"] = "34%"  # of three pods one
        tier["workloads"] |= {"kind": kind, "candidatePods": "InPlace"}
    return manifest


def pods_by_place(scene: Scene, tier: str) -> dict[str, dict[str, Any]]:
    """The pods of a tier's workload by what stays when a pod is made anew: its name, or its node."""
    pods = scene.kubectl.get("pods", "-l", f"tier={tier}")["items"]
    is_named = scene.model == MODELS["StatefulSet"]
    live = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
    by_place = {pod["metadata"]["name"] if is_named else pod["spec"].get("nodeName", ""): pod for pod in live}
    return dict(sorted(by_place.items()))


def images(scene: Scene, tier: str) -> list[str]:
    """The versions that the pods of a tier's workload run, by place; '' for one that is not ready."""
    found = []
    for pod in pods_by_place(scene, tier).values():
        ready = {c["type"]: c["status"] for c in pod["status"].get("conditions", [])}.get("Ready") == "True"
        found.append(pod["spec"]["containers"][0]["image"].rpartition(":")[2] if ready else "")
    return found


def uids(scene: Scene, tier: str) -> dict[str, str]:
    return {place: pod["metadata"]["uid"] for place, pod in pods_by_place(scene, tier).items()}


def update_strategies(scene: Scene, kind: str) -> list[dict[str, Any]]:
    return [item["spec"]["updateStrategy"] for item in scene.kubectl.get(kind)["items"]]


@pytest.fixture(scope="module")
def nodes(admin: Kubectl, world: World) -> Any:
    """Three nodes of the file's own; the labels that select them."""
    own = {"of": world.scene("shards").kubectl.namespace}
    names = [f"{own['of']}-{index}" for index in range(3)]
    metadata = [{"name": name, "labels": {"type": "kwok", **own}} for name in names]
    admin.apply(*({"apiVersion": "v1", "kind": "Node", "metadata": each} for each in metadata))
    yield own
    admin("delete", "node", *names, "--wait=false")


@pytest.fixture(scope="module")
def scenes(world: World, nodes: dict[str, str]) -> dict[str, Scene]:
    """Given v1 in three workloads of each kind, logged and adopted; when v2 is applied, which sees bots over HTTP/3."""
    scenes = {kind: world.scene(model) for kind, model in MODELS.items()}
    even = dict.fromkeys(TIERS, 1 / 3)
    for kind, scene in scenes.items():
        scene.kubectl.apply(DATASET, *(a_workload(kind, tier, nodes) for tier in TIERS), in_place(kind, "v1"))
        world.play(scene, source=http3(9_000, http3_share=0.2, tier_shares=even))
    for scene in scenes.values():
        scene.becomes_ready()
        scene.has_logged(30_000)
    for kind, scene in scenes.items():
        scene.kubectl.apply(in_place(kind, "v2"))
    return scenes


@pytest.fixture(params=MODELS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def scene(scenes: dict[str, Scene], kind: str) -> Scene:
    return scenes[kind]


def test_one_pod_gets_a_version_first_of_a_stateful_set_the_highest_ordinal(scenes: dict[str, Scene]) -> None:
    seen = set()

    def are_seen() -> bool:
        for kind, scene in scenes.items():
            running = images(scene, "tier-3")
            if (running if kind == "StatefulSet" else sorted(running)) == ["v1", "v1", "v2"]:
                seen.add(kind)
        return seen == set(MODELS)

    eventually(are_seen, within=90, what="one pod of tier-3 has v2")


def test_a_good_version_is_delivered_to_all_pods_of_every_tier(scene: Scene, kind: str) -> None:
    rollout = scene.ends("Completed", within=300)
    assert scene.phases() == ["Delivered"] * 3
    for tier in rollout["tiers"]:
        assert tier["gate"]["reason"] == "NonInferior"
        assert tier["gate"]["message"].endswith("control: by place")
        assert images(scene, tier["name"]) == ["v2"] * 3
    assert update_strategies(scene, kind) == [OWN_STRATEGY[kind]] * 3
    assert scene.kubectl.get("deployments")["items"] == []  # no twin
    scene.becomes_ready()


def test_a_bad_version_goes_from_the_touched_pod_alone(scene: Scene, kind: str) -> None:
    scene.ends("Completed", within=300)
    before = uids(scene, "tier-3")
    scene.kubectl.apply(in_place(kind, "v1"))
    rollout = scene.ends("RolledBack", revision=2, within=240)
    assert scene.phases(2) == ["RolledBack", "Untouched", "Untouched"]
    assert rollout["tiers"][0]["culprits"][0]["control"] == "by-place"
    assert images(scene, "tier-3") == ["v2"] * 3
    after = uids(scene, "tier-3")
    touched = [place for place in before if before[place] != after[place]]
    assert touched == ["shards-tier-3-2"] if kind == "StatefulSet" else len(touched) == 1
    assert update_strategies(scene, kind) == [OWN_STRATEGY[kind]] * 3
    assert "control is by place" in scene.explain()
