"""The generated CRDs at a real API server: every constraint accepts and refuses, naming the field and what to do."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from kubernetes import client, config

from tests.support.api_cases import Case, cases, constraint_names
from tests.support.api_objects import BUILDERS, PLURALS, minimal_deployment, model_rollout, with_value
from tests.support.cluster import Kubectl, KubectlError
from tierwise.api.names import GROUP, VERSION
from tierwise.local.cluster import Cluster

pytestmark = pytest.mark.needs_cluster

CASES: dict[str, list[Case]] = {}
for _case in cases():
    CASES.setdefault(_case.constraint, []).append(_case)

Refusal = dict[str, Any] | None
Try = Callable[[dict[str, Any]], Refusal]


@pytest.fixture(scope="session")
def try_create(control_plane: Cluster, crds_installed: None) -> Try:
    """Creates an object as a dry run with strict fields; None when accepted, else the API server's Status."""
    objects = client.CustomObjectsApi(config.new_client_from_config(str(control_plane.kubeconfig)))

    def create(data: dict[str, Any]) -> Refusal:
        plural = PLURALS[data["kind"]]
        try:
            objects.create_namespaced_custom_object(
                GROUP, VERSION, "default", plural, data, dry_run="All", field_validation="Strict"
            )
        except client.ApiException as refused:
            return json.loads(refused.body)
        return None

    return create


def test_every_constraint_has_an_accepted_and_a_refused_object():
    lacking = [
        name
        for name in constraint_names()
        if {case.is_accepted for case in CASES.get(name, [])} != {True, False} and not name.endswith("rule IMMUTABLE")
    ]
    assert lacking == []


@pytest.mark.parametrize("constraint", CASES)
def test_constraint_accepts_and_refuses(constraint: str, try_create: Try):
    for case in CASES[constraint]:
        refusal = try_create(case.data)
        if case.is_accepted:
            assert refusal is None, f"refused: {refusal['message']}"
        else:
            assert refusal is not None, f"accepted, but {case.field} is wrong"
            said = refusal["message"]
            assert case.field in said, f"the message does not name {case.field}: {said}"
            assert all(word in said for word in case.words), f"the message does not say {case.words}: {said}"


@pytest.mark.parametrize("kind", BUILDERS)
def test_an_object_with_every_field_is_accepted(kind: str, try_create: Try):
    assert try_create(BUILDERS[kind]()) is None


def test_defaults_are_filled_in(kubectl: Kubectl, crds_installed: None):
    kubectl.apply(minimal_deployment())
    spec = kubectl.get("modeldeployment", "bot-score")["spec"]
    tier = spec["tiers"][0]
    assert (tier["minDuration"], tier["maxDuration"], tier["exposure"]) == ("10m", "4h", "20%")
    assert spec["rollback"] == {"automatic": True, "order": "AllAtOnce", "verifyRecovery": "10m"}
    assert (spec["analysis"]["interval"], spec["analysis"]["falseRollbackRate"]) == ("1m", 0.05)
    assert (spec["progressDeadline"], spec["historyLimit"], spec["paused"]) == ("15m", 3, False)


def test_an_object_that_nobody_has_seen_yet_is_not_current(kubectl: Kubectl, crds_installed: None):
    kubectl.apply(minimal_deployment())
    assert kubectl.get("modeldeployment", "bot-score")["status"] == {"observedGeneration": -1}


def test_status_is_a_subresource(kubectl: Kubectl, crds_installed: None):
    kubectl.apply(minimal_deployment() | {"status": {"observedGeneration": 7}})
    assert kubectl.get("modeldeployment", "bot-score")["status"]["observedGeneration"] == -1
    kubectl(
        "patch", "mdep", "bot-score", "--subresource=status", "--type=merge", "-p", '{"status": {"lastRevision": 4}}'
    )
    assert kubectl.get("mdep", "bot-score")["metadata"]["generation"] == 1


def test_the_spec_of_a_rollout_is_immutable(kubectl: Kubectl, crds_installed: None):
    kubectl.apply(model_rollout())
    kubectl.apply(model_rollout())  # the same again is no change
    with pytest.raises(KubectlError, match="spec of a ModelRollout is immutable; change the ModelDeployment"):
        kubectl.apply(with_value(model_rollout(), ("spec", "to", "image"), "other:v8"))


