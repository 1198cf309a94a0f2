"""The chart grants what the operator needs and no more: it runs with that ServiceAccount's token and arguments."""

from __future__ import annotations

import subprocess
import sys

from tests.support.cluster import Kubectl
from tests.support.operator import running_operator
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


def test_the_operator_adopts_probes_and_rolls_back_with_the_charts_rights_only(
    helm, admin, crds_installed, restricted, store_dsn, tmp_path
):
    objects = helm.template("secrets={clickhouse}", namespace=restricted)
    admin.apply(*[each for each in objects if each["kind"] in ("ServiceAccount", "Role", "RoleBinding")])
    kubectl: Kubectl = admin.inside(restricted)
    kubectl.apply(a_store(store_dsn), *THE_SCENE)
    user = kubectl.as_service_account("tierwise", tmp_path)
    [container] = next(each for each in objects if each["kind"] == "Deployment")["spec"]["template"]["spec"][
        "containers"
    ]
    # The chart's own arguments but for the addresses, which several operators of one machine cannot share.
    local = ("--health=", "--metrics=", "--bind=", "--namespace=", "--log-format=")
    arguments = [each for each in container["args"][1:] if not each.startswith(local)]
    log = tmp_path / "operator.log"

    def deployments() -> list[str]:
        return kubectl("get", "deployments", "-o", "name").split()

    def status() -> dict:
        return kubectl.get("modeldeployment", "bot-score").get("status", {})

    with running_operator(user.kubeconfig, restricted, log, "--metrics=0", *arguments) as operator:
        assert operator.probe("/healthz")[0] == 200
        eventually(lambda: (status().get("stable") or {}).get("name") == "v1", within=60, what="v1 is adopted")
        kubectl(
            *("patch", "modeldeployment", "bot-score", "--type=merge", "-p"),
            '{"spec": {"version": {"name": "v2", "image": "example.test/model:v2"}}}',
        )
        eventually(lambda: "deployment.apps/web-candidate" in deployments(), within=60, what="a twin")
        kubectl("annotate", "modeldeployment", "bot-score", "tierwise.io/rollback=by a test")
        eventually(lambda: "deployment.apps/web-candidate" not in deployments(), within=60, what="no twin")

        def results() -> list[str]:
            return [each.get("status", {}).get("result") for each in kubectl.get("modelrollouts")["items"]]

        eventually(lambda: results() == ["RolledBack"], within=60, what="the rollout is over")
        events = [each["reason"] for each in kubectl.get("events")["items"]]
        assert "RolledBack" in events
        conditions = kubectl.get("mds", "humans").get("status", {}).get("conditions", [])
        assert [each["reason"] for each in conditions if each["type"] == "Ready"] == ["NoRows"]
        kubectl("delete", "modeldeployment", "bot-score", "--timeout=60s")
    assert "forbidden" not in log.read_text().lower()


def test_the_operators_account_may_not_do_what_it_does_not_do(helm, admin, restricted, tmp_path):
    objects = helm.template("secrets={clickhouse}", namespace=restricted)
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
        ("update", "modeldeployments.tierwise.io"),
        ("delete", "modeldeployments.tierwise.io"),
        ("update", "monitoringdatasets.tierwise.io"),
        ("list", "pods", "--namespace=default"),
        ("get", "nodes"),
        ("update", "leases.coordination.k8s.io/another"),
    ):
        assert not may(*refused), refused
