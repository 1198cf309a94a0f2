from __future__ import annotations

from copy import deepcopy

from tests.unit.adapters.builders import Json, a_deployment, server_of
from tierwise.adapters.kubernetes.workloads.deployment import DEPLOYMENT
from tierwise.adapters.kubernetes.workloads.manifests import delivery_manifest, label_value, twin_manifest
from tierwise.adapters.kubernetes.workloads.views import is_twin, template_fingerprint
from tierwise.api.common import Version
from tierwise.rollout.state.actions import ApplyTwin, Deliver

V8 = Version(name="v8", image="bot:v8", parameters={"MODEL_VERSION": "v8", "EXTRA": "x"})


def an_apply(**changes: object) -> ApplyTwin:
    values: dict[str, object] = {
        "tier": "tier-3",
        "kind": "Deployment",
        "workload_name": "bot-ams",
        "workload_uid": "uid-bot-ams",
        "twin_name": "bot-ams-candidate",
        "rollout_name": "bot-score-2",
        "rollout_uid": "uid-rollout",
        "container": "server",
        "version": V8,
        "replicas": 1,
    }
    return ApplyTwin(**(values | changes))  # type: ignore[arg-type]


def a_twin(item: Json, **changes: object) -> Json:
    return twin_manifest(DEPLOYMENT.twin_spec(item), "ns", "bot-score", an_apply(**changes))


def test_a_twin_is_the_live_template_with_the_version():
    item = a_deployment()
    twin = a_twin(item)
    server = server_of(twin)
    assert server["image"] == "bot:v8"
    assert {entry["name"]: entry.get("value") for entry in server["env"]} == {
        "MODEL_VERSION": "v8",
        "LOG_LEVEL": "info",
        "NODE": None,
        "EXTRA": "x",
    }
    assert twin["spec"]["template"]["spec"]["containers"][1] == {"name": "proxy", "image": "envoy:1"}
    assert twin["spec"]["replicas"] == 1
    assert template_fingerprint(twin["spec"]["template"], "server") == template_fingerprint(
        item["spec"]["template"], "server"
    )


def test_services_select_the_twins_pods_and_only_the_twin_selects_them_for_itself():
    twin = a_twin(a_deployment())
    assert twin["spec"]["template"]["metadata"]["labels"] == {
        "app": "bot-score",
        "site": "ams",
        "tierwise.io/arm": "candidate",
    }
    assert twin["spec"]["selector"]["matchLabels"] == {
        "app": "bot-score",
        "site": "ams",
        "tierwise.io/arm": "candidate",
    }


def test_the_twin_itself_does_not_match_the_tiers_selector():
    twin = a_twin(a_deployment())
    assert set(twin["metadata"]["labels"]) == {
        "tierwise.io/twin-of",
        "tierwise.io/model-deployment",
        "tierwise.io/rollout",
        "tierwise.io/tier",
    }
    assert is_twin(twin)
    assert twin["metadata"]["ownerReferences"][0]["uid"] == "uid-rollout"


def test_making_a_twin_leaves_the_workload_as_it_is():
    item = a_deployment()
    before = deepcopy(item)
    a_twin(item)
    assert item == before


def test_a_version_without_an_image_keeps_the_workloads():
    twin = a_twin(a_deployment(), version=Version(name="v8", parameters={"MODEL_VERSION": "v8"}))
    assert server_of(twin)["image"] == "bot:v7"


def a_delivery(version: Version) -> Deliver:
    return Deliver("tier-3", "Deployment", "bot-ams", "uid-bot-ams", "server", version, force=True)


def test_a_delivery_names_image_parameters_and_uid_and_nothing_else():
    assert delivery_manifest(a_deployment(), a_delivery(V8)) == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "bot-ams", "namespace": "ns", "uid": "uid-bot-ams"},
        "spec": {
            "template": {
                "spec": {
                    "containers": [
                        {
                            "name": "server",
                            "image": "bot:v8",
                            "env": [{"name": "EXTRA", "value": "x"}, {"name": "MODEL_VERSION", "value": "v8"}],
                        }
                    ]
                }
            }
        },
    }


def test_a_version_without_an_image_does_not_take_the_image_over():
    version = Version(name="v8", parameters={"MODEL_VERSION": "v8"})
    delivered = delivery_manifest(a_deployment(), a_delivery(version))
    assert "image" not in server_of(delivered)


def test_an_image_that_tierwise_owns_is_not_taken_away_by_a_version_without_one():
    item = a_deployment()
    fields = {"f:spec": {"f:template": {"f:spec": {"f:containers": {'k:{"name":"server"}': {"f:image": {}}}}}}}
    item["metadata"]["managedFields"] = [{"manager": "tierwise", "operation": "Apply", "fieldsV1": fields}]
    version = Version(name="v8", parameters={"MODEL_VERSION": "v8"})
    assert server_of(delivery_manifest(item, a_delivery(version)))["image"] == "bot:v7"


def test_long_names_become_distinct_labels():
    one, other = label_value("a" * 80), label_value("a" * 79 + "b")
    assert len(one) <= 63
    assert one != other
    assert label_value("short") == "short"