@pytest.mark.parametrize("kind", BUILDERS)
def test_a_spec_of_200_kib_is_refused(kind: str, try_create: Try):
    data = BUILDERS[kind]()
    path = {
        "ModelDeployment": ("spec", "version", "parameters", "MODEL_URI"),
        "ModelRollout": ("spec", "to", "parameters", "MODEL_URI"),
        "MonitoringDataset": ("spec", "where"),
    }[kind]
    refusal = try_create(with_value(data, path, "x" * 200 * 1024))
    assert refusal is not None
    assert ".".join(path) in refusal["message"]
    assert "may not be more than" in refusal["message"]


def test_a_yaml_number_as_commit_is_refused_by_name(kubectl: Kubectl, crds_installed: None):
    text = yaml.safe_dump(minimal_deployment()).replace("name: v8", "name: v8\n    commit: 60833")
    refusal = kubectl.accepts(text)
    assert refusal is not None
    assert "spec.version.commit" in refusal
    assert "must be of type string" in refusal


@pytest.mark.parametrize(
    ("words", "change"),
    [
        ("spec.tiers: Invalid value: 0: spec.tiers in body should have at least 1 items", {"tiers": []}),
        ('spec.tiers[1]: Duplicate value: {"name":"tier-3"}', {"tiers": minimal_deployment()["spec"]["tiers"] * 2}),
        ('unknown field "spec.replicas"', {"replicas": 3}),
    ],
)
def test_kubectl_says_what_is_wrong(words: str, change: dict[str, Any], kubectl: Kubectl, crds_installed: None):
    data = minimal_deployment()
    refusal = kubectl.accepts(data | {"spec": data["spec"] | change})
    assert refusal is not None
    assert words in refusal


def test_the_lists_read_as_documented(kubectl: Kubectl, crds_installed: None):
    kubectl.apply(minimal_deployment())
    kubectl.apply(model_rollout())
    deployments = "NAME VERSION STABLE STATUS IN-SYNC TIER SLICES-JUDGED WORST-SLICE MESSAGE AGE"
    assert _header(kubectl("get", "mdep")) == deployments
    assert _header(kubectl("get", "mdep", "-o", "wide")).split()[-2:] == ["COMMIT", "UNTIL"]
    assert _header(kubectl("get", "rollout")) == "NAME MODEL FROM TO RESULT TIER SLICES-JUDGED REASON AGE"
    assert "bot-score" in kubectl("get", "mro")
    assert _header(kubectl("get", "mds", "--ignore-not-found")) == ""
    both = kubectl("get", "mdep,rollout", "--no-headers")
    assert "modeldeployment.tierwise.io/bot-score" in both
    assert "modelrollout.tierwise.io/bot-score" in both
    assert "bot-score" in kubectl("get", "tierwise")
    # `kubectl delete all --all` must not delete the history of rollouts.
    assert "tierwise.io" not in kubectl("get", "all")


def test_kubectl_explain_describes_every_field(kubectl: Kubectl, crds_installed: None):
    text = " ".join(kubectl("explain", "mdep.spec.tiers").split())
    assert "in rollout order: the first has the smallest blast radius" in text
    assert "Share of pods that run the candidate until the verdict, for each workload" in text
    for name in ("modeldeployment.spec", "modelrollout.spec", "modelrollout.status.tiers", "monitoringdataset.spec"):
        assert "<no description>" not in kubectl("explain", name)


def test_kubectl_wait_sees_the_ready_condition(kubectl: Kubectl, crds_installed: None):
    kubectl.apply(minimal_deployment())
    ready = {
        "type": "Ready",
        "status": "True",
        "reason": "AtRest",
        "message": "v8 is stable",
        "observedGeneration": 1,
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    status = {
        "observedGeneration": 1,
        "summary": {
            "status": "Ready",
            "tier": "tier-3",
            "worstSlice": "asn_type=isp",
            "message": "v8 is stable",
        },
        "stable": {"name": "v8"},
        "conditions": [ready],
    }
    patch = json.dumps({"status": status})
    kubectl("patch", "mdep", "bot-score", "--subresource=status", "--type=merge", "-p", patch)
    kubectl("wait", "--for=condition=Ready", "mdep/bot-score", "--timeout=5s")
    row = " ".join(kubectl("get", "mdep", "bot-score", "--no-headers").split())
    assert row.startswith("bot-score v8 v8 Ready tier-3 asn_type=isp v8 is stable")


def _header(text: str) -> str:
    return " ".join(text.split("\n")[0].split())
