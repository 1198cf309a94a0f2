"""The rules that teams use instead, on the same counts: what each would have decided, look by look.

Every rule reads the counts of one look, (4, runs, H): candidate n, candidate bad, baseline n, baseline bad, for `runs`
independent rollouts of H slices x metrics each, and says which runs it stops *now*, bool (runs,). Of metrics that are
no proportion it reads point estimates per look, where its own documents have such (`Look`). Rules keep state, so one
object serves one simulation, and `look` must be called once per look, in order. A rule is given what favours it
where its own documents leave a choice open; each class says what that was.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
import numpy.typing as npt
from scipy import stats

from tierwise.simulation.peers.ranks import mann_whitney_z

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


WINDOW = 5  # looks that one measurement of a threshold is of


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What rules read of one look: `counts` (4, …, H) and, of metrics that are no proportion, point estimates (…, G).

    Estimates are turned so that larger is worse, and NaN where there is none. `recent` is the candidate's over the last
    `WINDOW` looks.
    """

    counts: FloatArray
    candidate: FloatArray
    baseline: FloatArray
    recent: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Values:
    """What is usual of the G estimates, as in `Look`, how far off is too far, and where less is as bad as more."""

    usual: FloatArray
    margin: FloatArray
    either: BoolArray


NO_VALUES = Values(np.zeros(0), np.zeros(0), np.zeros(0, dtype=np.bool_))


def counts_alone(counts: FloatArray) -> Look:
    """A look (4, runs, H) at proportions only."""
    nothing = np.zeros((counts.shape[1], 0))
    return Look(counts, nothing, nothing, nothing)


class Rule(Protocol):
    """A stopping rule in the middle of a simulation."""

    def look(self, seen: FloatArray | Look) -> BoolArray:
        """Which runs are stopped at this look; counts (4, runs, H) alone, or a `Look`, are those of the look alone."""
        ...


class RepeatedZTest:
    """A one-sided two-proportion z-test on all counts so far, at every look.

    Stops when any hypothesis has p < `level`. `delta` (H,) or a number is the difference of rates that is still
    accepted (0: equal rates; the pooled variance is used then, else the unpooled one). An arm without rows, or rates
    of exactly 0 or 1 in both, says nothing.
    """

    def __init__(self, level: float, delta: FloatArray | float = 0.0) -> None:
        self._critical = float(stats.norm.isf(level))
        self._delta = delta
        self._total: FloatArray | None = None

    def look(self, seen: FloatArray | Look) -> BoolArray:
        """Which runs are stopped at this look; of proportions only."""
        counts = _look(seen).counts
        self._total = counts.astype(np.float64) if self._total is None else self._total + counts
        na, ka, nb, kb = self._total
        some = (na > 0) & (nb > 0)
        safe_a, safe_b = np.maximum(na, 1), np.maximum(nb, 1)
        pa, pb = ka / safe_a, kb / safe_b
        pooled = (ka + kb) / (safe_a + safe_b)
        equal = pooled * (1 - pooled) * (1 / safe_a + 1 / safe_b)
        own = pa * (1 - pa) / safe_a + pb * (1 - pb) / safe_b
        variance = np.where(np.asarray(self._delta) == 0, equal, own)
        defined = some & (variance > 0)
        z = (pa - pb - self._delta) / np.sqrt(np.where(defined, variance, 1.0))
        return np.asarray((defined & (z > self._critical)).any(axis=1))


