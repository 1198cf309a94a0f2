"""Delivered tiers on a log in memory: strata, the tiers' own past, what is a place's and what the version's."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import NamedTuple

import numpy as np
import pytest

from tests.unit.rollout.world import NAME, T0, FakeJudge, World, a_spec
from tierwise.api.frozen import FrozenDataset
from tierwise.api.modelrollout import PodsChange
from tierwise.api.monitoringdataset import MonitoringDatasetSpec
from tierwise.monitoring.counts.model import BASELINE, CANDIDATE, Block, Cells, PodCounts
from tierwise.runtime.control_loop.reconcile import reconcile
from tierwise.runtime.verification.look import Verifying
from tierwise.simulation.cluster.fleet import NAMESPACE

DATASET = MonitoringDatasetSpec.model_validate(
    {"table": "log", "dimensions": [{"name": "country", "expression": "country"}]}
)
COUNTRIES = ("A", "B")


class At(NamedTuple):
    """Of whom and when: `second` counts from T0."""

    tier: str
    country: str
    version: str
    second: float


class TierLog:
    """Rows of three tiers, drawn anew for every block: the same block always has the same rows.

    `per_second(at)` of rows and `rate(at)` of errors among them; a tier's rows are the candidate's
    from its delivery on. `past` is how long before T0 the log begins, `pods` how many each tier has.
    """

    pods = 40

    def __init__(self, rate, *, per_second=lambda _: 20, past=timedelta(days=9)):
        self.rate, self.per_second, self.past = rate, per_second, past
        self.delivered, self.reads = {}, 0

    def watermark(self, dataset, scope, now):
        return now

    def read_cells(self, dataset, scope, blocks):
        self.reads += 1
        assert scope.tiers
        by_country = [g for g in dataset.groupings if g]
        slices = ("", *(f"country={c}" for c in COUNTRIES)) if by_country else ("",)
        counts = np.zeros((len(blocks), len(slices), 2, 3, 3), dtype=np.int64)
        for index, block in enumerate(blocks):
            for tier in scope.tiers:
                for place, country in enumerate(COUNTRIES):
                    arm, drawn = self._draw(tier, country, block)
                    counts[index, 0, arm] += drawn
                    if by_country:
                        counts[index, 1 + place, arm] += drawn
        return Cells(tuple(blocks), slices, counts)

    def read_untimed(self, dataset, scope, now):
        return 0, 0

    def read_pods(self, dataset, scope, window):
        assert window.end <= T0 + timedelta(minutes=1)
        return PodCounts(tuple(f"pod-{i}" for i in range(self.pods)), np.zeros((self.pods, 3, 3), dtype=np.int64))

    def _draw(self, tier, country, block: Block):
        since = self.delivered.get(tier)
        arm = CANDIDATE if since is not None and block.start >= since else BASELINE
        start = (block.start - T0).total_seconds()
        drawn = np.zeros((3, 3), dtype=np.int64)
        if block.start < T0 - self.past:
            return arm, drawn
        seconds = (block.end - block.start).total_seconds()
        at = At(tier, country, "v2" if arm else "v1", start)
        n = int(self.per_second(at) * seconds)
        rng = np.random.default_rng([int(tier[-1]), COUNTRIES.index(country), int(start) + 10**7])
        bad = rng.binomial(n, self.rate(at))
        drawn[1, 0], drawn[1, 1] = bad, n - bad
        return arm, drawn


class Judge(FakeJudge):
    """Tiers are judged as told, delivered ones on the log."""

    def __init__(self):
        super().__init__()
        self.restart()

    def restart(self):
        self.real = Verifying(timedelta(seconds=5))

    def verification(self, request):
        return self.real.look(request)


class VerifiedWorld(World):
    def __init__(self, log):
        super().__init__(ready_seconds=0)
        self.log = log
        self.judge = Judge()
        self.fleet.datasets["humans"] = DATASET

    def tick(self):
        for stored in self.fleet.rollouts.values():
            for tier in stored.status.tiers:
                if tier.delivering_since is not None and tier.phase in ("Delivering", "Delivered"):
                    self.log.delivered.setdefault(tier.name, tier.delivering_since)
        return reconcile(NAMESPACE, NAME, self.fleet, self.log, self.clock, self.judge)


def rolling(log, *, wait=None, **analysis):
    """v2 is on its way; the tier named `wait` is not promoted."""
    rules = {"analysis": {**a_spec().analysis.to_wire(), "verification": "2h", **analysis}}
    world = VerifiedWorld(log).adopted(**rules)
    if wait is not None:
        world.judge.by_tier[wait] = None
    return world.apply("v2", **rules)


def ended(world, within=8000):
    world.run_until(
        lambda w: w.rollout.verification is not None and w.rollout.verification.verdict != "Verifying", within
    )
    return world.rollout.verification


def is_completed(world):
    return bool(world.fleet.rollouts) and world.rollout.result == "Completed"


def same(_: At):
    return 0.1


def worse(at: At):
    return 0.16 if at.version == "v2" else 0.1


def test_a_version_as_good_as_its_past_is_watched_to_the_end():
    world = rolling(TierLog(same)).run_until(is_completed)
    found = ended(world)
    assert (found.verdict, found.control) == ("NoRegression", "history")
    assert "the same hours of 7 days, 1 to 7 days before" in found.message
    assert found.looks > 50
    assert found.worst[0].control == "history"


def test_a_day_worse_than_usual_is_no_regression_where_days_differ_by_as_much():
    """Each day's odds are off by a factor of its own; today's by the largest of a week."""
    factors = (1.0, 1.1, 0.9, 0.85, 1.15, 1.2, 0.8, 1.0, 1.1)

    def rate(at):
        days_before = int(-at.second // 86_400) + 1 if at.second < 0 else 0
        odds = 0.11 * (1.25 if days_before == 0 else factors[days_before % 9])
        return odds / (1 + odds)

    world = rolling(TierLog(rate)).run_until(is_completed)
    assert ended(world).verdict == "NoRegression"
    assert world.rollout.verification.worst[0].log10_e < 1


@pytest.mark.parametrize(("days", "told"), [(2, "of 2 days"), (4, "of 4 days")])
def test_worse_than_fewer_than_five_days_is_told_and_not_rolled_back(days, told):
    log = TierLog(same, past=timedelta(days=days, hours=3))
    world = rolling(log).run_until(is_completed)
    log.rate = worse
    found = ended(world)
    assert found.verdict == "NotVerified"
    assert f"the same hours {told}" in found.message
    assert "accuracy on all traffic" in found.message
    assert (world.status.stable.name, len(world.fleet.rollouts)) == ("v2", 1)


def test_what_gets_worse_only_under_full_load_is_rolled_back_after_the_rollout():
    log = TierLog(same)
    world = rolling(log).run_until(is_completed)
    log.rate = worse
    world.run_until(lambda w: w.status.stable.name == "v1", 3000)
    assert world.rollout.reason == "RegressedAfterPromotion"
    assert "accuracy on all traffic 89.7 % → 84 %" in world.rollout.message
    assert world.versions == ("v1", "v1", "v1")


def test_a_delivered_tier_that_gets_worse_rolls_back_while_the_next_one_is_judged():
    world = rolling(TierLog(worse), wait="tier-2")
    world.run_until(lambda w: bool(w.fleet.rollouts) and w.rollout.result == "RolledBack", 2000)
    assert world.rollout.reason == "RegressedAfterPromotion"
    assert [tier.phase for tier in world.rollout.tiers] == ["RolledBack", "RolledBack", "Untouched"]


def test_a_change_of_the_world_is_taken_off_by_the_tiers_to_come():
    """All tiers get worse alike, tier-3 from a rate twice as high: neither the place nor the time is the version's."""

    def rate(at):
        odds = (0.25 if at.tier == "tier-3" else 0.11) * (1.6 if at.second > 120 else 1.0)
        return odds / (1 + odds)

    world = rolling(TierLog(rate), wait="tier-2")
    world.run(550)
    found = world.rollout.verification
    assert (found.stage, found.verdict) == ("BesideOtherTiers", "Verifying")
    assert found.looks > 20
    assert found.worst[0].log10_e < 2


