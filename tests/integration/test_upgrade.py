"""Objects of release 0.1 under today's CRDs: still accepted, still readable, still writable."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.cluster import Kubectl
from tierwise.api.modeldeployment import ModelDeploymentSpec
from tierwise.api.modelrollout import ModelRolloutSpec
from tierwise.api.monitoringdataset import MonitoringDatasetSpec
from tierwise.local import cluster
from tierwise.tools.generate import ROOT

pytestmark = pytest.mark.needs_cluster

RELEASED = Path(__file__).parent / "data" / "v0.1"
SPECS = {
    "ModelDeployment": ModelDeploymentSpec,
    "ModelRollout": ModelRolloutSpec,
    "MonitoringDataset": MonitoringDatasetSpec,
}


def objects() -> list[dict[str, Any]]:
    """The examples of 0.1, and a rollout of the last of its ModelDeployments as that release's operator wrote it."""
    found: list[dict[str, Any]] = []
    for path in sorted((RELEASED / "objects").glob("*.yaml")):
        found += [document for document in yaml.safe_load_all(path.read_text()) if document]
    return [*found, a_rollout(next(each for each in found if each["kind"] == "ModelDeployment"))]


def a_rollout(deployment: dict[str, Any]) -> dict[str, Any]:
    spec = deployment["spec"]
    strategy = {key: spec[key] for key in ("delivery", "tiers", "analysis")}
    return {
        "apiVersion": deployment["apiVersion"],
        "kind": "ModelRollout",
        "metadata": deployment["metadata"] | {"name": f"{deployment['metadata']['name']}-1"},
        "spec": {
            "modelDeployment": deployment["metadata"]["name"],
            "model": spec["model"],
            "revision": 1,
            "from": spec["version"] | {"name": "before"},
            "to": spec["version"],
            "compared": True,
            "strategy": strategy | {"verifyRecovery": "10m", "progressDeadline": "15m"},
        },
    }


@pytest.fixture(scope="module")
def upgraded(control_plane: cluster.Cluster) -> Iterator[Kubectl]:
    """A control plane that stored the objects under the CRDs of 0.1 and then got today's."""
    name = f"upgrade-{os.getpid()}-{uuid.uuid4().hex[:6]}"
    try:
        own = cluster.up(name, provider="components", owner_pid=os.getpid())
        kubectl = Kubectl(own.kubectl, own.kubeconfig)
        install(kubectl, RELEASED / "crds")
        kubectl("create", "namespace", "inference")
        for each in objects():
            kubectl.apply(each)
        install(kubectl, ROOT / "crds")
        yield kubectl
    finally:
        cluster.down(name)


def install(kubectl: Kubectl, folder: Path) -> None:
    kubectl("apply", "--server-side", "--force-conflicts", "-f", str(folder))
    kubectl("wait", "--for=condition=Established", "--timeout=60s", "-f", str(folder))


def stored(kubectl: Kubectl, each: dict[str, Any]) -> dict[str, Any]:
    namespace = each["metadata"].get("namespace", "default")
    return kubectl.get("--namespace", namespace, each["kind"], each["metadata"]["name"])


@pytest.mark.parametrize("each", objects(), ids=lambda each: f"{each['kind']}-{each['metadata']['name']}")
def test_what_was_stored_is_read_as_this_release_reads_it(each: dict[str, Any], upgraded: Kubectl):
    spec = stored(upgraded, each)["spec"]
    SPECS[each["kind"]].model_validate(spec)
    assert all("control" not in tier for tier in spec.get("tiers", ())), "a field that is gone is pruned"


@pytest.mark.parametrize("each", objects(), ids=lambda each: f"{each['kind']}-{each['metadata']['name']}")
def test_manifests_of_the_release_before_are_accepted_strictly(each: dict[str, Any], upgraded: Kubectl):
    upgraded.apply(each, arguments=["--validate=strict"])


@pytest.mark.parametrize("each", objects(), ids=lambda each: f"{each['kind']}-{each['metadata']['name']}")
def test_status_and_metadata_can_be_written(each: dict[str, Any], upgraded: Kubectl):
    where = ["--namespace", each["metadata"].get("namespace", "default"), each["kind"], each["metadata"]["name"]]
    status = '{"status": {"observedGeneration": 7}}'
    if each["kind"] == "ModelRollout":
        status = '{"status": {"result": "Progressing", "message": "still here"}}'
    upgraded("patch", *where, "--subresource=status", "--type=merge", "-p", status)
    upgraded("annotate", *where, "--overwrite", "tierwise.io/retry=1")
    assert stored(upgraded, each)["metadata"]["annotations"]["tierwise.io/retry"] == "1"
