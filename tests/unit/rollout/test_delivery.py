"""Delivery, and writes by others."""

from tests.unit.rollout.world import NAME, NON_INFERIOR, REGRESSED, World
from tierwise.rollout.state.actions import DeleteTwin, Deliver
from tierwise.rollout.state.observation import Running


def second_tier(answer=None) -> World:
    """Tier 3 is delivered, tier 2 is judged."""
    world = World().adopted()
    world.judge.by_tier["tier-2"] = answer
    return world.apply("v2").run_until(lambda w: bool(w.fleet.rollouts) and w.tier(2).phase == "Judging")


def overwrite(world: World, name: str, version: str = "v1", writer: str = "argocd") -> None:
    workload = world.fleet.workloads[name]
    running = Running(workload.running.image, {**workload.running.environment, "MODEL_VERSION": version})
    workload.set_running(running, world.clock.now(), writer)


def deliveries(world: World, name: str) -> list[Deliver]:
    return [a for a in world.fleet.actions if isinstance(a, Deliver) and a.workload_name == name]


def test_delivery_is_recorded_before_it_is_written():
    world = World().adopted().apply("v2")
    seen = []

    class Watch:
        def before(self, write: str) -> None:
            if write == "apply Deliver":
                seen.append(world.tier(3).workloads[0].delivered)

        def after(self, write: str) -> None:
            return None

    world.fleet.faults = Watch()
    world.run_until(lambda w: w.versions[0] == "v2")
    assert seen == [True]


def test_only_the_first_write_of_a_rollout_to_a_workload_is_forced():
    world = second_tier()
    assert [action.force for action in deliveries(world, "bot-3")] == [True]
    world.fleet.annotate(NAME, rollback="no")
    world.run_until(lambda w: w.rollout.result == "RolledBack")
    assert [(a.version.name, a.force) for a in deliveries(world, "bot-3")] == [("v2", True), ("v1", False)]


def test_the_twin_goes_only_after_the_delivered_pods_are_all_there():
    world = World().adopted().apply("v2")
    world.run_until(lambda w: w.versions[0] == "v2")
    assert world.twins == {"bot-3-candidate"}
    world.run_until(lambda w: w.twins == set())
    assert world.fleet.workloads["bot-3"].is_rolled_out(world.clock.now())
    kinds = [type(action) for action in world.fleet.actions]
    assert kinds.index(Deliver) < kinds.index(DeleteTwin)


def test_delivered_pods_that_are_not_ready_by_the_deadline_roll_back():
    world = World().adopted().apply("v2")
    world.run_until(lambda w: w.tier(3).phase == "Delivering" if w.fleet.rollouts else False)
    world.fleet.unready.add("v2")
    world.run(90)
    assert world.rollout.result == "Progressing"
    world.run(60)
    assert (world.rollout.result, world.rollout.reason) == ("RolledBack", "DeliveryUnready")
    assert (
        "after progressDeadline 2m: Deployment bot-3 has 0 of 4 pods ready, 4 of the old ones" in world.rollout.message
    )
    assert world.versions == ("v1", "v1", "v1")


def test_the_first_foreign_write_is_undone_once_with_an_event():
    world = second_tier()
    overwrite(world, "bot-3")
    world.run(15)
    assert world.versions[0] == "v2"
    assert world.tier(3).workloads[0].foreign_writes == 1
    event = next(event for event in world.fleet.events if event.reason == "FieldConflict")
    assert "argocd overwrote v2" in event.message
    assert event.type == "Warning"


def test_the_second_foreign_write_whenever_it_comes_stalls_naming_the_manager_and_is_left_alone():
    world = second_tier()
    overwrite(world, "bot-3")
    world.run(300)
    overwrite(world, "bot-3", writer="flux")
    world.run(30)
    count = len(deliveries(world, "bot-3"))
    world.run(60)

    assert world.health == ("Stalled", "FieldConflict")
    assert "flux overwrote v2" in world.condition("Stalled").message
    assert world.versions[0] == "v1"
    assert len(deliveries(world, "bot-3")) == count


def test_while_workloads_are_fought_over_nothing_is_promoted_and_a_regression_still_rolls_back():
    world = second_tier()
    for _ in range(2):
        overwrite(world, "bot-3")
        world.run(20)
    world.judge.by_tier["tier-2"] = NON_INFERIOR
    world.run(120)
    assert world.tier(2).phase == "Judging"
    world.judge.by_tier["tier-2"] = REGRESSED
    world.run(30)
    assert world.rollout.result == "RolledBack"


def test_retry_forgives_foreign_writes():
    world = second_tier()
    for _ in range(2):
        overwrite(world, "bot-3")
        world.run(20)
    world.fleet.annotate(NAME, retry="go")
    world.run(20)
    assert world.versions[0] == "v2"
    world.judge.by_tier["tier-2"] = NON_INFERIOR
    world.run_until(lambda w: w.status.stable.name == "v2")


def test_a_new_version_ends_the_fight():
    world = second_tier()
    for _ in range(2):
        overwrite(world, "bot-3")
        world.run(20)
    world.apply("v3").run(10)
    assert world.fleet.rollouts[f"{NAME}-1"].status.result == "Superseded"


def test_a_foreign_write_while_it_is_delivered_counts_too():
    world = World().adopted().apply("v2")
    world.run_until(lambda w: w.versions[0] == "v2")
    overwrite(world, "bot-3")
    world.run(2)
    assert world.versions[0] == "v2"
    overwrite(world, "bot-3")
    world.run(10)
    assert world.health == ("Stalled", "FieldConflict")


def test_a_foreign_write_during_the_rollback_is_undone_once_and_then_stalls():
    world = second_tier()
    world.fleet.annotate(NAME, rollback="no")
    world.run(2, until=lambda w: w.versions[0] == "v1")
    overwrite(world, "bot-3", version="v2")
    world.run(2)
    assert world.versions[0] == "v1"
    overwrite(world, "bot-3", version="v2")
    world.run(10)
    assert world.health == ("Stalled", "FieldConflict")
    assert world.rollout.finished_at is None
    world.fleet.annotate(NAME, retry="now")
    world.run_until(lambda w: w.rollout.result == "RolledBack")
    assert world.versions == ("v1", "v1", "v1")


def test_a_workload_deleted_during_the_rollout_does_not_keep_the_rollback_from_ending():
    world = second_tier()
    del world.fleet.workloads["bot-3"]
    world.fleet.annotate(NAME, rollback="no")
    world.run_until(lambda w: w.rollout.result == "RolledBack")


def test_other_peoples_edits_survive_the_rollback():
    world = second_tier()
    workload = world.fleet.workloads["bot-3"]
    workload.template = {"sidecar": "2"}
    environment = {**workload.running.environment, "LOG_LEVEL": "debug"}
    workload.set_running(Running(workload.running.image, environment), world.clock.now(), "kubectl-edit")
    world.run(10)
    world.fleet.annotate(NAME, rollback="no")
    world.run_until(lambda w: w.rollout.result == "RolledBack")
    assert workload.running.environment == {"MODEL_VERSION": "v1", "LOG_LEVEL": "debug"}
    assert workload.template == {"sidecar": "2"}


def test_a_delivered_tier_whose_pods_crash_loop_later_rolls_everything_back():
    world = second_tier()
    world.fleet.broken.add("v2")
    world.run_until(lambda w: w.rollout.result == "RolledBack", 60)
    assert world.rollout.reason == "DeliveryUnready"
    assert "4 of 4 pods of Deployment bot-3 crash-loop after delivery" in world.rollout.message
    assert world.versions == ("v1", "v1", "v1")
