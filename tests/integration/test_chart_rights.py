"""The chart grants what the operator needs and no more: it runs with that ServiceAccount's token and arguments."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass

import pytest

from tests.support.cluster import Kubectl
from tests.support.operator import OperatorProcess, running_operator
from tests.support.polling import eventually

CONTAINER = {
    "name": "server",
    "image": "example.test/model:v1",
    "securityContext": {
        "allowPrivilegeEscalation": False,
        "runAsNonRoot": True,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    },
}
LABELS = {"app": "bot-score", "tier": "3"}
THE_SCENE: tuple[dict, ...] = (
    {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "labels": LABELS},
        "spec": {
            "replicas": 4,
            "selector": {"matchLabels": LABELS},
            "template": {"metadata": {"labels": LABELS}, "spec": {"containers": [CONTAINER]}},
        },
    },
    {
        "apiVersion": "tierwise.io/v1alpha1",
        "kind": "MonitoringDataset",
        "metadata": {"name": "humans"},
        "spec": {
            "store": {"dsnSecret": {"name": "clickhouse", "key": "dsn"}},
            "table": "predictions",
            "columns": {"time": "ts", "model": "model", "version": "model_version", "score": "score", "label": "label"},
            "dimensions": [{"name": "pod", "expression": "pod"}],
        },
    },
    {
        "apiVersion": "tierwise.io/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": {"name": "bot-score"},
        "spec": {
            "model": "bot-score",
            "version": {"name": "v1", "image": "example.test/model:v1"},
            "delivery": {"type": "PodTemplate", "container": "server"},
            "tiers": [{"name": "tier-3", "workloads": {"kind": "Deployment", "selector": {"matchLabels": LABELS}}}],
            "analysis": {
                "datasets": [{"name": "humans", "metrics": [{"name": "accuracy", "margin": {"absolute": 0.01}}]}]
            },
        },
    },
)


def a_store(dsn: str) -> dict:
    subprocess.run(
        [sys.executable, "-m", "tierwise.cli.main", "store", "init", "--store", dsn], check=True, capture_output=True
    )
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "clickhouse"}, "stringData": {"dsn": dsn}}


@dataclass(frozen=True)
class Served:
    """An operator with the chart's rights and arguments, and a ModelDeployment that it serves."""

    kubectl: Kubectl
    operator: OperatorProcess

    def status(self) -> dict:
        return self.kubectl.get("modeldeployment", "bot-score").get("status", {})

    def results(self) -> list[str]:
        return [each.get("status", {}).get("result") for each in self.kubectl.get("modelrollouts")["items"]]

    def events(self) -> list[str]:
        return [each["reason"] for each in self.kubectl.get("events")["items"]]

    def start_v2(self) -> None:
        eventually(lambda: (self.status().get("stable") or {}).get("name") == "v1", within=60, what="v1 is adopted")
        self.kubectl(
            *("patch", "modeldeployment", "bot-score", "--type=merge", "-p"),
            '{"spec": {"version": {"name": "v2", "image": "example.test/model:v2"}}}',
        )

    def roll_back(self) -> None:
        self.kubectl("annotate", "modeldeployment", "bot-score", "tierwise.io/rollback=by a test")


@pytest.fixture
def served(helm, admin, crds_installed, restricted, store_dsn, tmp_path):
    """Starts an operator for a scene; afterwards nothing was forbidden to it."""

    @contextmanager
    def start(*scene: dict) -> Iterator[Served]:
        objects = helm.template("secrets={clickhouse}", namespace=restricted)
        admin.apply(*[each for each in objects if each["kind"] in ("ServiceAccount", "Role", "RoleBinding")])
        kubectl: Kubectl = admin.inside(restricted)
        kubectl.apply(a_store(store_dsn), *scene)
        user = kubectl.as_service_account("tierwise", tmp_path)
        [container] = next(each for each in objects if each["kind"] == "Deployment")["spec"]["template"]["spec"][
            "containers"
        ]
        # The chart's own arguments but for the addresses, which several operators of one machine cannot share.
        local = ("--health=", "--metrics=", "--bind=", "--namespace=", "--log-format=")
        arguments = [each for each in container["args"][1:] if not each.startswith(local)]
        log = tmp_path / "operator.log"
        with running_operator(user.kubeconfig, restricted, log, "--metrics=0", *arguments) as operator:
            yield Served(kubectl, operator)
            kubectl("delete", "modeldeployment", "bot-score", "--timeout=60s")
        assert "forbidden" not in log.read_text().lower()

    return start