@pytest.mark.parametrize(("factor", "expected"), [(1.0, "Verifying"), (1.5, "Regressed")])
def test_another_mix_of_a_confounder_is_no_regression_and_one_within_its_values_is(factor, expected):
    """tier-3 has mostly country B, which errs four times as often with either version."""

    def mixed(at):
        return 30 if (at.tier == "tier-3") == (at.country == "B") else 5

    def rate(at):
        return (0.2 if at.country == "B" else 0.05) * (factor if at.version == "v2" else 1.0)

    log = TierLog(rate, per_second=mixed, past=timedelta(hours=5))
    world = rolling(log, wait="tier-2", confounders=["country"])
    world.run(500)
    found = world.rollout.verification
    assert (found.control, found.verdict) == ("stratified", expected)
    assert found.worst[0].control == "stratified"
    assert "within the confounders' values" in found.message


def test_without_a_past_nothing_is_concluded_and_nothing_is_held():
    world = rolling(TierLog(same, past=timedelta(0))).run_until(is_completed)
    world.run(60)
    assert world.health[0] == "Ready"
    assert "nothing can be compared (NoRows): the log has no past of v1" in world.rollout.verification.message
    assert ended(world).verdict == "NotVerified"


def test_a_restart_resumes_from_the_status_with_the_same_numbers():
    steady, restarted = (rolling(TierLog(same)).run_until(is_completed) for _ in range(2))
    for _ in range(6):
        steady.run(400)
        restarted.judge.restart()
        restarted.run(400)
        restarted.judge.restart()
        restarted.settle()
        assert restarted.rollout == steady.rollout


