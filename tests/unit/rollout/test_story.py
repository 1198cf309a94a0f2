"""The main story, from adoption to the last tier and back."""

from tests.unit.rollout.world import REGRESSED, World


def test_a_good_version_goes_through_three_tiers_smallest_first_and_becomes_stable():
    world = World().adopted().apply("v2")

    world.run_until(lambda w: w.twins == {"bot-3-candidate"})
    assert world.versions == ("v1", "v1", "v1")
    world.run_until(lambda w: w.twins == {"bot-2-candidate"})
    assert world.versions == ("v2", "v1", "v1")
    world.run_until(lambda w: w.twins == {"bot-1-candidate"})
    assert world.versions == ("v2", "v2", "v1")
    world.run_until(lambda w: w.status.rollout is None)

    assert world.versions == ("v2", "v2", "v2")
    assert world.twins == set()
    assert world.status.stable.name == "v2"
    assert world.rollout.result == "Completed"
    assert world.health == ("Ready", "AtRest")


def test_a_regression_deletes_the_twins_restores_what_was_delivered_and_rejects_the_version():
    world = World().adopted().apply("v2")
    world.judge.by_tier["tier-2"] = REGRESSED

    world.run_until(lambda w: w.status.rollout is None and bool(w.fleet.rollouts))

    assert world.versions == ("v1", "v1", "v1")
    assert world.twins == set()
    assert world.rollout.result == "RolledBack"
    assert [t.phase for t in world.rollout.tiers] == ["RolledBack", "RolledBack", "Untouched"]
    world.settle()
    assert world.status.stable.name == "v1"
    assert [entry.name for entry in world.status.rejected] == ["v2"]
    assert world.health == ("Stalled", "VersionRejected")
    annotations = world.fleet.deployments["bot-score"].annotations
    assert annotations["tierwise.io/rolled-back-from"] == "v2"
    assert "accuracy on carrier=HA" in annotations["tierwise.io/rollback-reason"]