class Threshold:
    """A threshold per slice, measured at every look, as an AnalysisTemplate of Argo Rollouts does.

    A measurement is the candidate's rate over the last `window` looks, and fails above `limit` (H,), or its value over
    the last `WINDOW` looks, which fails more than the margin beyond the usual value; more than
    `failure_limit` failed measurements of one metric fail the run: the count is of all measurements, not of
    consecutive ones. A window without rows is no measurement (there it would be an error, which counts for less).

    Source: Argo Rollouts, analysis/analysis.go, assessMetricStatus (`Failed > FailureLimit`).
    """

    def __init__(self, limit: FloatArray, failure_limit: int, window: int = WINDOW, values: Values = NO_VALUES) -> None:
        self._limit = limit
        self._values = values
        self._failure_limit = failure_limit
        self._window = window
        self._recent: list[FloatArray] = []
        self._failed: npt.NDArray[np.int64] | None = None

    def look(self, seen: FloatArray | Look) -> BoolArray:
        """Which runs are stopped at this look."""
        found = _look(seen)
        self._recent = [*self._recent, found.counts[:2].astype(np.float64)][-self._window :]
        n, bad = np.sum(self._recent, axis=0)
        off = found.recent - self._values.usual
        with np.errstate(invalid="ignore"):  # without a value, or without a usual one, nothing is measured
            beyond = np.where(self._values.either, np.abs(off), off) > self._values.margin
        failed = np.concatenate([(n > 0) & (bad > self._limit * n), beyond], axis=1)
        self._failed = failed.astype(np.int64) if self._failed is None else self._failed + failed
        return np.asarray((self._failed > self._failure_limit).any(axis=1))


class MannWhitneyJudge:
    """Kayenta's judge: a Mann–Whitney test on the two series of values per look, one series per slice and metric.

    A metric is *High* when the 98 % confidence interval of the Hodges–Lehmann difference lies above a quarter of that
    difference; the score is the share of metrics that are not, times 100. Judged every `every` looks on all looks so
    far: below `marginal` stops, and at look `last` below `passing` does. `critical`: one High is enough. A look without
    rows in an arm is no point of its series, and a metric with fewer than `least` points in an arm is not judged.

    Differences: the interval's bound is compared exactly, where Kayenta searches it to within 1e-4; outliers are kept.

    Source: Kayenta, NetflixACAJudge (tolerance 0.25, confLevel 0.98), MannWhitneyClassifier, MannWhitney and
    WeightedSumScorer; stops at an interval below marginal and at the end below pass as Spinnaker's canary stage.
    """

    def __init__(
        self,
        last: int,
        *,
        every: int = 30,
        passing: float = 95.0,
        marginal: float = 75.0,
        critical: bool = False,
        least: int = 10,
        either: BoolArray = NO_VALUES.either,
    ) -> None:
        self._last = last
        self._every = every
        self._passing, self._marginal = passing, marginal
        self._critical = critical
        self._least = least
        self._either = either
        self._candidate: list[FloatArray] = []
        self._baseline: list[FloatArray] = []

    def look(self, seen: FloatArray | Look) -> BoolArray:
        """Which runs are stopped at this look."""
        found = _look(seen)
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
        if self._either.any():  # Kayenta's direction "either": Low fails as High does
            low = (is_high(y, x) & judged).reshape(runs, metrics)
            high[:, metrics - len(self._either) :] |= low[:, metrics - len(self._either) :] & self._either
        total = judged.reshape(runs, metrics).sum(axis=1)
        score = 100.0 * (1 - high.sum(axis=1) / np.maximum(total, 1))
        if self._critical:
            return np.asarray(high.any(axis=1))
        return np.asarray(score < (self._passing if is_last else self._marginal))


FAILURE_LIMITS = (0, 3, 10)
CONFIDENCE = 0.98  # of the interval of the Hodges–Lehmann difference, two-sided
TOLERATED = 0.25  # share of the difference itself that the interval must leave below it


