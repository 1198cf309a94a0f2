"""The rules that teams use instead, on the same counts: what each would have decided, look by look.

Every rule reads the counts of one look, (4, runs, H): candidate n, candidate bad, baseline n, baseline bad, for `runs`
independent rollouts of H slices x metrics each, and says which runs it stops *now*, bool (runs,). Of metrics that are
no proportion it reads point estimates per look, where its own documents have such (`Look`). Rules keep state, so one
object serves one simulation, and `look` must be called once per look, in order. A rule is given what favours it
where its own documents leave a choice open; each class says what that was.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy import stats

from tierwise.arrays import BoolArray, FloatArray, IntArray

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
        counts = look_of(seen).counts
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
        self._failed: IntArray | None = None

    def look(self, seen: FloatArray | Look) -> BoolArray:
        """Which runs are stopped at this look."""
        found = look_of(seen)
        self._recent = [*self._recent, found.counts[:2].astype(np.float64)][-self._window :]
        n, bad = np.sum(self._recent, axis=0)
        off = found.recent - self._values.usual
        with np.errstate(invalid="ignore"):  # without a value, or without a usual one, nothing is measured
            beyond = np.where(self._values.either, np.abs(off), off) > self._values.margin
        failed = np.concatenate([(n > 0) & (bad > self._limit * n), beyond], axis=1)
        self._failed = failed.astype(np.int64) if self._failed is None else self._failed + failed
        return np.asarray((self._failed > self._failure_limit).any(axis=1))


def look_of(seen: FloatArray | Look) -> Look:
    """Counts (4, runs, H) as a look, which may have values too."""
    return seen if isinstance(seen, Look) else counts_alone(seen)