def test_a_look_at_rest_reads_only_what_is_new():
    world = rolling(TierLog(same)).run_until(is_completed)
    world.run(600)
    world.log.reads = 0
    world.run(600)
    # blocks of 80 s: now and its past of all tiers and of each; nothing is read while no block is mature
    assert world.log.reads <= 2 * (1 + 3) * 8


def test_a_confounder_that_a_dataset_lacks_is_told():
    world = rolling(TierLog(same), confounders=["browser"], wait="tier-2")
    world.run(120)
    assert "no dimension 'browser'" in world.rollout.verification.message


def metrics(*names, **margin):
    return {"datasets": [{"name": "humans", "metrics": [{"name": name, "margin": margin} for name in names]}]}


class BothLabels(TierLog):
    """As many negatives as positives, answered wrong at the same rate."""

    def _draw(self, tier, country, block):
        arm, drawn = super()._draw(tier, country, block)
        drawn[0, 0], drawn[0, 1] = drawn[1, 1], drawn[1, 0]
        return arm, drawn


def test_an_estimate_that_falls_after_the_rollout_is_rolled_back():
    log = BothLabels(same)
    world = rolling(log, **metrics("mcc", absolute=0.02)).run_until(is_completed)
    log.rate = worse
    world.run_until(lambda w: w.status.stable.name == "v1", 3000)
    assert world.rollout.reason == "RegressedAfterPromotion"
    assert "mcc on all traffic 0." in world.rollout.message
    record = world.fleet.rollouts[f"{NAME}-1"].status.verification
    assert record.watched == ["humans/mcc"]
    assert record.worst[0].candidate_bad is None


def test_the_message_lists_what_is_not_watched_and_the_status_says_why():
    world = rolling(TierLog(same), **metrics("accuracy", "score-shift", absolute=0.02)).run_until(is_completed)
    world.run(900)
    record = world.rollout.verification
    assert record.watched == ["humans/accuracy"]
    assert "not watched: humans/score-shift" in record.message
    assert record.not_watched[0].startswith("humans/score-shift: scores move with the traffic")


def with_spread(world, sigma, pods):
    """Every tier's judgement had learned that pods differ; `pods` of the baseline were seen beside its twin."""
    known = {"sigma_pod": {"accuracy": sigma}, "pod_degrees": {"accuracy": 10_000}}
    learned = FrozenDataset(name="humans", config_hash="", **known)
    changes = [PodsChange(at=T0, candidate=1, baseline=pods)]
    for name, rollout in world.fleet.rollouts.items():
        tiers = [
            tier.model_copy(
                update={"frozen": tier.frozen.model_copy(update={"datasets": [learned]}), "pods_changes": changes}
            )
            for tier in rollout.status.tiers
        ]
        world.fleet.rollouts[name] = replace(rollout, status=rollout.status.model_copy(update={"tiers": tiers}))
    return world


@pytest.mark.parametrize(("logged", "seen", "expected"), [(40, 40, "v1"), (3, 40, "v2"), (40, 3, "v2")])
def test_what_few_pods_may_make_of_a_rate_is_not_the_versions(logged, seen, expected):
    """10 % of errors become 13.5 %; with σ .2 three pods a side may make 4.4 points of it, forty 1.2."""
    log = TierLog(same)
    log.pods = logged
    world = with_spread(rolling(log).run_until(is_completed), 0.2, seen)
    log.rate = lambda at: 0.135 if at.version == "v2" else 0.1
    world.run_until(lambda w: w.status.stable.name == "v1" or w.rollout.verification.verdict != "Verifying", 8000)
    assert world.status.stable.name == expected
