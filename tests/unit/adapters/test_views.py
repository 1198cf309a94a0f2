from __future__ import annotations

from copy import deepcopy

import pytest

from tests.unit.adapters.builders import a_deployment, a_pod, server_of
from tierwise.adapters.kubernetes.workloads.base import view_of
from tierwise.adapters.kubernetes.workloads.deployment import DEPLOYMENT
from tierwise.adapters.kubernetes.workloads.pods import count_pods, is_outdated, pod_record
from tierwise.adapters.kubernetes.workloads.twins import twin_view
from tierwise.adapters.kubernetes.workloads.views import last_writer, template_fingerprint
from tierwise.rollout.state.observation import Running

V7 = Running("bot:v7", {"MODEL_VERSION": "v7", "LOG_LEVEL": "info"})


def test_a_workload_is_read_with_its_plain_environment():
    view = view_of(DEPLOYMENT, a_deployment(), "server", [])
    assert view.running == V7
    assert view.containers == ("server", "proxy")
    assert view.replicas == 4
    assert view.settled


def test_a_missing_container_is_told_by_no_running():
    assert view_of(DEPLOYMENT, a_deployment(), "sever", []).running is None


@pytest.mark.parametrize(
    "change",
    [
        {"metadata__generation": 4},
        {"status__updatedReplicas": 3},
        {"status__availableReplicas": 3},
        {"status__replicas": 5},
        {"spec__replicas": 6},
        {"status": {}},
    ],
)
def test_a_deployment_whose_controller_is_not_done_is_not_settled(change: dict[str, object]):
    assert not DEPLOYMENT.is_ready(a_deployment(**change))


def test_a_deployment_of_no_pods_is_settled():
    assert DEPLOYMENT.is_ready(a_deployment(spec__replicas=0, status={"observedGeneration": 3}))


def test_the_fingerprint_sees_edits_but_not_image_parameters_or_the_arm():
    template = a_deployment()["spec"]["template"]
    before = template_fingerprint(template, "server")
    same = deepcopy(template)
    same["spec"]["containers"][0]["image"] = "bot:v8"
    same["spec"]["containers"][0]["env"][0]["value"] = "v8"
    same["metadata"]["labels"]["tierwise.io/arm"] = "candidate"
    assert template_fingerprint(same, "server") == before
    for edit in (
        lambda t: t["spec"]["containers"][1].update(image="envoy:2"),
        lambda t: t["spec"].update(nodeSelector={"disk": "ssd"}),
        lambda t: t["metadata"].update(annotations={"kubectl.kubernetes.io/restartedAt": "now"}),
        lambda t: t["spec"]["containers"][0]["env"][2]["valueFrom"].update(fieldRef={"fieldPath": "metadata.name"}),
    ):
        edited = deepcopy(template)
        edit(edited)
        assert template_fingerprint(edited, "server") != before


def test_the_last_writer_is_the_manager_of_image_or_parameters_with_the_newest_time():
    def entry(manager: str, time: str, fields: dict[str, object]) -> dict[str, object]:
        container = {"f:spec": {"f:containers": {'k:{"name":"server"}': fields}}}
        return {"manager": manager, "time": time, "fieldsV1": {"f:spec": {"f:template": container}}}

    item = a_deployment()
    assert last_writer(item, "server", ["MODEL_VERSION"]) is None
    item["metadata"]["managedFields"] = [
        entry("kubectl", "2026-01-02T00:00:00Z", {"f:image": {}}),
        entry("tierwise", "2026-01-01T00:00:00Z", {"f:env": {'k:{"name":"MODEL_VERSION"}': {"f:value": {}}}}),
        entry("scaler", "2026-01-03T00:00:00Z", {"f:resources": {}, "f:env": {'k:{"name":"LOG_LEVEL"}': {}}}),
    ]
    assert last_writer(item, "server", ["MODEL_VERSION"]) == "kubectl"
    for managers in (("tierwise", "argocd"), ("argocd", "tierwise")):
        item["metadata"]["managedFields"] = [entry(name, "2026-01-02T00:00:00Z", {"f:image": {}}) for name in managers]
        assert last_writer(item, "server", ["MODEL_VERSION"]) == "argocd"


def test_pods_are_counted_by_what_they_run_not_by_a_label():
    pods = [
        pod_record(a_pod("a")),
        pod_record(a_pod("b", ready=False)),
        pod_record(a_pod("c", image="bot:v6")),
        pod_record(a_pod("d", version="v6")),
        pod_record(a_pod("e", metadata__deletionTimestamp="2026-01-01T00:00:00Z")),
        pod_record(a_pod("f", status={"phase": "Failed"})),
    ]
    counts = count_pods(pods, "server", V7)
    assert (counts.total, counts.ready, counts.terminating, counts.outdated) == (4, 3, 1, 2)


def test_environment_that_a_webhook_added_is_no_difference():
    pod = a_pod()
    pod["spec"]["containers"][0]["env"].append({"name": "INJECTED", "value": "1"})
    assert not is_outdated(pod_record(pod), "server", V7)


def test_a_crash_looping_pod_is_told():
    waiting = {"containerStatuses": [{"state": {"waiting": {"reason": "CrashLoopBackOff"}}}]}
    assert pod_record(a_pod(status=waiting)).crash_looping
    assert not pod_record(
        a_pod(status={"containerStatuses": [{"state": {"waiting": {"reason": "ContainerCreating"}}}]})
    ).crash_looping


def test_a_twin_that_quota_keeps_from_existing_says_so():
    failure = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "exceeded quota: pods"}
    twin = a_deployment("bot-ams-candidate", status={"conditions": [failure]})
    assert twin_view(twin, "server", [], owned=True).blocked == "exceeded quota: pods"


def test_a_twin_whose_pod_finds_no_node_says_so():
    condition = {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": "0/3 nodes are available",
    }
    pod = pod_record(a_pod(status={"conditions": [condition]}))
    view = twin_view(a_deployment("bot-ams-candidate"), "server", [pod], owned=True)
    assert view.blocked == "0/3 nodes are available"
    assert view.twin_of == "bot-ams"


def test_reading_changes_nothing():
    item = a_deployment()
    before = deepcopy(item)
    view_of(DEPLOYMENT, item, "server", [])
    assert item == before
    assert server_of(item)["image"] == "bot:v7"
