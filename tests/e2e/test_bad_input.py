"""What a person got wrong is said at the object, with what to do; once it is mended nothing else has to be done."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.support.model import TIERS, model_deployment, monitoring_dataset, workload
from tests.support.polling import eventually
from tests.support.world import Scene, World
from tierwise.simulation.traffic.scenarios import identical

pytestmark = [pytest.mark.needs_cluster, pytest.mark.timeout(300)]

PLACES = ("mistakes",)
TRAFFIC = identical(300, slices=2)
PASSWORD = "battery-staple-77f0"  # of no store at all


@pytest.fixture(scope="module", autouse=True)
def log(world: World) -> None:
    """Given a log with rows, so that the table is there, and a dataset that is right."""
    scene = world.scene("mistakes", "reference")
    scene.serve("v1")
    scene.kubectl.apply(monitoring_dataset("segment"))
    world.play(scene, source=TRAFFIC)
    scene.deploy("v1")
    scene.becomes_ready()


@pytest.fixture
def scene(world: World, request: pytest.FixtureRequest) -> Iterator[Scene]:
    """Given three tiers of a model of the test's own that serve v1."""
    number = len(world.scenes)
    scene = world.scene("mistakes", f"model-{number}")
    scene.serve("v1")
    yield scene
    scene.kubectl("delete", "mdep", scene.model, "--ignore-not-found", "--wait=false")


def starts_v2(scene: Scene, **changes: Any) -> None:
    """The mended object is adopted, and the next version starts a rollout."""
    scene.becomes_ready()
    probes_v2(scene, **changes)


def probes_v2(scene: Scene, **changes: Any) -> None:
    """The next version gets as far as its first twin."""
    scene.deploy("v2", **changes)
    eventually(
        lambda: f"{scene.model}-tier-3-candidate" in scene.workloads(), within=90, every=0.5, what="the twin is there"
    )


def test_a_selector_that_matches_nothing(scene: Scene, world: World):
    manifest = model_deployment("v1", model=scene.model, progressDeadline="3s")
    manifest["spec"]["tiers"][1]["workloads"]["selector"]["matchLabels"] = {"app": scene.model, "tier": "tier-two"}
    scene.kubectl.apply(manifest)
    message = scene.stalls("NoWorkloads")
    assert f"tier 'tier-2': selector app={scene.model},tier=tier-two matches no Deployment" in message
    assert "fix the selector" in message

    scene.deploy("v1")
    starts_v2(scene)


def test_a_selector_that_matches_nothing_until_the_workload_is_there(scene: Scene, world: World):
    scene.kubectl("delete", "deployment", f"{scene.model}-tier-1")
    scene.deploy("v1", progressDeadline="3s")
    assert "tier 'tier-1'" in scene.stalls("NoWorkloads")
    scene.kubectl.apply(workload("tier-1", model=scene.model))
    starts_v2(scene)


def test_two_model_deployments_on_one_workload(scene: Scene, world: World):
    scene.deploy("v1")
    scene.becomes_ready()
    second = Scene(world, scene.kubectl, f"{scene.model}-twice")
    manifest = model_deployment("v1", model=scene.model)
    manifest["metadata"]["name"] = second.model
    scene.kubectl.apply(manifest)
    message = second.stalls("WorkloadConflict")
    assert f"already belongs to ModelDeployment '{scene.model}'" in message
    assert scene.condition("Ready")["status"] == "True"  # the older one is not disturbed

    scene.kubectl("delete", "mdep", scene.model, "--timeout=60s", timeout=90)
    second.becomes_ready()
    scene.kubectl("delete", "mdep", second.model, "--wait=false")


def test_a_dataset_that_is_missing(scene: Scene, world: World):
    name = f"{scene.model}-humans"
    scene.deploy("v1", dataset=name)
    message = scene.stalls("DatasetMissing")
    assert f"MonitoringDataset '{name}' does not exist in namespace" in message

    scene.kubectl.apply(monitoring_dataset("segment", name=name))
    starts_v2(scene, dataset=name)


def test_a_column_that_is_not_in_the_table(scene: Scene, world: World):
    name = f"{scene.model}-humans"
    scene.kubectl.apply(monitoring_dataset("segment", name=name, columns={"label": "is_bot"}))
    scene.deploy("v1", dataset=name)
    message = scene.stalls("UnknownColumn")
    assert "is_bot" in message
    assert "model_version" in message  # those there are
    assert "spec.columns.label" in message

    scene.kubectl.apply(monitoring_dataset("segment", name=name))
    starts_v2(scene, dataset=name)


