"""Streams of labelled answers for many replicates at once, and the tests run over them look by look."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from tierwise.stats import betting

ALPHA = 0.05
SLICES = 200
LOOKS = 500
THRESHOLD = math.log(SLICES / ALPHA)
LABELS_PER_LOOK = 2000.0
WEIGHTS = {
    "regression": betting.REGRESSION_LOG_WEIGHTS,
    "non-inferior": betting.NON_INFERIOR_LOG_WEIGHTS,
    "improved": betting.IMPROVED_LOG_WEIGHTS,
}


def slice_sizes(slices: int = SLICES, total: float = LABELS_PER_LOOK) -> np.ndarray:
    """Expected labels per look and arm: proportional to 1/rank^.8."""
    weights = np.arange(1, slices + 1) ** -0.8
    return total * weights / weights.sum()


def base_rates(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Error rates between .001 and .3, even on the log scale."""
    return np.exp(rng.uniform(np.log(1e-3), np.log(0.3), shape))


@dataclass
class BettingTest:
    """One e-process per stream, as monitoring.evidence runs them: small blocks wait, bets know the past only."""

    kind: str  # regression, non-inferior or improved
    prior: np.ndarray
    ratio: float | np.ndarray = 1.0
    delta: float | np.ndarray = 0.0
    late_over: int = 0  # looks over which the bets begin; 0: all at once
    phi: float | np.ndarray = 1.0
    look: int = 0
    logs: np.ndarray = field(init=False)
    past: np.ndarray = field(init=False)
    pending: np.ndarray = field(init=False)
    log_e: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        size = len(self.prior)
        self.late_onset = betting.LateOnset(float(self.late_over))
        self.logs = np.full(
            (betting.REGRESSION_ALTERNATIVES if self.kind == "regression" else 3, size), np.log(self.late_onset.first)
        )
        self.log_e = np.zeros(size)
        self.past, self.pending = np.zeros((4, size)), np.zeros((4, size))
        self.ratios, self.deltas, self.phis = (np.full(size, x) for x in (self.ratio, self.delta, self.phi))

    def add(self, counts: np.ndarray) -> np.ndarray:
        """Log e-values after one more look; `counts` (4, streams)."""
        self.logs = betting.begin_more(self.logs, self.late_onset.begun(self.look, self.look + 1))
        self.look += 1
        self.pending += counts
        chosen = np.flatnonzero(betting.ready(self.pending))
        block, past, prior = self.pending[:, chosen], self.past[:, chosen], self.prior[chosen]
        logs, phi = self.logs[:, chosen], self.phis[chosen]
        if self.kind == "improved":
            equal = betting.Boundary(np.ones(len(chosen)), np.zeros(len(chosen)))
            betting.add_improved(logs, block, past, equal, prior, phi=phi)
        else:
            step = betting.add_regression if self.kind == "regression" else betting.add_non_inferior
            step(logs, block, past, betting.Boundary(self.ratios[chosen], self.deltas[chosen]), prior, phi=phi)
        assert np.isfinite(logs).all(), "evidence that is no number would only look like none"
        self.logs[:, chosen] = logs
        self.past[:, chosen] += block
        self.pending[:, chosen] = 0
        # What begins is worth what it was worth waiting: only streams that bet change.
        self.log_e[chosen] = betting.log_e_of(logs, WEIGHTS[self.kind], self.late_onset.later(self.look))
        return self.log_e


def draw(
    rng: np.random.Generator,
    candidate_size: np.ndarray,
    candidate_rate: np.ndarray,
    baseline_size: np.ndarray,
    baseline_rate: np.ndarray,
) -> np.ndarray:
    """One look's counts (4, streams): Poisson numbers of labels, binomial errors."""
    na, nb = rng.poisson(candidate_size), rng.poisson(baseline_size)
    return np.stack([na, rng.binomial(na, candidate_rate), nb, rng.binomial(nb, baseline_rate)]).astype(np.float64)


def ever_rolled_back(
    test: BettingTest,
    look_counts: Callable[[int], np.ndarray],
    replicates: int,
    *,
    slices: int = SLICES,
    looks: int = LOOKS,
    alpha: float = ALPHA,
) -> int:
    """In how many replicates a slice's e-value ever reaches K/α. Streams are replicate by replicate, slice by slice."""
    fallen = np.zeros(replicates, dtype=bool)
    for look in range(looks):
        log_e = test.add(look_counts(look))
        fallen |= (log_e.reshape(replicates, slices) >= math.log(slices / alpha)).any(axis=1)
    return int(fallen.sum())


def first_crossing(
    rng: np.random.Generator,
    test: BettingTest,
    candidate: tuple[float, float],
    baseline: tuple[float, float],
    *,
    log_threshold: float,
    looks: int = LOOKS,
) -> np.ndarray:
    """Per stream the look (1-based) at which the test first crosses, inf when it never does.

    `candidate` and `baseline` are (labels per look, error rate), the same in every stream.
    """
    streams = len(test.prior)
    found = np.full(streams, np.inf)
    arms = [np.full(streams, x) for x in (*candidate, *baseline)]
    for look in range(1, looks + 1):
        log_e = test.add(draw(rng, *arms))
        found[(log_e >= log_threshold) & np.isinf(found)] = look
        if np.isfinite(found).all():
            break
    return found
