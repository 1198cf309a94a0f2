"""An external cause from the log to the gate: found against the right past, over when it is over, never a rollback."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from tests.unit.rollout.world import T0, a_spec
from tests.unit.runtime.prediction_log import PredictionLog
from tests.unit.runtime.test_judging import JudgedWorld

HOUR = 3600


class WorldLog(PredictionLog):
    """Rows of both versions err at `rate` from the second `since` until `until`, both counted from T0.

    `days_before` moves the hour before T0 so many days back, for a log with a past at the same time of day.
    """

    def __init__(self, *, since=60, until=10**6, rate=0.3, candidate_rate=None, past_days=0, seconds=2 * HOUR):
        super().__init__(per_second=30, seconds=seconds)
        rng = np.random.default_rng(3)
        worse = (self.time >= since) & (self.time < until)
        chance = np.where(worse, rate, 0.1)
        if candidate_rate is not None:
            chance = np.where(worse & (self.arm == 1), candidate_rate, chance)
        wrong = rng.random(len(self.time)) < chance
        self.answer = np.where(wrong, 1 - self.label, self.label)
        if past_days:
            # The past: an hour from the same time of day on, as good as ever.
            n = 30 * HOUR
            time = np.sort(rng.uniform(0, HOUR, n)) - past_days * 24 * HOUR
            label = (rng.random(n) < 0.4).astype(int)
            answer = np.where(rng.random(n) < 0.1, 1 - label, label)
            self.time = np.concatenate([time, self.time])
            self.arm = np.concatenate([np.zeros(n, dtype=int), self.arm])
            self.label, self.answer = np.concatenate([label, self.label]), np.concatenate([answer, self.answer])
            self.carrier = np.concatenate([(rng.random(n) < 0.3).astype(int), self.carrier])


def analysis(**changes):
    return {"analysis": {**a_spec().analysis.to_wire(), "verification": "0s", **changes}}


def judged(log, **changes):
    world = JudgedWorld(log)
    world.adopted(**analysis(**changes))
    world.apply("v2", **analysis(**changes))
    return world.run_until(lambda w: bool(w.fleet.rollouts) and w.tier(3).phase == "Judging", 60)


def holds_for_external_cause(world):
    gate = world.tier(3).gate
    return gate is not None and gate.reason == "ExternalCause"


def test_what_is_worse_for_both_versions_holds_with_numbers_and_rolls_nothing_back():
    world = judged(WorldLog())
    world.run_until(holds_for_external_cause, 600)
    gate = world.tier(3).gate
    assert gate.decision == "Hold"
    assert "accuracy on" in gate.message
    assert "the time just before the rollout" in gate.message
    assert "the candidate is not worse" in gate.message
    world.run(1200)
    assert world.rollout.result == "Stalled"  # outlasts maxDuration: a person is told
    assert world.condition("Stalled").reason == "ExternalCause"
    assert world.versions == ("v1", "v1", "v1")


@pytest.mark.parametrize(("days", "kind"), [(1, "PreviousDay"), (7, "PreviousWeek"), (0, "JustBefore")])
def test_the_past_is_matched_by_the_time_of_day_where_there_is_one(days, kind):
    world = judged(WorldLog(past_days=days))
    assert world.tier(3).frozen.history.kind == kind
    world.run_until(holds_for_external_cause, 600)


def test_a_tier_goes_on_by_itself_when_the_control_is_back():
    world = judged(WorldLog(until=400))
    world.run_until(holds_for_external_cause, 400)
    world.run_until(lambda w: not holds_for_external_cause(w), 1200)
    assert world.rollout.result == "Progressing"
    assert world.rollout.rolling_back_since is None


def test_a_candidate_that_is_worse_than_a_worse_control_is_rolled_back_and_the_control_is_told():
    world = judged(WorldLog(rate=0.3, candidate_rate=0.4))
    world.run_until(lambda w: w.rollout.result == "RolledBack", 900)
    assert world.rollout.reason == "Regressed"
    assert "compared with the concurrent control, which is itself worse than the time" in world.rollout.message


def test_where_the_past_is_no_measure_it_is_not_looked_at():
    world = judged(WorldLog(), externalCause="Ignore")
    assert world.tier(3).frozen.history is None
    world.run(300)
    assert not holds_for_external_cause(world)


def test_without_a_past_nothing_is_held():
    log = WorldLog()
    for name in ("time", "arm", "label", "answer", "carrier"):
        if name != "time":
            setattr(log, name, getattr(log, name)[log.time >= 0])
    log.time = log.time[log.time >= 0]
    world = judged(log)
    assert world.tier(3).frozen.history is None or world.tier(3).frozen.history.starts_at >= T0
    world.run(200)
    assert world.rollout.result == "Progressing"


def test_after_restarts_the_watch_says_the_same():
    steady, restarted = (judged(WorldLog(until=400)) for _ in range(2))
    for _ in range(10):
        steady.run(67)
        restarted.restart()
        restarted.run(67)
        restarted.restart()
        restarted.settle()
        assert restarted.rollout == steady.rollout
    assert steady.tier(3).frozen.history.starts_at < T0 + timedelta(minutes=1)
