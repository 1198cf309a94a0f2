"""A log in memory of three tiers that are delivered one after another, and the world that verifies them."""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple

import numpy as np

from tests.unit.rollout.world import NAME, T0, FakeJudge, World, a_spec
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


def metrics(*names, **margin):
    return {"datasets": [{"name": "humans", "metrics": [{"name": name, "margin": margin} for name in names]}]}


class BothLabels(TierLog):
    """As many negatives as positives, answered wrong at the same rate."""

    def _draw(self, tier, country, block):
        arm, drawn = super()._draw(tier, country, block)
        drawn[0, 0], drawn[0, 1] = drawn[1, 1], drawn[1, 0]
        return arm, drawn
