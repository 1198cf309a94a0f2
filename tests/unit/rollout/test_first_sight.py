"""Adoption, capture, and what keeps both from happening."""

from tests.unit.rollout.world import NAME, World, a_spec, a_version


def test_pods_that_match_image_and_parameters_are_adopted_without_a_write():
    world = World().apply("v1").run(1)

    assert world.status.stable.name == "v1"
    assert world.health == ("Ready", "AtRest")
    assert world.fleet.actions == []
    assert "Adopted" in world.event_reasons()


def test_the_same_image_with_other_parameters_is_not_the_same_version():
    world = World().apply("v2").run(2)

    assert world.status.stable.name.startswith("captured-")


def test_something_else_everywhere_is_captured_and_rolled_out_uncompared_but_reversible():
    world = World()
    world.judge.answer = None  # nobody may judge: the log does not know the captured version
    world.apply("v2").run_until(lambda w: w.twins == {"bot-2-candidate"})

    rollout = world.fleet.rollouts[f"{NAME}-1"]
    assert rollout.spec.compared is False
    assert rollout.spec.from_.parameters == {"MODEL_VERSION": "v1"}
    assert rollout.status.tiers[0].gate.reason == "Uncompared"
    assert world.judge.looks == 0

    world.fleet.annotate(NAME, rollback="not good")
    world.run_until(lambda w: w.rollout.result == "RolledBack")
    assert world.versions == ("v1", "v1", "v1")


def test_different_things_running_stall_until_they_are_one():
    world = World()
    world.add_workload("bot-3b", 3, version="v0")
    world.apply("v1").run(5)

    assert world.health == ("Stalled", "MixedBaseline")
    assert "bot-3b" in world.condition("Stalled").message
    world.fleet.workloads["bot-3b"].set_running(world.fleet.workloads["bot-3"].running, world.clock.now(), "kubectl")
    world.run(30)
    assert world.health == ("Ready", "AtRest")


def test_no_workloads_wait_and_then_stall_naming_the_selector_and_the_remedy():
    world = World()
    missing = world.fleet.workloads.pop("bot-2")
    world.apply("v1").run(60)
    assert world.health == ("Reconciling", "WaitingForWorkloads")

    world.run(90)
    assert world.health == ("Stalled", "NoWorkloads")
    message = world.condition("Stalled").message
    assert "tier 'tier-2': selector app=bot-score,tier=2 matches no Deployment in namespace 'default'" in message
    assert "label the workloads or fix the selector" in message

    world.fleet.workloads["bot-2"] = missing
    world.run(10)
    assert world.health == ("Ready", "AtRest")


def test_pods_that_do_not_run_their_template_yet_are_waited_for():
    world = World()
    workload = world.fleet.workloads["bot-3"]
    running = type(workload.running)("old", dict(workload.running.environment))
    workload.former, workload.changed_at = ((running, workload.replicas),), world.clock.now()
    world.apply("v1").run(1)
    assert world.health == ("Reconciling", "WaitingForWorkloads")
    world.run(10)
    assert world.health == ("Ready", "AtRest")


def test_commands_that_were_there_before_are_recorded_and_not_executed():
    world = World().apply("v1")
    world.fleet.annotate(NAME, rollback="old", promote="all", retry="1")
    world.adopted()
    assert world.status.handled == {"rollback": "old", "promote": "all", "retry": "1"}

    world.judge.answer = None
    world.apply("v2").run(60)
    assert world.rollout.result == "Progressing"
    assert world.tier(3).phase == "Judging"


def test_one_workload_in_two_tiers_stalls():
    spec = a_spec("v1")
    tiers = [spec.tiers[0], spec.tiers[1].model_copy(update={"workloads": spec.tiers[0].workloads}), spec.tiers[2]]
    world = World()
    world.fleet.apply_deployment(NAME, spec.model_copy(update={"tiers": tiers}))
    world.run(5)

    assert world.health == ("Stalled", "TierOverlap")
    assert "bot-3" in world.condition("Stalled").message


def test_of_two_deployments_on_one_workload_the_newcomer_stalls_and_names_the_other():
    world = World()
    world.fleet.apply_deployment("aaa-older", a_spec("v1"))
    world.clock.advance(1)
    world.apply("v1").run(5)

    assert world.health == ("Stalled", "WorkloadConflict")
    assert "'aaa-older'" in world.condition("Stalled").message
    del world.fleet.deployments["aaa-older"]
    world.run(30)
    assert world.health == ("Ready", "AtRest")


def test_the_older_deployment_is_not_disturbed_by_a_newcomer():
    world = World().adopted()
    world.clock.advance(1)
    world.fleet.apply_deployment("aaa-newer", a_spec("v1"))
    world.apply("v2").run_until(lambda w: w.status.stable.name == "v2")


def test_a_mistyped_container_stalls_before_any_write_and_names_those_there_are():
    world = World().apply("v1", delivery={"type": "PodTemplate", "container": "sevrer"}).run(5)

    assert world.health == ("Stalled", "ContainerMissing")
    assert "'sevrer' (containers: server)" in world.condition("Stalled").message
    world.apply("v1").run(30)
    assert world.health == ("Ready", "AtRest")


def test_a_feature_that_comes_later_stalls_and_is_never_ignored():
    tiers = a_spec("v1").model_dump(by_alias=True, exclude_none=True)["tiers"]
    tiers[0]["workloads"]["candidatePods"] = "InPlace"
    world = World().apply("v1", tiers=tiers).run(5)
    assert world.health == ("Stalled", "NotSupported")

    world.apply("v1").run(30)
    assert world.health == ("Ready", "AtRest")
    world.apply("v2", tiers=tiers).run(30)
    assert world.health == ("Stalled", "NotSupported")
    assert world.fleet.rollouts == {}


def test_a_version_that_selects_nothing_is_invalid():
    world = World().apply({"name": "v1"}).run(5)
    assert world.health == ("Stalled", "InvalidSpec")


def test_a_deployment_that_is_gone_is_no_error():
    assert World().tick() is None


def test_a_captured_image_is_restored_with_its_image():
    world = World()
    world.apply(a_version("v2", image="ghcr.io/acme/bot-score:2")).run_until(lambda w: w.version_of("bot-3") == "v2")
    world.fleet.annotate(NAME, rollback="no")
    world.run_until(lambda w: w.rollout.result == "RolledBack")
    assert {w.running.image for w in world.fleet.workloads.values()} == {"ghcr.io/acme/bot-score:1"}