def is_high(candidate: FloatArray, baseline: FloatArray) -> BoolArray:
    """Which series (streams, points; NaN is no point) Kayenta's classifier calls *High*: the candidate's are larger."""
    critical = float(stats.norm.isf((1 - CONFIDENCE) / 2))
    high = mann_whitney_z(candidate, baseline) > critical
    # The interval's lower bound exceeds c exactly when the test with the candidate moved down by c still rejects; that
    # needs it to reject at c = 0, so the quadratic part is computed for few streams only.
    for stream in np.flatnonzero(high):
        x, y = candidate[stream], baseline[stream]
        x, y = x[np.isfinite(x)], y[np.isfinite(y)]
        estimate = abs(float(np.median(x[:, None] - y[None, :])))
        moved = mann_whitney_z((x - TOLERATED * estimate)[None], y[None])
        high[stream] = bool(moved[0] > critical)
    return high


def _rate(n: FloatArray, bad: FloatArray) -> FloatArray:
    return np.where(n > 0, bad / np.maximum(n, 1), np.nan)


def _look(seen: FloatArray | Look) -> Look:
    return seen if isinstance(seen, Look) else counts_alone(seen)


@dataclass(frozen=True, slots=True)
class Peer:
    """A rule with its name, a line for people, and how to begin it for one simulation.

    `not_judged` are metrics that it cannot judge; `judges` is False where these are all there are.
    """

    name: str
    description: str
    begin: Callable[[], Rule]
    not_judged: tuple[str, ...] = ()
    judges: bool = True


def peers(
    usual_rate: FloatArray,
    margin: FloatArray,
    tolerance: FloatArray,
    *,
    alpha: float,
    looks: int,
    judge_every: int = 30,
    values: Values = NO_VALUES,
    estimated: tuple[str, ...] = (),
    neither: tuple[str, ...] = (),
) -> Sequence[Peer]:
    """All rules for H hypotheses: `usual_rate`, `margin` and `tolerance` (H,) as differences of rates of `bad`.

    Thresholds lie a margin above the usual rate; `alpha` is what a team would allow, per test or, with Bonferroni's
    correction, over all H. `looks` is the number of looks of the simulation. `values` are of the `estimated` metrics,
    which a test of proportions cannot judge; `neither` are metrics without any value.
    """
    hypotheses = len(usual_rate)
    limit = usual_rate + margin
    corrected = alpha / max(hypotheses, 1)
    is_any = hypotheses + len(values.usual) > 0
    of_rates = (tuple(sorted({*estimated, *neither})), hypotheses > 0)
    of_values = (neither, is_any)
    judge = f"Mann–Whitney judge every {judge_every} looks"
    beside = f"p < {alpha:g}/{max(hypotheses, 1)}"
    return (
        Peer("z-test", f"z-test at every look, p < {alpha:g} in any slice", partial(RepeatedZTest, alpha), *of_rates),
        Peer("z-test-bonferroni", f"z-test at every look, {beside}", partial(RepeatedZTest, corrected), *of_rates),
        Peer(
            "z-test-tolerance",
            f"z-test at every look for worse than the tolerance, {beside}",
            partial(RepeatedZTest, corrected, tolerance),
            *of_rates,
        ),
        *(
            Peer(
                f"threshold-{allowed}",
                f"threshold per slice at the usual rate + margin, failureLimit {allowed}",
                partial(Threshold, limit, allowed, values=values),
                *of_values,
            )
            for allowed in FAILURE_LIMITS
        ),
        Peer(
            "mann-whitney",
            f"{judge}, pass 95, marginal 75",
            partial(MannWhitneyJudge, looks, every=judge_every, either=values.either),
            *of_values,
        ),
        Peer(
            "mann-whitney-critical",
            f"{judge}, any slice High fails",
            partial(MannWhitneyJudge, looks, every=judge_every, critical=True, either=values.either),
            *of_values,
        ),
    )


def first_stops(rule: Rule, counts: Sequence[FloatArray]) -> FloatArray:
    """The look (1-based) at which each run is stopped, inf where never; `counts` has one (4, runs, H) per look."""
    at = np.full(counts[0].shape[1] if counts else 0, math.inf)
    for number, block in enumerate(counts, start=1):
        stopped = rule.look(block)
        at[stopped & np.isinf(at)] = number
    return at
