"""Deliveries on a real API server: exactly image and parameters, with preconditions, and what is left alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.fleet_world import V1, V2, World, a_workload, is_ready
from tests.support.polling import eventually
from tierwise.api.common import Version
from tierwise.errors import ConflictError, SpecError

pytestmark = pytest.mark.needs_cluster


def test_a_delivery_owns_exactly_image_and_parameters(world: World):
    world.fleet.apply(world.deployment(), world.deliver())
    item = world.kubectl.get("deployment", "w", "--show-managed-fields")
    entry = next(each for each in item["metadata"]["managedFields"] if each["manager"] == "tierwise")
    assert entry["operation"] == "Apply"
    container = {
        ".": {},
        "f:name": {},
        "f:image": {},
        "f:env": {'k:{"name":"MODEL_VERSION"}': {".": {}, "f:name": {}, "f:value": {}}},
    }
    owned = entry["fieldsV1"]["f:spec"]["f:template"]["f:spec"]["f:containers"]['k:{"name":"server"}']
    assert {key: value for key, value in owned.items() if value or key != "."} == {
        key: value for key, value in container.items() if value or key != "."
    }
    assert set(entry["fieldsV1"]) == {"f:spec"}
    running = world.workload().running
    assert running is not None
    assert running.environment == {"MODEL_VERSION": "v2", "LOG_LEVEL": "info"}
    assert world.workload().replicas == 2
    eventually(lambda: is_ready(world.workload()) and world.workload().pods.terminating == 0, within=60)
    assert world.workload().pods.outdated == 0
    settled = world.resource_version("deployment", "w")
    world.fleet.apply(world.deployment(), world.deliver())
    assert world.resource_version("deployment", "w") == settled  # the second time writes nothing


def test_delivering_the_old_version_again_gives_the_parameters_back(world: World):
    wider = Version(name="v2", image=V2.image, parameters={"MODEL_VERSION": "v2", "EXTRA": "1"})
    world.fleet.apply(world.deployment(), world.deliver(wider))
    world.fleet.apply(world.deployment(), world.deliver(V1))
    running = world.workload().running
    assert running is not None
    assert running.image == V1.image
    assert running.environment == {"MODEL_VERSION": "v1", "LOG_LEVEL": "info"}


def test_a_delivery_to_a_workload_made_anew_or_gone_is_a_conflict(world: World):
    old = world.workload().uid
    world.kubectl("delete", "deployment", "w")
    with pytest.raises(ConflictError):
        world.fleet.apply(world.deployment(), world.deliver(uid=old))
    world.kubectl.apply(a_workload("w"))
    with pytest.raises(ConflictError):
        world.fleet.apply(world.deployment(), world.deliver(uid=old))


def test_a_mistyped_container_is_not_added(world: World):
    with pytest.raises(SpecError, match=r"no container 'sever' \(containers: server, proxy\)"):
        world.fleet.apply(world.deployment(), replace(world.deliver(), container="sever"))
    assert world.workload().containers == ("server", "proxy")


def test_a_foreign_write_is_seen_and_without_force_not_overwritten(world: World):
    world.fleet.apply(world.deployment(), world.deliver())
    world.kubectl("set", "image", "deployment/w", "server=registry.example/model:hotfix", "--field-manager=argocd")
    running = world.workload().running
    assert running is not None
    assert running.image.endswith(":hotfix")
    assert world.workload().last_writer == "argocd"
    with pytest.raises(ConflictError):
        world.fleet.apply(world.deployment(), world.deliver(force=False))
    world.fleet.apply(world.deployment(), world.deliver(force=True))
    running = world.workload().running
    assert running is not None
    assert running.image == V2.image


def test_a_parameter_that_is_set_by_reference_is_told_as_a_conflict_of_parameters(world: World):
    world.set_by_reference()
    version = Version(name="v2", image=V2.image, parameters={"NODE": "x"})
    with pytest.raises(SpecError) as refused:
        world.fleet.apply(world.deployment(), world.deliver(version))
    assert refused.value.reason == "ParameterConflict"


def test_an_autoscaler_and_the_replicas_are_left_alone(world: World):
    world.kubectl("autoscale", "deployment", "w", "--min=2", "--max=9", "--cpu=50%")
    rollout = world.rollout()
    world.fleet.apply(world.deployment(), world.apply_twin(rollout))
    world.kubectl("scale", "deployment/w", "--replicas=5")  # as the autoscaler would
    world.fleet.apply(world.deployment(), world.deliver())
    assert world.workload().replicas == 5
    assert world.kubectl.get("hpa", "w")["spec"]["maxReplicas"] == 9
    assert len(world.kubectl.get("hpa")["items"]) == 1


def test_a_workload_that_an_autoscaler_targets_is_told_while_a_twin_is_there(world: World):
    world.fleet.apply(world.deployment(), world.apply_twin(world.rollout()))
    assert not world.workload().autoscaled
    world.kubectl("autoscale", "deployment", "w", "--min=2", "--max=9", "--cpu=50%")
    assert world.workload().autoscaled
    world.kubectl.apply(a_workload("w2"))
    eventually(lambda: not world.workload("w2").autoscaled, within=10, what="only its target is scaled")


def test_a_delivery_that_admission_denies_is_refused_with_its_own_reason_and_message(world: World):
    name = f"frozen-{world.namespace}"
    policy = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": name},
        "spec": {
            "matchConstraints": {
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": world.namespace}},
                "resourceRules": [
                    {
                        "apiGroups": ["apps"],
                        "apiVersions": ["v1"],
                        "operations": ["UPDATE"],
                        "resources": ["deployments"],
                    }
                ],
            },
            "validations": [{"expression": "object.spec.template == oldObject.spec.template", "message": "frozen"}],
        },
    }
    binding = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": name},
        "spec": {"policyName": name, "validationActions": ["Deny"]},
    }
    world.kubectl.apply(policy, binding)
    try:

        def refusal() -> SpecError | None:
            """Of either way: the policy may come into force between the two."""
            try:
                world.fleet.apply(world.deployment(), world.deliver())
                world.fleet.apply(world.deployment(), world.deliver(V1))
            except SpecError as error:
                return error
            return None

        refused = eventually(refusal, within=60, what="the policy denies the delivery")
        assert refused is not None
        assert refused.reason == "DeliveryRefused"
        assert "frozen" in str(refused)
    finally:
        world.kubectl("delete", "validatingadmissionpolicybinding,validatingadmissionpolicy", name)