def test_a_metric_that_does_not_exist(scene: Scene, world: World):
    scene.deploy("v1", metrics=[{"name": "acuracy", "margin": {"absolute": 0.01}}])
    message = scene.stalls("UnknownMetric")
    assert "'acuracy'" in message
    assert "did you mean accuracy" in message
    assert "`tierwise metrics` lists all" in message

    scene.deploy("v1")
    starts_v2(scene)


def test_a_dimension_that_does_not_exist(scene: Scene, world: World):
    scene.deploy("v1", slices=["carrier"])
    message = scene.stalls("UnknownDimension")
    assert "'carrier'" in message
    assert "segment" in message

    scene.deploy("v1")
    starts_v2(scene)


def test_a_feature_that_is_not_supported_yet(scene: Scene, world: World):
    manifest = model_deployment("v1", model=scene.model)
    manifest["spec"]["tiers"][2]["workloads"]["candidatePods"] = "InPlace"
    scene.kubectl.apply(manifest)
    assert "spec.tiers[2].workloads.candidatePods" in scene.stalls("NotSupported")
    assert scene.rollouts() == {}

    del manifest["spec"]["tiers"][2]["workloads"]["candidatePods"]
    scene.kubectl.apply(manifest)
    starts_v2(scene)


@pytest.mark.parametrize(
    "change",
    [
        {"where": "1 = 1; DROP TABLE predictions"},
        {"where": "label IN (SELECT 1 SETTINGS max_execution_time = 0)"},
        {"where": "sleep(3) = 0"},
        {"table": None, "query": "SELECT * FROM url('http://169.254.169.254/latest', CSV)"},
        {"table": None, "query": "SELECT * FROM file('/etc/passwd')"},
        {"table": None, "query": "SELECT * FROM predictions INTO OUTFILE '/tmp/x'"},
        {"table": None, "query": "SELECT * FROM system.users"},
    ],
    ids=["statement", "settings", "sleep", "url", "file", "outfile", "system"],
)
def test_sql_that_does_more_than_read_the_log_is_refused(scene: Scene, world: World, change: dict[str, Any]):
    name = f"{scene.model}-humans"
    manifest = monitoring_dataset("segment", name=name)
    manifest["spec"] = {k: v for k, v in {**manifest["spec"], **change}.items() if v is not None}
    scene.kubectl.apply(manifest)
    scene.deploy("v1", dataset=name)
    assert name in scene.stalls("QueryRefused")

    scene.kubectl("replace", "-f", "-", text=yaml.safe_dump(monitoring_dataset("segment", name=name)))
    scene.becomes_ready()


def test_versions_with_one_name(scene: Scene, world: World):
    scene.deploy("v1")
    scene.becomes_ready()
    manifest = model_deployment("v1", model=scene.model)
    manifest["spec"]["version"]["image"] = "example.com/other:v1"
    scene.kubectl.apply(manifest)
    assert "choose a new one" in scene.stalls("VersionNameTaken")
    probes_v2(scene)


def test_a_password_is_in_no_log_event_or_status(scene: Scene, world: World):
    name, kubectl = f"{scene.model}-humans", scene.kubectl
    dsn = f"clickhouse://reader:{PASSWORD}@127.0.0.1:9/default"
    for text in (dsn, f"clickhouse//reader:{PASSWORD}@[broken", f"mysql://reader:{PASSWORD}@127.0.0.1/default"):
        kubectl.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {"dsn": text}})
        reference = {"dsnSecret": {"name": name, "key": "dsn"}}
        kubectl.apply(monitoring_dataset("segment", name=name, store=reference))
        scene.deploy("v1", dataset=name)
        if text != dsn:
            scene.stalls("InvalidSpec")
            continue
        scene.becomes_ready()  # a store that is away is no reason not to adopt
        scene.deploy("v2", dataset=name)
        scene.holds("tier-3", "StoreUnreachable")
        scene.deploy("v1", dataset=name)
        scene.ends("Superseded", "RolledBack", within=60)
    seen = world.operator.log.read_text() + scene.explain()
    for kind in ("events", "modeldeployments", "modelrollouts", "monitoringdatasets", "deployments"):
        seen += kubectl("get", kind, "-o", "yaml")
    assert PASSWORD not in seen
    assert all(f"{scene.model}-{tier}" in seen for tier in TIERS)
