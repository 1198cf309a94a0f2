"""Tierwise's own objects on a real API server: every action twice, statuses, finalizers, events, claims, secrets."""

from __future__ import annotations

import pytest

from tests.support.fleet_world import V1, World, a_model_deployment
from tests.support.polling import eventually
from tierwise.api.common import Version
from tierwise.api.names import ANNOTATION_ROLLED_BACK_FROM, FINALIZER
from tierwise.api.reasons import Reason
from tierwise.errors import ConflictError
from tierwise.rollout.state.actions import Annotate, DeleteRollout, Event, SetFinalizer

pytestmark = pytest.mark.needs_cluster


def test_a_workload_is_seen_with_its_own_ready_pods(world: World):
    workload = world.workload()
    assert (workload.kind, workload.replicas, workload.containers) == ("Deployment", 2, ("server", "proxy"))
    assert workload.running is not None
    assert workload.running.image == V1.image
    assert workload.running.environment == {"MODEL_VERSION": "v1", "LOG_LEVEL": "info"}
    assert (workload.pods.total, workload.pods.ready, workload.pods.outdated) == (2, 2, 0)
    assert workload.last_writer is not None
    assert workload.last_writer.startswith("kubectl")


def test_what_does_not_exist_is_none(world: World):
    assert world.fleet.get_deployment(world.namespace, "other") is None
    assert world.fleet.get_dataset(world.namespace, "other") is None
    assert world.fleet.get_secret(world.namespace, "other", "key") is None


def test_creating_a_rollout_twice_makes_one_and_another_spec_is_a_conflict(world: World):
    first, second = world.rollout(), world.rollout()
    assert first.uid == second.uid
    assert first.owner_uid == world.deployment().uid
    assert first.has_finalizer
    with pytest.raises(ConflictError):
        world.fleet.apply(world.deployment(), world.create_rollout(to=Version(name="v3", image="x")))


def test_the_status_is_written_once_per_observed_version(world: World):
    view = world.deployment()
    status = view.status.model_copy(update={"last_revision": 7})
    world.fleet.replace_deployment_status(view, status)
    assert world.deployment().status.last_revision == 7
    assert world.deployment().generation == view.generation
    assert world.deployment().spec == view.spec
    with pytest.raises(ConflictError):
        world.fleet.replace_deployment_status(view, status)
    rollout = world.rollout()
    done = rollout.status.model_copy(update={"result": "Completed"})
    world.fleet.replace_rollout_status(rollout, world.namespace, done)
    assert world.fleet.list_rollouts(world.deployment())[0].status.result == "Completed"
    with pytest.raises(ConflictError):
        world.fleet.replace_rollout_status(rollout, world.namespace, done)


