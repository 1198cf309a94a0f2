"""An external cause from the log to the gate: found against the right past, over when it is over, never a rollback."""

from __future__ import annotations

import numpy as np
import pytest

from tests.unit.rollout.world import T0, a_spec
from tests.unit.runtime.prediction_log import PredictionLog
from tests.unit.runtime.test_judging import JudgedWorld

HOUR = 3600
WEEK = tuple(range(1, 8))


class WorldLog(PredictionLog):
    """Rows of both versions err at `rate` from the second `since` until `until`, both counted from T0.

    `past_days` are the days before that have the same hour, as good as ever but for the odds of `odds` by day.
    """

    def __init__(
        self, *, since=60, until=10**6, rate=0.3, candidate_rate=None, past_days=WEEK, seconds=2 * HOUR, odds=None
    ):
        super().__init__(per_second=30, seconds=seconds)
        rng = np.random.default_rng(3)
        worse = (self.time >= since) & (self.time < until)
        chance = np.where(worse, rate, 0.1)
        if candidate_rate is not None:
            chance = np.where(worse & (self.arm == 1), candidate_rate, chance)
        wrong = rng.random(len(self.time)) < chance
        self.answer = np.where(wrong, 1 - self.label, self.label)
        for day in past_days:
            n = 30 * HOUR
            time = np.sort(rng.uniform(0, HOUR, n)) - day * 24 * HOUR
            label = (rng.random(n) < 0.4).astype(int)
            ahead = (odds or {}).get(day, 1.0) / 9
            answer = np.where(rng.random(n) < ahead / (1 + ahead), 1 - label, label)
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
    assert "the same hours of the week before" in gate.message
    assert "the candidate is not worse" in gate.message
    world.run(1200)
    assert world.rollout.result == "Stalled"  # outlasts maxDuration: a person is told
    assert world.condition("Stalled").reason == "ExternalCause"
    assert world.versions == ("v1", "v1", "v1")


@pytest.mark.parametrize(("days", "kind"), [(WEEK[:6], "PreviousDay"), (WEEK, "PreviousWeek")])
def test_the_past_is_matched_by_the_time_of_day_where_there_is_one(days, kind):
    world = judged(WorldLog(past_days=days))
    history = world.tier(3).frozen.history
    assert (history.kind, history.days) == (kind, len(days))
    world.run_until(holds_for_external_cause, 600)


@pytest.mark.parametrize(("days", "kind"), [((1, 2, 3, 4), "PreviousDay"), ((), "JustBefore")])
def test_worse_than_a_past_of_fewer_than_five_days_is_noted_and_holds_nothing(days, kind):
    world = judged(WorldLog(past_days=days))
    assert world.tier(3).frozen.history.kind == kind
    world.run_until(lambda w: "the untouched pods are themselves worse than" in w.tier(3).gate.message, 600)
    world.run(300)
    assert not holds_for_external_cause(world)


@pytest.mark.parametrize(("differ", "holds"), [(0.4, False), (0.0, True)])
def test_a_day_that_differs_as_days_do_is_no_external_cause(differ, holds):
    """Today's odds are three times those of the week before; other days' log-odds go up and down, or not."""
    odds = {day: np.exp(differ * (-1) ** day) for day in WEEK[:6]}
    world = judged(WorldLog(rate=1 / 4, odds=odds))
    world.run(1500)
    assert holds_for_external_cause(world) == holds


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
    assert "compared with the concurrent control, which is itself worse than the same hours" in world.rollout.message


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
    assert steady.tier(3).frozen.history.days == 7
