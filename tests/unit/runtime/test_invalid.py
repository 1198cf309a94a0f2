"""A stored ModelDeployment that cannot be parsed is told, and neither ends the loop nor is tried at once again."""

from __future__ import annotations

from tests.unit.rollout.world import NAME, World
from tierwise.api.reasons import Reason
from tierwise.errors import SpecError


def test_it_is_reported_and_looked_at_again_later():
    world = World().adopted()
    told = []

    def unreadable(*_):
        raise SpecError("ModelDeployment bot-score: tiers: Field required", "correct it", reason=Reason.INVALID_SPEC)

    world.fleet.get_deployment = unreadable
    world.fleet.report_invalid = lambda *facts: told.append(facts)
    after = world.tick()
    assert after is not None
    assert after >= 10
    ((namespace, name, reason, message),) = told
    assert (name, reason) == (NAME, "InvalidSpec")
    assert "Field required; correct it" in message
    assert namespace
