"""The Helm chart: what it renders, what the API server says of it, and what its ServiceAccount may do."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.error
import urllib.request
import uuid
from pathlib import Path

import pytest
from tests.support.cluster import Kubectl
from tests.support.polling import eventually

from tierwise.local.controlplane import free_ports

CHART = Path(__file__).parent.parent.parent / "charts" / "tierwise"
CLUSTER_WIDE = ("ClusterRole", "ClusterRoleBinding")


@pytest.fixture
def restricted(admin):
    """A namespace whose pods must meet Pod Security `restricted`."""
    name = f"restricted-{uuid.uuid4().hex[:8]}"
    labels = {"pod-security.kubernetes.io/enforce": "restricted", "pod-security.kubernetes.io/warn": "restricted"}
    admin.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
    yield name
    admin("delete", "namespace", name, "--wait=false")


def kinds(objects: list[dict]) -> list[str]:
    return sorted(each["kind"] for each in objects)


def the(objects: list[dict], kind: str) -> dict:
    [found] = [each for each in objects if each["kind"] == kind]
    return found


def test_helm_lint_finds_nothing(helm):
    done = helm("lint", "--strict", str(CHART))
    assert done.returncode == 0, done.stdout


def test_by_default_nothing_is_cluster_wide_and_only_the_own_namespace_is_served(helm):
    objects = helm.template()
    assert not set(kinds(objects)) & set(CLUSTER_WIDE)
    assert {each["metadata"]["namespace"] for each in objects} == {"tierwise-system"}
    arguments = the(objects, "Deployment")["spec"]["template"]["spec"]["containers"][0]["args"]
    assert "--namespace=tierwise-system" in arguments


def test_each_served_namespace_gets_a_role_of_its_own(helm):
    objects = helm.template("scope.namespaces={inference,ads}")
    roles = [each for each in objects if each["kind"] == "Role"]
    assert sorted(each["metadata"]["namespace"] for each in roles) == ["ads", "inference", "tierwise-system"]
    assert not set(kinds(objects)) & set(CLUSTER_WIDE)


def test_cluster_scope_is_opt_in(helm):
    objects = helm.template("scope.cluster=true")
    assert set(CLUSTER_WIDE) <= set(kinds(objects))
    arguments = the(objects, "Deployment")["spec"]["template"]["spec"]["containers"][0]["args"]
    assert not [each for each in arguments if each.startswith("--namespace")]


def test_no_rule_has_a_wildcard_and_secrets_are_read_by_name_only(helm):
    objects = helm.template("secrets={clickhouse}", "scope.cluster=true")
    rules = [rule for each in objects for rule in each.get("rules", [])]
    assert rules
    for rule in rules:
        assert "*" not in rule["verbs"] + rule["resources"] + rule["apiGroups"]
        if "secrets" in rule["resources"]:
            assert rule == {
                "apiGroups": [""],
                "resources": ["secrets"],
                "resourceNames": ["clickhouse"],
                "verbs": ["get"],
            }
    assert not [rule for each in helm.template() for rule in each.get("rules", []) if "secrets" in rule["resources"]]


def test_the_dsn_comes_from_a_secret(helm):
    objects = helm.template("store.secret.name=clickhouse")
    [container] = the(objects, "Deployment")["spec"]["template"]["spec"]["containers"]
    assert container["env"] == [
        {"name": "TIERWISE_STORE", "valueFrom": {"secretKeyRef": {"name": "clickhouse", "key": "dsn"}}}
    ]


def test_a_digest_pins_the_image(helm):
    digest = "sha256:" + "a" * 64
    [container] = the(helm.template(f"image.digest={digest}"), "Deployment")["spec"]["template"]["spec"]["containers"]
    assert container["image"] == f"tierwise@{digest}"


@pytest.mark.parametrize(
    ("value", "says"), [("replica=2", "replica"), ("image.digest=abc", "digest"), ("secrets=x", "secrets")]
)
def test_mistyped_values_are_refused(helm, value, says):
    assert says in helm.refuses(value)


def test_the_api_server_accepts_every_object_where_pods_must_be_restricted(helm, admin, restricted):
    values = ("secrets={clickhouse}", "store.secret.name=clickhouse")
    for more in ((), ("scope.cluster=true",)):
        objects = helm.template(*values, *more, namespace=restricted)
        assert admin.accepts(*objects) is None
        # Pod Security is checked on pods, so a Deployment alone would be accepted with any pod.
        template = the(objects, "Deployment")["spec"]["template"]
        labels = {**template["metadata"], "name": "as-the-deployment-would", "namespace": restricted}
        admin("create", "serviceaccount", "tierwise", "-n", restricted, "--dry-run=server")
        spec = {**template["spec"], "serviceAccountName": "default"}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": labels, "spec": spec}
        assert admin.accepts(pod) is None


def test_helm_installs_the_crds_and_waits_for_the_pods(helm, control_plane, admin, restricted):
    helm.install(control_plane.kubeconfig, restricted)
    kubectl = admin.inside(restricted)
    assert len(kubectl.get("pods")["items"]) == 1
    assert "modeldeployments" in kubectl("api-resources", "--api-group=tierwise.io", "-o", "name")
    assert helm("uninstall", "tierwise", "-n", restricted, kubeconfig=control_plane.kubeconfig).returncode == 0


def answers(url: str) -> int:
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=5) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def test_the_operator_runs_with_the_charts_rights_and_no_others(
    helm, control_plane, admin, crds_installed, restricted, tmp_path
):
    """The operator with the ServiceAccount's token and the chart's own arguments: no request of it is forbidden."""
    objects = helm.template("secrets={clickhouse}", namespace=restricted)
    admin.apply(*[each for each in objects if each["kind"] in ("ServiceAccount", "Role", "RoleBinding")])
    user: Kubectl = admin.inside(restricted).as_service_account("tierwise", tmp_path)
    admin.inside(restricted).apply(*THE_SCENE)
    [container] = the(objects, "Deployment")["spec"]["template"]["spec"]["containers"]
    health, metrics = free_ports(2)
    instead = {"--health": str(health), "--metrics": str(metrics), "--bind": "127.0.0.1", "--log-format": "text"}
    given = dict(each.split("=", 1) for each in container["args"][1:])
    arguments = [f"{key}={value}" for key, value in {**given, **instead}.items()]
    log = tmp_path / "operator.log"
    environment = {key: value for key, value in os.environ.items() if key not in ("TIERWISE_STORE", "KUBECONFIG")}
    with log.open("w") as out:
        operator = subprocess.Popen(
            [sys.executable, "-m", "tierwise.cli.main", "operator", f"--kubeconfig={user.kubeconfig}", *arguments],
            stdout=out,
            stderr=subprocess.STDOUT,
            env=environment,
        )
    try:
        eventually(lambda: answers(f"http://127.0.0.1:{health}/readyz") == 200, within=60, what=f"ready, see {log}")
        assert answers(f"http://127.0.0.1:{health}/healthz") == 200

        def summary() -> str:
            status = admin.inside(restricted).get("modeldeployment", "bot-score").get("status", {})
            return str((status.get("stable") or {}).get("name"))

        eventually(lambda: summary() == "v1", within=60, what="v1 is adopted")
        # A new version: a rollout object, a twin, Events, a finalizer.
        twin = "web-candidate"
        admin.inside(restricted)(
            *("patch", "modeldeployment", "bot-score", "--type=merge", "-p"),
            '{"spec": {"version": {"name": "v2", "image": "example.test/model:v2"}}}',
        )
        eventually(lambda: admin.inside(restricted)("get", "deployment", twin, "-o", "name"), within=60)
        admin.inside(restricted)("annotate", "modeldeployment", "bot-score", "tierwise.io/rollback=by a test")
        eventually(
            lambda: twin not in admin.inside(restricted)("get", "deployments", "-o", "name"),
            within=60,
            what="no twin",
        )
        assert operator.poll() is None
    finally:
        operator.terminate()
        operator.wait(30)
    assert "forbidden" not in log.read_text().lower(), log.read_text()


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
            "columns": {"time": "ts", "model": "model", "version": "version", "score": "score", "label": "label"},
            "dimensions": [{"name": "browser", "expression": "browser"}],
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
