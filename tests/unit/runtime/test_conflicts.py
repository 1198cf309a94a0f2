"""Other writers that are always first: a tick gives up after some attempts, and the loop counts a conflict."""

from __future__ import annotations

from queue import Queue

import pytest

from tests.unit.rollout.world import NAME, World
from tierwise.errors import ConflictError
from tierwise.runtime.control_loop.loop import Loop
from tierwise.simulation.cluster.fleet import NAMESPACE


class AnotherWriter:
    """Is first in so many writes of a status."""

    def __init__(self, times: float) -> None:
        self.left = times
        self.attempts = 0

    def before(self, write: str) -> None:
        if write == "deployment status":
            self.attempts += 1
            if self.left > 0:
                self.left -= 1
                raise ConflictError("somebody wrote first")

    def after(self, write: str) -> None:
        pass


def test_a_tick_observes_anew_after_a_conflict():
    world = World(faults=AnotherWriter(2)).adopted()
    assert world.status.stable is not None


def test_a_tick_that_is_never_first_ends_in_the_conflict():
    other = AnotherWriter(float("inf"))
    world = World(faults=other).apply("v1")
    with pytest.raises(ConflictError):
        world.tick()
    assert other.attempts == 4


class Outcomes:
    """Passes the outcomes of ticks on."""

    def __init__(self) -> None:
        self.seen: Queue[str] = Queue()

    def tick_ended(self, outcome: str, seconds: float) -> None:
        assert seconds >= 0
        self.seen.put(outcome)


def test_the_loop_counts_it_as_a_conflict_and_tries_again():
    world = World(faults=AnotherWriter(4)).apply("v1")
    outcomes = Outcomes()
    loop = Loop(outcomes, workers=1)
    loop.wake(NAMESPACE, NAME)
    loop.start(lambda *_: world.tick())
    try:
        assert [outcomes.seen.get(timeout=10) for _ in range(2)] == ["conflict", "ok"]
    finally:
        loop.stop()
