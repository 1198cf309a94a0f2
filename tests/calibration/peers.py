"""The rules that teams use instead, on the same streams."""

from __future__ import annotations

import numpy as np

from tests.calibration.streams import ALPHA, LOOKS, SLICES, THRESHOLD, BettingTest, base_rates, draw, slice_sizes
from tests.calibration.table import Row, at_least, at_most, contrast, unpromised
from tierwise.simulation.peers.kayenta import MannWhitneyJudge
from tierwise.simulation.peers.rules import RepeatedZTest, Rule, Threshold

_MARGIN = 0.01
_BAD_RATE, _BAD_LABELS = 0.01, 100.0


def without_regression(replicates: int) -> list[Row]:
    """Equal models: who stops?"""
    found = _stopped(70, replicates, worse_by=0.0)
    z_test = "Equal models: a one-sided z-test at 5 % per slice on all counts so far, every minute."
    threshold = "Equal models: five-minute rates against the usual rate + 1 point, more than 3 failures stop."
    judge = "Equal models: Kayenta's judge every 30 minutes, pass 95, marginal 75."
    critical = "The same, every slice critical."
    return [
        at_most("Tierwise", found["tierwise"], replicates, ALPHA, "≤ 5 %", about="Equal models: rolled back."),
        contrast("z-test every minute", found["z-test"], replicates, 0.9, "100 %", about=z_test),
        contrast("Threshold, failureLimit 3", found["threshold"], replicates, 0.9, "100 %", about=threshold),
        unpromised("Mann–Whitney judge", found["judge"], replicates, "3–8 %", about=judge),
        unpromised("Mann–Whitney, critical", found["judge-critical"], replicates, about=critical),
    ]


def one_slice_of_many(replicates: int) -> list[Row]:
    """One slice of 200 gets worse: who stops?"""
    found = _stopped(74, replicates, worse_by=0.02)
    about = "False positives 1 → 3 % in one slice of 100 labels a minute, 199 slices equal: rolled back."
    judge = "The same: one slice in 200 leaves the score far above 95."
    return [
        at_least("Tierwise, one slice", found["tierwise"], replicates, 0.95, about=about),
        unpromised("Judge, one slice", found["judge"], replicates, "misses", about=judge),
    ]


def alone(replicates: int) -> list[Row]:
    """One slice alone, which is what the judge is made for."""
    few = (3.0, 0.01)
    equal = _alone(71, replicates, (100.0, 0.01), 0.01, LOOKS)
    worse = _alone(72, replicates, (100.0, 0.01), 0.03, LOOKS)
    sparse = _alone(73, replicates, few, 0.05, 2 * LOOKS)
    judge = "Kayenta's judge on one slice alone, every 30 minutes"
    return [
        unpromised("Judge, equal", equal["judge"], replicates, "3–8 %", about=f"{judge}, 100 labels a minute at 1 %."),
        unpromised("Judge, FPR 1 → 3 %", worse["judge"], replicates, about=f"{judge}: found in 500 minutes."),
        unpromised("Judge, sparse errors", sparse["judge"], replicates, about=f"{judge}, 3 labels, 1 → 5 %: found."),
        at_least(
            "Tierwise, sparse errors",
            sparse["tierwise"],
            replicates,
            0.9,
            about="The same 1,000 minutes, at the threshold of 200 slices: found.",
        ),
    ]


def _alone(
    seed: int, replicates: int, baseline: tuple[float, float], candidate_rate: float, looks: int
) -> dict[str, int]:
    rng = np.random.default_rng(seed)
    judge, ours = MannWhitneyJudge(looks), BettingTest("regression", np.full(replicates, baseline[1]))
    size, rate = (np.full(replicates, x) for x in baseline)
    stopped = {name: np.zeros(replicates, dtype=bool) for name in ("tierwise", "judge")}
    for _ in range(looks):
        counts = draw(rng, size, np.full(replicates, candidate_rate), size, rate)
        stopped["tierwise"] |= ours.add(counts) >= THRESHOLD
        stopped["judge"] |= judge.look(counts[:, :, None])
    return {name: int(runs.sum()) for name, runs in stopped.items()}


def _stopped(seed: int, replicates: int, *, worse_by: float) -> dict[str, int]:
    """How many of the replicates each rule ever stops; the first slice gets worse, the others are equal."""
    rng = np.random.default_rng(seed)
    rates = base_rates(rng, (replicates, SLICES))
    sizes = np.tile(slice_sizes(), (replicates, 1))
    rates[:, 0], sizes[:, 0] = _BAD_RATE, _BAD_LABELS
    candidate = rates.copy()
    candidate[:, 0] += worse_by
    rules: dict[str, Rule] = {
        "z-test": RepeatedZTest(ALPHA),
        "threshold": Threshold(rates + _MARGIN, failure_limit=3),
        "judge": MannWhitneyJudge(LOOKS),
        "judge-critical": MannWhitneyJudge(LOOKS, critical=True),
    }
    ours = BettingTest("regression", rates.ravel())
    stopped = {name: np.zeros(replicates, dtype=bool) for name in ("tierwise", *rules)}
    arms = [x.ravel() for x in (sizes, candidate, sizes, rates)]
    for _ in range(LOOKS):
        counts = draw(rng, *arms)
        stopped["tierwise"] |= (ours.add(counts).reshape(replicates, SLICES) >= THRESHOLD).any(axis=1)
        for name, rule in rules.items():
            stopped[name] |= rule.look(counts.reshape(4, replicates, SLICES))
    return {name: int(runs.sum()) for name, runs in stopped.items()}


SCENARIOS = [
    (without_regression, 60, 0),
    (one_slice_of_many, 60, 0),
    (alone, 300, 0),
]
