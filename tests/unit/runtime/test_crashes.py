"""Crash before or after every write, lose every response, meet every conflict: the same end, and no write too many."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.rollout.test_other_kinds import tiers_of
from tests.unit.rollout.test_verification import WORSE, a_look
from tests.unit.rollout.world import NAME, NON_INFERIOR, REGRESSED, World, a_spec
from tierwise.errors import ConflictError
from tierwise.simulation.cluster.faults import CountedWrites, CrashError, FaultAtWrite

Story = Callable[[World], None]


def a_good_version(world: World) -> None:
    world.apply("v2")
    world.run(400)


def a_bad_version(world: World) -> None:
    world.judge.by_tier["tier-2"] = REGRESSED
    world.apply("v2")
    world.run(300)


def a_superseded_version(world: World) -> None:
    world.judge.by_tier["tier-2"] = None
    world.apply("v2")
    world.run(100)
    world.judge.by_tier["tier-2"] = NON_INFERIOR
    world.apply("v3")
    world.run(400)


def back_to_the_previous_version(world: World) -> None:
    world.apply("v2")
    world.run(300)
    world.fleet.annotate(NAME, rollback="looks wrong")
    world.run(60)


def a_foreign_write(world: World) -> None:
    world.judge.by_tier["tier-2"] = None
    world.apply("v2")
    world.run(100)
    workload = world.fleet.workloads["bot-3"]
    running = type(workload.running)(workload.running.image, {**workload.running.environment, "MODEL_VERSION": "v1"})
    workload.set_running(running, world.clock.now(), "argocd")
    world.run(60)


def a_deletion(world: World) -> None:
    world.judge.by_tier["tier-2"] = None
    world.apply("v2")
    world.run(100)
    world.fleet.delete_deployment(NAME)
    world.run(30)


def a_recovery_that_a_new_version_ends(world: World) -> None:
    brief = {"rollback": {"verifyRecovery": "40s"}}
    world.judge.by_tier["tier-3"] = REGRESSED
    world.apply("v2", **brief)
    world.run(90)
    world.apply("v3", **brief)
    world.run(60)
    world.judge.by_tier.clear()
    world.apply("v4", **brief)
    world.run(20)


def a_twin_that_goes_in_steps(world: World) -> None:
    world.fleet.workloads["bot-3"].replicas = 12
    world.fleet.workloads["bot-3"].autoscaled = True
    world.judge.by_tier["tier-2"] = None
    world.apply("v2")
    world.run(110)


def _watched(seconds: str) -> dict[str, Any]:
    return {"analysis": {**a_spec().analysis.to_wire(), "verification": seconds}}


def a_version_that_gets_worse_after_promotion(world: World) -> None:
    world.judge.verified = a_look()
    world.apply("v2", **_watched("5m"))
    world.run(180)
    world.judge.verified = WORSE
    world.run(60)


def a_delivered_tier_that_gets_worse(world: World) -> None:
    world.judge.verified = a_look()
    world.judge.by_tier["tier-2"] = None
    world.apply("v2", **_watched("5m"))
    world.run(90)
    world.judge.verified = WORSE
    world.run(60)


def a_watch_that_a_new_version_ends(world: World) -> None:
    world.judge.verified = a_look()
    world.apply("v2", **_watched("5m"))
    world.run(200)
    world.apply("v3", **_watched("30s"))
    world.run(240)


def _tied(world: World) -> dict[str, Any]:
    """Workloads whose pods have volumes of their own, and an update strategy that lets no pod have a new template."""
    for workload in world.fleet.workloads.values():
        workload.kind, workload.identity, workload.update_strategy = "StatefulSet", "volumes", '{"type": "OnDelete"}'
    tiers = tiers_of("StatefulSet")
    world.apply("v1", **tiers).run(5)
    return tiers


def a_good_version_in_place(world: World) -> None:
    world.apply("v2", **_tied(world))
    world.run(400)


def a_bad_version_in_place(world: World) -> None:
    world.judge.by_tier["tier-2"] = REGRESSED
    world.apply("v2", **_tied(world))
    world.run(300)


def a_foreign_write_in_place(world: World) -> None:
    world.judge.by_tier["tier-3"] = None
    world.apply("v2", **_tied(world))
    world.run(30)
    for _ in range(2):
        workload = world.fleet.workloads["bot-3"]
        workload.set_running(workload.running, world.clock.now(), "argocd")
        world.run(30)


def a_deletion_in_place(world: World) -> None:
    world.judge.by_tier["tier-2"] = None
    world.apply("v2", **_tied(world))
    world.run(100)
    world.fleet.delete_deployment(NAME)
    world.run(30)


STORIES = [
    a_good_version_in_place,
    a_bad_version_in_place,
    a_foreign_write_in_place,
    a_deletion_in_place,
    a_good_version,
    a_bad_version,
    a_superseded_version,
    back_to_the_previous_version,
    a_foreign_write,
    a_deletion,
    a_recovery_that_a_new_version_ends,
    a_twin_that_goes_in_steps,
    a_version_that_gets_worse_after_promotion,
    a_delivered_tier_that_gets_worse,
    a_watch_that_a_new_version_ends,
]
FAULTS: dict[str, tuple[Callable[[str], BaseException], bool]] = {
    "crash before": (CrashError, True),
    "crash after": (CrashError, False),
    "response lost": (lambda write: ConnectionError(f"no response to {write}"), False),
    "conflict": (lambda write: ConflictError(f"{write}: somebody else wrote"), True),
}


def ending(world: World) -> dict[str, Any]:
    """All that is stored, times included, and every write to the fleet."""
    fleet = world.fleet
    return {
        "workloads": {
            w.name: (w.running, w.replicas, w.template, w.uid, w.update_strategy, w.updating)
            for w in fleet.workloads.values()
        },
        "deployments": {d.name: (d.status, d.annotations, d.has_finalizer) for d in fleet.deployments.values()},
        "rollouts": {r.name: (r.status, r.has_finalizer) for r in fleet.rollouts.values()},
        "actions": sorted(map(repr, fleet.actions)),
    }


class FaultyWorld(World):
    """At every moment each write is also tried with each fault, in a copy of the world.

    All that an operator knows is stored, so a copy that is stored alike at the end of the moment stays alike for ever:
    nothing delivered twice, no time of start or soak moved.
    """

    tried = 0
    error: Callable[[str], BaseException]
    is_before: bool

    def settle(self) -> float | None:
        before = self.copy()
        self.fleet.faults = counted = CountedWrites()
        after = super().settle()
        expected = ending(self)
        for index in range(counted.writes):
            other = before.copy()
            other.fleet.faults = faults = FaultAtWrite(index, self.error, is_before=self.is_before)
            World.settle(other)
            assert faults.has_happened
            assert ending(other) == expected, f"write {index} at {self.clock.now()}"
            self.tried += 1
        return after


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_at_any_write_changes_nothing_about_the_end(story: Story, fault: str):
    world = FaultyWorld()
    world.error, world.is_before = FAULTS[fault]
    world.adopted()

    story(world)

    assert world.tried > 20
