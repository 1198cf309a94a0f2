"""What must not stand in the operator's log alone: another build's commit, a refused delivery, a shared model name."""

from __future__ import annotations

import pytest

from tests.unit.rollout.world import NAME, World, a_spec, a_version
from tierwise.api.reasons import Reason
from tierwise.errors import SpecError
from tierwise.rollout.state.actions import Deliver

V2 = a_version("v2", commit="6f8e80331c")


def test_pods_that_log_another_commit_stall_the_tier_until_they_log_the_right_one():
    world = World().adopted()
    world.judge.logged = {"6f8e8033": 900, "badc0ffee": 120}
    world.apply(V2).run(120)
    assert world.tier(3).phase == "Delivering"
    assert world.health == ("Stalled", "CommitMismatch")
    message = world.condition("Stalled").message
    assert "pods log commit badc0ffee (120 predictions) as v2, whose commit is 6f8e80331c" in message
    assert "6f8e8033 (900" not in message  # an abbreviation of the right one
    world.judge.logged = {"6f8e8033": 900}
    world.run_until(lambda w: w.tier(3).phase == "Delivered", 60)


def test_a_commit_that_is_corrected_in_the_spec_is_the_right_one():
    world = World().adopted()
    world.judge.logged = {"badc0ffee": 120}
    world.apply(V2).run(120)
    world.apply({**V2, "commit": "badc0ffee"}).run(300)
    assert world.status.stable.commit == "badc0ffee"
    assert len(world.fleet.rollouts) == 1


@pytest.mark.parametrize("logged", [{}, {"": 500}])
def test_a_log_that_names_no_commit_holds_nothing(logged):
    world = World().adopted()
    world.judge.logged = logged
    world.apply(V2).run_until(lambda w: w.status.stable.name == "v2")


def test_a_version_without_a_commit_is_not_compared():
    world = World().adopted()
    world.judge.logged = {"badc0ffee": 120}
    world.apply("v2").run_until(lambda w: w.status.stable.name == "v2")


class Refusing(World):
    """The API server refuses every delivery while `refuses`."""

    refuses = True

    def __init__(self):
        super().__init__()
        apply = self.fleet.apply

        def refusing(deployment, action):
            if self.refuses and isinstance(action, Deliver):
                raise SpecError(
                    "delivery of v2 to Deployment bot-3 is refused", "mend it", reason=Reason.DELIVERY_REFUSED
                )
            apply(deployment, action)

        self.fleet.apply = refusing


def test_a_refused_delivery_is_told_and_goes_on_by_itself_once_it_is_let_in():
    world = Refusing().adopted()
    world.apply("v2").run(120)
    assert world.health == ("Stalled", "DeliveryRefused")
    assert "bot-3 is refused; mend it" in world.condition("Stalled").message
    assert world.versions == ("v1", "v1", "v1")
    writes = world.fleet.writes
    world.run(300)
    assert world.fleet.writes == writes
    world.refuses = False
    world.run_until(lambda w: w.status.stable.name == "v2")
    assert sum(record.foreign_writes for tier in world.rollout.tiers for record in tier.workloads) == 0


def test_a_rollback_that_is_refused_is_told_and_ends_once_it_is_let_in():
    world = Refusing()
    world.refuses = False
    world.adopted().apply("v2").run_until(lambda w: bool(w.fleet.rollouts) and w.tier(3).phase == "Delivered")
    world.refuses = True
    world.fleet.annotate(NAME, rollback="complaints")
    world.run(60)
    assert world.health == ("Stalled", "DeliveryRefused")
    world.refuses = False
    world.run_until(lambda w: w.rollout.result == "RolledBack")
    assert world.versions == ("v1", "v1", "v1")


def test_two_model_deployments_of_one_model_are_warned_of_and_go_on():
    world = World().adopted()
    other = a_spec("v1")
    tiers = [
        {
            "name": "only",
            "workloads": {"kind": "Deployment", "selector": {"matchLabels": {"app": "elsewhere"}}},
        }
    ]
    world.fleet.apply_deployment("other", a_spec("v1", tiers=tiers))
    world.run(30)
    assert other.model == NAME
    world.apply("v1", historyLimit=4).run(5)
    found = world.condition("ModelNameUnique")
    assert (found.status, found.reason) == ("False", "ModelNameShared")
    assert "ModelDeployment other has spec.model 'bot-score' too" in found.message
    assert world.event_reasons().count("ModelNameShared") == 1
    assert world.health == ("Ready", "AtRest")
    del world.fleet.deployments["other"]
    world.apply("v1", historyLimit=5).run(5)
    assert "ModelNameUnique" not in {condition.type for condition in world.status.conditions}
