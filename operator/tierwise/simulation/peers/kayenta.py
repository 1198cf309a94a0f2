"""Kayenta's judge: a Mann–Whitney test on series of values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from tierwise.arrays import BoolArray, FloatArray
from tierwise.simulation.peers.ranks import mann_whitney_z
from tierwise.simulation.peers.rules import NO_VALUES, Look, look_of


@dataclass(frozen=True, slots=True)
class Scores:
    """Limits of the score: a canary stops below `marginal`, and at its end below `passing`.

    A series needs `least` points in each arm.
    """

    passing: float = 95.0
    marginal: float = 75.0
    least: int = 10


KAYENTAS = Scores()


class MannWhitneyJudge:
    """Kayenta's judge: a Mann–Whitney test on the two series of values per look, one series per slice and metric.

    A metric is *High* when the 98 % confidence interval of the Hodges–Lehmann difference lies above a quarter of that
    difference. The score is the share of metrics that are not High, times 100. The judge runs every `every` looks on
    all looks so far. It stops a run with a score below `marginal`, and at look `last` with a score below `passing`.
    With `critical` one High is enough. A look without rows in an arm is not a point of its series. A metric with fewer
    than `least` points in an arm is not judged.

    Differences to Kayenta: the interval's bound is compared exactly, while Kayenta searches it to within 1e-4; outliers
    are kept.

    Source: Kayenta, NetflixACAJudge (tolerance 0.25, confLevel 0.98), MannWhitneyClassifier, MannWhitney and
    WeightedSumScorer. The stops below marginal, and at the end below pass, are those of Spinnaker's canary stage.
    """

    def __init__(
        self,
        last: int,
        *,
        every: int = 30,
        critical: bool = False,
        scores: Scores = KAYENTAS,
        either: BoolArray = NO_VALUES.either,
    ) -> None:
        self._last = last
        self._every = every
        self._passing, self._marginal, self._least = scores.passing, scores.marginal, scores.least
        self._critical = critical
        self._either = either
        self._candidate: list[FloatArray] = []
        self._baseline: list[FloatArray] = []

    def look(self, seen: FloatArray | Look) -> BoolArray:
        """Which runs are stopped at this look."""
        found = look_of(seen)
        na, ka, nb, kb = found.counts
        self._candidate.append(np.concatenate([_rate(na, ka), found.candidate], axis=1))
        self._baseline.append(np.concatenate([_rate(nb, kb), found.baseline], axis=1))
        looks = len(self._candidate)
        is_last = looks == self._last
        runs, metrics = self._candidate[0].shape
        if not is_last and looks % self._every:
            return np.zeros(runs, dtype=np.bool_)
        x = np.stack(self._candidate, axis=-1).reshape(-1, looks)
        y = np.stack(self._baseline, axis=-1).reshape(-1, looks)
        judged = (np.isfinite(x).sum(axis=1) >= self._least) & (np.isfinite(y).sum(axis=1) >= self._least)
        high = (is_high(x, y) & judged).reshape(runs, metrics)
        if self._either.any():  # Kayenta's direction "either": Low fails in the same way as High
            low = (is_high(y, x) & judged).reshape(runs, metrics)
            high[:, metrics - len(self._either) :] |= low[:, metrics - len(self._either) :] & self._either
        total = judged.reshape(runs, metrics).sum(axis=1)
        score = 100.0 * (1 - high.sum(axis=1) / np.maximum(total, 1))
        if self._critical:
            return np.asarray(high.any(axis=1))
        return np.asarray(score < (self._passing if is_last else self._marginal))


CONFIDENCE = 0.98  # of the interval of the Hodges–Lehmann difference, two-sided


TOLERATED = 0.25  # share of the difference itself that the interval must leave below it


def is_high(candidate: FloatArray, baseline: FloatArray) -> BoolArray:
    """Which series Kayenta's classifier calls *High*: the candidate's values are larger.

    The arrays are (streams, points); NaN is not a point.
    """
    critical = float(stats.norm.isf((1 - CONFIDENCE) / 2))
    high = mann_whitney_z(candidate, baseline) > critical
    # The interval's lower bound exceeds c if and only if the test still rejects after the candidate is moved down by c.
    # Then the test also rejects at c = 0. So the quadratic part is computed for few streams only.
    for stream in np.flatnonzero(high):
        x, y = candidate[stream], baseline[stream]
        x, y = x[np.isfinite(x)], y[np.isfinite(y)]
        estimate = abs(float(np.median(x[:, None] - y[None, :])))
        moved = mann_whitney_z((x - TOLERATED * estimate)[None], y[None])
        high[stream] = bool(moved[0] > critical)
    return high


def _rate(n: FloatArray, bad: FloatArray) -> FloatArray:
    return np.where(n > 0, bad / np.maximum(n, 1), np.nan)
