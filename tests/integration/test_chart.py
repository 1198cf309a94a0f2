"""The Helm chart: what it renders, what the API server says of it, and what its ServiceAccount may do."""

from __future__ import annotations

from pathlib import Path

import pytest

CHART = Path(__file__).parent.parent.parent / "charts" / "tierwise"
CLUSTER_WIDE = ("ClusterRole", "ClusterRoleBinding")


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
