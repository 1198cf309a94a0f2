"""Simulates rollouts of two identical versions through all tiers, and counts how many are rolled back or finish."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np

from tierwise.api.common import Margin
from tierwise.api.modeldeployment import DatasetAnalysis, MetricSpec
from tierwise.api.monitoringdataset import Dimension, MonitoringDatasetSpec
from tierwise.monitoring.counts.model import Dataset
from tierwise.monitoring.planning.tier_plan import alpha_of_tier
from tierwise.simulation.policy import Policy, TierPolicy
from tierwise.simulation.streams.counts import GeneratedStream, population
from tierwise.simulation.traffic.scenarios import TIER_SHARES
from tierwise.simulation.trials.comparison import Simulation, simulate
from tierwise.simulation.trials.summary import Ends, ends_of
from tierwise.stats import power

SLICES = 40
ALPHA = 0.05
ROWS_PER_MINUTE = 180_000.0  # rows of all tiers together; the smallest tier has 5 % of them
EXPOSURE = 0.2
MARGIN = 0.02
LOWEST, HIGHEST = 0.01, 0.08  # error rates of the slices
MIN_SECONDS, MAX_SECONDS = 600.0, 14_400.0  # the defaults of a tier


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollouts(Ends):
    """How the rollouts ended; `held` means in some tier at its maxDuration. `factor` is the least power of a slice."""

    factor: float


def identical_versions(
    runs: int, *, seed: int = 3, processes: int = 1, on_progress: Callable[[int, int], None] = lambda *_: None
) -> Rollouts:
    """Simulate rollouts of two versions with equal error rates through three tiers with default durations.

    The rates are 1 to 8 % in 40 slices. The margin is two percentage points, the exposure 20 %. The traffic gives every
    slice of every tier a power factor of at least 7 (`monitoring.planning` requires 5). The code that judges real tiers
    plans, folds, judges and gates every tier.
    """
    policy = _policy()
    found = population({"segment": SLICES}, error_rate=(LOWEST, HIGHEST), positive_share=0.5, skew=0.0)
    rows = [ROWS_PER_MINUTE * TIER_SHARES[str(tier.name)] for tier in policy.tiers]
    stream = GeneratedStream(policy, {"segments": found}, rows, seed=seed)
    simulation = Simulation(policy, stream, runs, seed, has_drop=False, to_the_end=False)
    result = simulate(simulation, processes=processes, on_progress=on_progress)
    return Rollouts(**asdict(ends_of(result.same)), factor=_least_power(min(rows)))


def _policy() -> Policy:
    spec = MonitoringDatasetSpec(
        table="predictions", dimensions=[Dimension(name="segment", expression="segment", max_values=2 * SLICES)]
    )
    metric = MetricSpec(name="error-rate", margin=Margin(absolute=MARGIN))
    return Policy(
        analysis=(DatasetAnalysis(name="segments", metrics=[metric], slices=["segment"]),),
        datasets={"segments": Dataset("segments", spec, (("segment",),))},
        tiers=tuple(
            TierPolicy(name, alpha_of_tier(ALPHA, len(TIER_SHARES)), EXPOSURE, MIN_SECONDS, MAX_SECONDS)
            for name in TIER_SHARES
        ),
        block_seconds=60.0,
        alpha=ALPHA,
    )


def _least_power(rows_per_minute: float) -> float:
    """The smallest ratio, over all slices, of expected rows to needed rows."""
    rows = np.array([rows_per_minute * MAX_SECONDS / 60 / SLICES])
    needed = power.needed_per_arm(np.array([HIGHEST]), np.array([MARGIN]))
    return float((power.harmonic(rows * EXPOSURE, rows * (1 - EXPOSURE)) / needed)[0])
