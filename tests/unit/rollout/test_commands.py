"""Commands by annotation."""

import pytest

from tests.unit.rollout.world import INCONCLUSIVE, NAME, World
from tierwise.rollout.state.commands import Promotion, parse_promotion


def judging() -> World:
    world = World().adopted()
    world.judge.answer = INCONCLUSIVE
    return world.apply("v2").run_until(lambda w: bool(w.fleet.rollouts) and w.tier(3).phase == "Judging")


@pytest.mark.parametrize(
    ("value", "promotion"),
    [
        ("bot-score-3/tier-3", Promotion("bot-score-3", "tier-3")),
        ("bot-score-3/tier-3 20260301T1200", Promotion("bot-score-3", "tier-3")),
        ("bot-score-3/all#7f", Promotion("bot-score-3", "all")),
        ("all", Promotion(None, "all")),
        ("tier-3", None),
        ("", None),
        ("/", None),
    ],
)
def test_the_target_of_a_promotion(value: str, promotion: Promotion | None):
    assert parse_promotion(value) == promotion


def test_promote_promotes_the_named_tier_and_only_it():
    world = judging()
    world.fleet.annotate(NAME, promote=f"{NAME}-1/tier-3 a1")
    world.run_until(lambda w: w.tier(3).phase == "Delivered")
    world.run(120)
    assert world.tier(3).gate.reason == "PromoteRequested"
    assert world.tier(2).phase == "Judging"
    assert world.status.handled["promote"] == f"{NAME}-1/tier-3 a1"


def test_promote_all_promotes_every_tier_of_that_rollout_and_not_the_next_rollout():
    world = judging()
    world.fleet.annotate(NAME, promote=f"{NAME}-1/all")
    world.run_until(lambda w: w.status.stable.name == "v2")
    world.apply("v3").run(120)
    assert world.tier(3).phase == "Judging"


@pytest.mark.parametrize("value", [f"{NAME}-7/tier-3", "tier-3", f"{NAME}-1/tier-9", "nonsense"])
def test_a_promotion_of_something_else_is_recorded_and_does_nothing(value: str):
    world = judging()
    world.fleet.annotate(NAME, promote=value)
    world.run(60)
    assert world.tier(3).phase == "Judging"
    assert world.status.handled["promote"] == value


def test_a_promotion_of_a_later_tier_waits_for_it():
    world = judging()
    world.fleet.annotate(NAME, promote=f"{NAME}-1/tier-2")
    world.run(60)
    assert world.tier(3).phase == "Judging"
    assert "promote" not in world.status.handled
    world.judge.by_tier["tier-3"] = world.judge.answer.__class__(
        **{f: getattr(world.judge.answer, f) for f in world.judge.answer.__slots__} | {"non_inferior": True}
    )
    world.run_until(lambda w: w.tier(2).phase == "Delivered")


def test_rollback_wins_over_promote():
    world = judging()
    world.fleet.annotate(NAME, promote=f"{NAME}-1/tier-3", rollback="no")
    world.run_until(lambda w: w.rollout.result == "RolledBack")


def test_retry_without_anything_to_retry_is_recorded():
    world = World().adopted()
    world.fleet.annotate(NAME, retry="1")
    world.run(5)
    assert world.status.handled["retry"] == "1"
    assert world.fleet.rollouts == {}
    running = judging()
    running.fleet.annotate(NAME, retry="1")
    running.run(30)
    assert running.status.handled["retry"] == "1"
    assert running.tier(3).phase == "Judging"


def test_tierwise_never_removes_a_command():
    world = judging()
    world.fleet.annotate(NAME, promote=f"{NAME}-1/all", retry="x")
    world.run_until(lambda w: w.status.stable.name == "v2")
    annotations = world.fleet.deployments[NAME].annotations
    assert annotations["tierwise.io/promote"] == f"{NAME}-1/all"
    assert annotations["tierwise.io/retry"] == "x"
