"""Two identical versions through all tiers, as often as wanted: how many rollouts are rolled back, how many finish."""

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
ROWS_PER_MINUTE = 180_000.0  # of all tiers; the smallest tier has 5 % of them
EXPOSURE = 0.2
MARGIN = 0.02
LOWEST, HIGHEST = 0.01, 0.08  # error rates of the slices
MIN_SECONDS, MAX_SECONDS = 600.0, 14_400.0  # the defaults of a tier


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollouts(Ends):
    """How the rollouts ended; `held` in some tier at its maxDuration. `factor`: the least power of a slice."""

    factor: float


def identical_versions(
    runs: int, *, seed: int = 3, processes: int = 1, on_progress: Callable[[int, int], None] = lambda *_: None
) -> Rollouts:
    """Rollouts of two versions that err alike, at 1 to 8 % in 40 slices, through three tiers with default durations.

    A margin of two percentage points at 20 % exposure: the traffic gives every slice of every tier a power factor of
    at least 7 (`monitoring.planning`: 5 is asked for). Every tier is planned, folded, judged and gated by the code that
    judges real ones.
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
    """Expected rows of the slice that needs most, over what it needs at least."""
    rows = np.array([rows_per_minute * MAX_SECONDS / 60 / SLICES])
    needed = power.needed_per_arm(np.array([HIGHEST]), np.array([MARGIN]))
    return float((power.harmonic(rows * EXPOSURE, rows * (1 - EXPOSURE)) / needed)[0])
