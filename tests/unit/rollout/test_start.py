"""What starts a rollout and what does not."""

from tests.unit.rollout.world import NAME, REGRESSED, World, a_version
from tierwise.api.reasons import Reason
from tierwise.monitoring.checks.concern import Concern


def rolled_back(version: str | dict = "v2") -> World:
    world = World().adopted()
    world.judge.answer = REGRESSED
    world.apply(version).run_until(lambda w: bool(w.fleet.rollouts) and w.status.rollout is None)
    world.settle()
    return world


def test_a_rollout_is_named_by_revision_and_keeps_whole_versions_and_the_strategy():
    world = World().adopted()
    world.apply(a_version("v2", commit="6f8e8033")).run(5)

    stored = world.fleet.rollouts[f"{NAME}-1"]
    assert stored.spec.revision == 1
    assert stored.spec.from_ == world.status.stable
    assert stored.spec.to.commit == "6f8e8033"
    assert [tier.name for tier in stored.spec.strategy.tiers] == ["tier-3", "tier-2", "tier-1"]
    assert world.status.rollout == f"{NAME}-1"


def test_the_commit_is_provenance_and_starts_nothing():
    world = World().adopted()
    world.apply(a_version("v1", commit="6f8e8033")).run(10)
    assert world.fleet.rollouts == {}
    assert world.status.stable.commit == "6f8e8033"


def test_the_stable_versions_name_with_another_content_stalls():
    world = World().adopted()
    world.apply(a_version("v1", parameters={"MODEL_VERSION": "v9"})).run(5)
    assert world.health == ("Stalled", "VersionNameTaken")
    assert world.fleet.rollouts == {}


def test_the_stable_versions_name_with_another_digest_stalls():
    world = World().adopted().apply(a_version("v1", digest="sha256:aa")).run(5)
    assert world.status.stable.digest == "sha256:aa"  # stated for the first time: nothing is known to differ
    world.apply(a_version("v1", digest="sha256:bb")).run(5)
    assert world.health == ("Stalled", "VersionNameTaken")


def test_another_name_for_the_same_image_and_parameters_delivers_nothing():
    world = World().adopted()
    world.apply({**a_version("v1"), "name": "v2"}).run(5)
    assert world.health == ("Stalled", "InvalidSpec")


def test_a_rejected_version_is_not_tried_again_by_itself_nor_under_another_name():
    world = rolled_back()
    world.judge.answer = None
    world.run(600)
    assert world.health == ("Stalled", "VersionRejected")

    world.apply({**a_version("v2"), "name": "v2-again"}).run(60)
    assert world.health == ("Stalled", "VersionRejected")
    assert len(world.fleet.rollouts) == 1


def test_a_rejected_digest_is_remembered_whatever_the_parameters_are_called():
    world = rolled_back(a_version("v2", digest="sha256:bad"))
    world.apply(a_version("v3", digest="sha256:bad")).run(60)
    assert world.health == ("Stalled", "VersionRejected")
    world.apply(a_version("v3", digest="sha256:good")).run(60)
    assert world.health[0] == "Reconciling" or len(world.fleet.rollouts) == 2


def test_retry_tries_a_rejected_version_once_per_value():
    world = rolled_back()
    world.fleet.annotate(NAME, retry="1")
    world.run_until(lambda w: len(w.fleet.rollouts) == 2 and w.status.rollout is None)
    world.run(300)
    assert len(world.fleet.rollouts) == 2
    assert world.rollout.result == "RolledBack"
    assert world.status.handled["retry"] == "1"

    world.fleet.annotate(NAME, retry="2")
    world.judge.answer = None
    world.run(10)
    assert len(world.fleet.rollouts) == 3


def test_a_new_version_after_a_rejected_one_starts_and_clears_the_annotations_when_it_is_stable():
    world = rolled_back()
    annotations = world.fleet.deployments[NAME].annotations
    assert annotations["tierwise.io/rolled-back-from"] == "v2"
    from tests.unit.rollout.world import NON_INFERIOR

    world.judge.answer = NON_INFERIOR
    world.apply("v3").run_until(lambda w: w.status.stable.name == "v3")
    world.run(5)
    assert "tierwise.io/rolled-back-from" not in world.fleet.deployments[NAME].annotations
    assert world.condition("RolledBack").status == "False"


def test_setting_the_spec_back_to_stable_is_instant():
    world = rolled_back()
    world.apply("v1").run(2)
    assert world.health == ("Ready", "AtRest")
    assert len(world.fleet.rollouts) == 1


def test_setting_the_spec_back_to_stable_during_a_rollout_returns_without_analysis():
    world = World().adopted()
    world.judge.by_tier["tier-2"] = None
    world.apply("v2").run_until(lambda w: w.twins == {"bot-2-candidate"})
    world.apply("v1").run(15)

    assert world.versions == ("v1", "v1", "v1")
    assert world.twins == set()
    assert world.rollout.result == "Superseded"
    assert world.status.rejected == []
    assert world.health == ("Ready", "AtRest")


def test_a_problem_that_only_a_person_can_solve_keeps_a_rollout_from_starting_until_it_is_solved():
    world = World().adopted()
    world.judge.problem = Concern(Reason.DATASET_MISSING, "MonitoringDataset 'humans' does not exist", stalled=True)
    world.apply("v2").run(60)
    assert world.health == ("Stalled", "DatasetMissing")
    assert world.fleet.rollouts == {}
    assert world.condition("Available").status == "True"

    world.judge.problem = None
    world.run(20)
    assert len(world.fleet.rollouts) == 1


def test_a_selector_that_matches_nothing_any_more_stalls_the_start():
    world = World().adopted()
    del world.fleet.workloads["bot-1"]
    world.apply("v2").run(5)
    assert world.health == ("Stalled", "NoWorkloads")


def test_a_paused_deployment_starts_nothing():
    world = World().adopted()
    world.apply("v2", paused=True).run(60)
    assert world.fleet.rollouts == {}
    assert world.health == ("Reconciling", "Paused")
    world.apply("v2").run(20)
    assert len(world.fleet.rollouts) == 1


def test_finished_rollouts_lose_their_finalizer_and_only_history_limit_of_them_stay():
    world = World().adopted(historyLimit=2)
    for version in ("v2", "v3", "v4"):
        world.apply(version, historyLimit=2).run_until(lambda w, v=version: w.status.stable.name == v)
    world.run(5)

    assert sorted(world.fleet.rollouts) == [f"{NAME}-2", f"{NAME}-3"]
    assert not any(stored.has_finalizer for stored in world.fleet.rollouts.values())
    assert not world.fleet.deployments[NAME].has_finalizer


def test_a_version_without_an_image_keeps_the_one_that_runs_and_can_come_back():
    spec = {"name": "v1", "parameters": {"MODEL_VERSION": "v1"}}
    world = World()
    world.apply(spec).run(2)
    world.judge.by_tier["tier-2"] = REGRESSED
    world.apply(a_version("v2", image="ghcr.io/acme/bot-score:2"))
    world.run_until(lambda w: bool(w.fleet.rollouts) and w.rollout.result == "RolledBack")
    assert {w.running.image for w in world.fleet.workloads.values()} == {"ghcr.io/acme/bot-score:1"}