def test_the_operator_adopts_probes_and_rolls_back_with_the_charts_rights_only(served):
    with served(*THE_SCENE) as world:

        def deployments() -> list[str]:
            return world.kubectl("get", "deployments", "-o", "name").split()

        assert world.operator.probe("/healthz")[0] == 200
        world.start_v2()
        eventually(lambda: "deployment.apps/web-candidate" in deployments(), within=60, what="a twin")
        world.roll_back()
        eventually(lambda: "deployment.apps/web-candidate" not in deployments(), within=60, what="no twin")
        eventually(lambda: world.results() == ["RolledBack"], within=60, what="the rollout is over")
        eventually(lambda: "RolledBack" in world.events(), within=20, what="an event tells it")
        conditions = world.kubectl.get("mds", "humans").get("status", {}).get("conditions", [])
        assert [each["reason"] for each in conditions if each["type"] == "Ready"] == ["NoRows"]


@pytest.fixture
def nodes(admin: Kubectl, restricted: str) -> Iterator[dict[str, str]]:
    """Four nodes of the test's own; the labels that select them."""
    own = {"of": restricted}
    names = [f"{restricted}-{index}" for index in range(4)]
    metadata = [{"name": name, "labels": {"type": "kwok", **own}} for name in names]
    admin.apply(*({"apiVersion": "v1", "kind": "Node", "metadata": each} for each in metadata))
    yield own
    admin("delete", "node", *names, "--wait=false")


@pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet"])
def test_it_gives_pods_the_candidate_in_place_and_takes_it_away_again(served, nodes, kind):
    workload, dataset, deployment = deepcopy(THE_SCENE)
    workload["kind"], workload["spec"]["template"]["spec"]["nodeSelector"] = kind, nodes
    if kind == "StatefulSet":
        workload["spec"]["serviceName"] = "web"
    else:
        del workload["spec"]["replicas"]
    deployment["spec"]["tiers"][0]["workloads"] |= {"kind": kind, "candidatePods": "InPlace"}
    with served(workload, dataset, deployment) as world:

        def images() -> list[str]:
            """By name of the pod, so of a StatefulSet by ordinal."""
            pods = world.kubectl.get("pods", "-l", "app=bot-score")["items"]
            found = {pod["metadata"]["name"]: pod["spec"]["containers"][0]["image"].split(":")[1] for pod in pods}
            return [found[name] for name in sorted(found)]

        own = world.kubectl.get(kind, "web")["spec"]["updateStrategy"]
        world.start_v2()
        eventually(lambda: sorted(images()) == ["v1", "v1", "v1", "v2"], within=60, what="one pod has the candidate")
        assert kind == "DaemonSet" or images()[-1] == "v2"  # the highest ordinal
        assert world.kubectl.get(kind, "web")["spec"]["updateStrategy"] != own
        world.roll_back()
        eventually(lambda: world.results() == ["RolledBack"], within=60, what="the rollout is over")
        assert images() == ["v1"] * 4
        assert world.kubectl.get(kind, "web")["spec"]["updateStrategy"] == own


def test_the_operators_account_may_not_do_what_it_does_not_do(helm, admin, restricted, tmp_path):
    objects = helm.template("secrets={clickhouse}", "candidatePodsInPlace=false", namespace=restricted)
    admin.apply(*[each for each in objects if each["kind"] in ("ServiceAccount", "Role", "RoleBinding")])
    user = admin.inside(restricted).as_service_account("tierwise", tmp_path)

    def may(*what: str) -> bool:
        try:
            return user("auth", "can-i", *what).strip() == "yes"
        except AssertionError:
            return False

    assert may("get", "secrets/clickhouse")
    for refused in (
        ("list", "secrets"),
        ("get", "secrets/another"),
        ("create", "pods"),
        ("delete", "pods"),
        ("create", "statefulsets.apps"),
        ("delete", "daemonsets.apps"),
        ("update", "modeldeployments.tierwise.io"),
        ("delete", "modeldeployments.tierwise.io"),
        ("update", "monitoringdatasets.tierwise.io"),
        ("list", "pods", "--namespace=default"),
        ("get", "nodes"),
        ("update", "leases.coordination.k8s.io/another"),
    ):
        assert not may(*refused), refused


def test_pods_may_be_deleted_only_where_candidates_take_their_place(helm):
    def verbs(*values: str) -> set[str]:
        [role] = [
            each for each in helm.template(*values) if each["metadata"]["name"] == "tierwise" and each["kind"] == "Role"
        ]
        return {verb for rule in role["rules"] if "pods" in rule["resources"] for verb in rule["verbs"]}

    assert verbs() == {"get", "list", "watch", "delete"}
    assert verbs("candidatePodsInPlace=false") == {"get", "list", "watch"}