def test_finalizers_and_annotations_of_others_stay(world: World):
    world.kubectl("patch", "mdep", "model", "--type=merge", "-p", '{"metadata":{"finalizers":["example.com/theirs"]}}')
    for _ in range(2):
        world.fleet.apply(world.deployment(), SetFinalizer(present=True))
    assert world.kubectl.get("mdep", "model")["metadata"]["finalizers"] == ["example.com/theirs", FINALIZER]
    for _ in range(2):
        world.fleet.apply(world.deployment(), SetFinalizer(present=False))
    assert world.kubectl.get("mdep", "model")["metadata"]["finalizers"] == ["example.com/theirs"]
    world.kubectl("patch", "mdep", "model", "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
    world.kubectl("annotate", "mdep", "model", "theirs=kept")
    for _ in range(2):
        world.fleet.apply(world.deployment(), Annotate({ANNOTATION_ROLLED_BACK_FROM: "v2"}))
    annotations = world.deployment().annotations
    assert (annotations["theirs"], annotations[ANNOTATION_ROLLED_BACK_FROM]) == ("kept", "v2")
    world.fleet.apply(world.deployment(), Annotate({ANNOTATION_ROLLED_BACK_FROM: None}))
    assert ANNOTATION_ROLLED_BACK_FROM not in world.deployment().annotations


def test_a_rollout_is_deleted_by_uid_and_waits_for_its_finalizer(world: World):
    rollout = world.rollout()
    with pytest.raises(ConflictError):
        world.fleet.apply(world.deployment(), DeleteRollout(rollout.name, "another"))
    for _ in range(2):
        world.fleet.apply(world.deployment(), DeleteRollout(rollout.name, rollout.uid))
    assert world.fleet.list_rollouts(world.deployment())[0].deleting
    for _ in range(2):
        world.fleet.apply(world.deployment(), SetFinalizer(present=False, rollout_name=rollout.name))
    assert world.fleet.list_rollouts(world.deployment()) == ()
    world.fleet.apply(world.deployment(), DeleteRollout(rollout.name, rollout.uid))


def test_a_twin_goes_with_its_rollout(world: World):
    rollout = world.rollout()
    world.fleet.apply(world.deployment(), world.apply_twin(rollout))
    world.fleet.apply(world.deployment(), SetFinalizer(present=False, rollout_name=rollout.name))
    world.fleet.apply(world.deployment(), DeleteRollout(rollout.name, rollout.uid))
    eventually(lambda: world.twin() is None, within=60, every=0.5)


def test_the_same_event_twice_is_one_event_with_a_count(world: World):
    event = Event("Warning", "Regressed", "carrier=HA is worse")
    for _ in range(3):
        world.fleet.emit(world.deployment(), None, [event])
    found = world.kubectl.get("events", "--field-selector=reason=Regressed")["items"]
    assert [(each["count"], each["message"], each["type"]) for each in found] == [(3, "carrier=HA is worse", "Warning")]
    assert "carrier=HA is worse" in world.kubectl("describe", "mdep", "model")


def test_a_claim_of_another_on_the_same_workload_is_seen_and_wakes_both(world: World):
    world.kubectl.apply(a_model_deployment("rival"))
    claims = eventually(lambda: world.fleet.list_claims(world.deployment()), within=10)
    assert [(claim.deployment, claim.workload_uid) for claim in claims] == [("rival", world.workload().uid)]
    eventually(lambda: (world.namespace, "model") in world.woken, within=10)


def test_a_change_of_a_workload_wakes_its_model_deployment(world: World):
    world.woken.clear()
    world.kubectl("scale", "deployment/w", "--replicas=3")
    eventually(lambda: (world.namespace, "model") in world.woken, within=10)


def test_secrets_and_datasets_are_read_by_name(world: World):
    world.kubectl("create", "secret", "generic", "store", "--from-literal=dsn=clickhouse://u:p@h/d")
    assert world.fleet.get_secret(world.namespace, "store", "dsn") == "clickhouse://u:p@h/d"
    assert world.fleet.get_secret(world.namespace, "store", "other") is None
    dataset = {
        "apiVersion": "tierwise.io/v1alpha1",
        "kind": "MonitoringDataset",
        "metadata": {"name": "all"},
        "spec": {"table": "predictions", "maturity": "5s"},
    }
    world.kubectl.apply(dataset)
    spec = world.fleet.get_dataset(world.namespace, "all")
    assert spec is not None
    assert (spec.table, spec.maturity) == ("predictions", "5s")


def test_nothing_is_written_once_the_guard_says_no(world: World):
    class LostError(Exception):
        pass

    def guard() -> None:
        raise LostError

    before = world.resource_version("deployment", "w")
    action = world.deliver()
    deployment = world.deployment()
    world.client.guard = guard
    with pytest.raises(LostError):
        world.fleet.apply(deployment, action)
    assert world.resource_version("deployment", "w") == before


def test_an_object_that_cannot_be_parsed_is_told_in_conditions_and_an_event_once(world: World):
    view = world.deployment()
    status = view.status.model_copy(update={"last_revision": 7})
    world.fleet.replace_deployment_status(view, status)
    message = "ModelDeployment model: tiers.0.exposure: it is not what this version reads; correct the object"
    world.fleet.report_invalid(world.namespace, "model", Reason.INVALID_SPEC, message)
    stored = world.kubectl.get("mdep", "model")["status"]
    by_type = {condition["type"]: condition for condition in stored["conditions"]}
    assert {kind: by_type[kind]["status"] for kind in ("Ready", "Reconciling", "Stalled")} == {
        "Ready": "False",
        "Reconciling": "False",
        "Stalled": "True",
    }
    assert by_type["Stalled"]["reason"] == "InvalidSpec"
    assert by_type["Stalled"]["message"] == message
    assert stored["lastRevision"] == 7
    assert stored["summary"]["status"] == "Stalled"
    events = [event for event in world.kubectl.get("events")["items"] if event["reason"] == "InvalidSpec"]
    assert [event["message"] for event in events] == [message]
    version = world.resource_version("mdep", "model")
    world.fleet.report_invalid(world.namespace, "model", Reason.INVALID_SPEC, message)
    assert world.resource_version("mdep", "model") == version


def test_another_model_deployment_of_the_same_model_is_a_namesake(world: World):
    assert world.fleet.list_namesakes(world.deployment()) == ()
    world.kubectl.apply(a_model_deployment("other"))
    eventually(lambda: world.fleet.list_namesakes(world.deployment()) == ("other",), within=20)
