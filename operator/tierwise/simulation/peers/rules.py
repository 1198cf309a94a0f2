"""The rules of other tools on the same counts: what each would have decided, look by look.

Every rule reads the counts of one look, (4, runs, H): candidate n, candidate bad, baseline n, baseline bad, for `runs`
independent rollouts of H slices x metrics each. It returns which runs it stops *now*, bool (runs,). For metrics that
are not a proportion it reads point estimates per look, if its own documents define this (`Look`). Rules keep state. So
one object is for one simulation, and `look` must be called once per look, in order. If the documents of a rule leave a
choice open, we choose what favours the rule. Each class says what was chosen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy import stats

from tierwise.arrays import BoolArray, FloatArray, IntArray

WINDOW = 5  # looks in one measurement of a threshold


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """The data of one look: `counts` (4, …, H) and, for metrics that are not a proportion, point estimates (…, G).

    The sign of estimates is such that larger is worse. NaN means no estimate. `recent` is the candidate's estimate over
    the last `WINDOW` looks.
    """

    counts: FloatArray
    candidate: FloatArray
    baseline: FloatArray
    recent: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Values:
    """The usual values of the G estimates (as in `Look`), their margins, and for which of them a fall is bad, too."""

    usual: FloatArray
    margin: FloatArray
    either: BoolArray


NO_VALUES = Values(np.zeros(0), np.zeros(0), np.zeros(0, dtype=np.bool_))


def counts_alone(counts: FloatArray) -> Look:
    """A look with counts (4, runs, H) of proportions only."""
    nothing = np.zeros((counts.shape[1], 0))
    return Look(counts, nothing, nothing, nothing)


class Rule(Protocol):
    """A stopping rule with its state during a simulation."""

    def look(self, seen: FloatArray | Look) -> BoolArray:
        """Which runs are stopped at this look. `seen` is the data of this look: counts (4, runs, H) or a `Look`."""
        ...


class RepeatedZTest:
    """A one-sided two-proportion z-test on all counts so far, at every look.

    It stops a run if any hypothesis has p < `level`. `delta`, (H,) or a number, is the difference of rates that is
    still accepted. With 0 (equal rates) the pooled variance is used, else the unpooled one. A hypothesis does not stop
    a run if an arm has no rows, or if both rates are exactly 0 or 1.
    """

    def __init__(self, level: float, delta: FloatArray | float = 0.0) -> None:
        self._critical = float(stats.norm.isf(level))
        self._delta = delta
        self._total: FloatArray | None = None

    def look(self, seen: FloatArray | Look) -> BoolArray:
        """Which runs are stopped at this look, by proportions only."""
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

    A measurement is the candidate's rate over the last `window` looks, or its value over the last `WINDOW` looks. A
    rate fails above `limit` (H,). A value fails if it is beyond the usual value by more than the margin. A run fails
    after more than `failure_limit` failed measurements of one metric, consecutive or not. A window without rows is not
    a measurement. (In Argo Rollouts it would be an error, which counts for less.)

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
        with np.errstate(invalid="ignore"):  # without a value or a usual value there is no measurement
            beyond = np.where(self._values.either, np.abs(off), off) > self._values.margin
        failed = np.concatenate([(n > 0) & (bad > self._limit * n), beyond], axis=1)
        self._failed = failed.astype(np.int64) if self._failed is None else self._failed + failed
        return np.asarray((self._failed > self._failure_limit).any(axis=1))


def look_of(seen: FloatArray | Look) -> Look:
    """The data as a `Look`; counts (4, runs, H) become a look without values."""
    return seen if isinstance(seen, Look) else counts_alone(seen)
