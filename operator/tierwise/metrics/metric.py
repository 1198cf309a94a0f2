"""The interface of a metric: what it needs, how it is computed, how it is tested, how people read it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from tierwise.api.common import Margin
from tierwise.arrays import FloatArray, IntArray
from tierwise.metrics.tally import Estimate, Sum, Tally

Kind = Literal["Binary", "Classes", "Number"]
Direction = Literal["HigherIsBetter", "LowerIsBetter", "Either"]
ScaleKind = Literal["Linear", "Logit", "Log", "Classes", "None"]
ANY_KIND: tuple[Kind, ...] = ("Binary", "Classes", "Number")


@dataclass(frozen=True, slots=True)
class Needs:
    """What a metric needs beyond the counts by label and answer. `labels`: it has no value without labels.

    `columns` are roles of spec.columns that the dataset must name (such as ``latency``), `values` names of spec.values,
    `classes` names of spec.classes. `probability`: scores must be probabilities. `excluded`: it needs domain.exclude.
    `some_rows`: the model itself causes which rows count (for example challenges issued), so arms may differ in their
    number. Without `some_rows`, a row that lacks its number is missing data.
    """

    labels: bool = True
    bins: bool = False
    sums: tuple[Sum, ...] = ()
    columns: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    probability: bool = False
    excluded: bool = False
    some_rows: bool = False


@dataclass(frozen=True, slots=True)
class Proportion:
    """A share of rows: of n rows, `bad` are errors. It is judged by exact block-betting.

    `count` gives (n, bad) of shape (...), which are sums over cells. So with Σw or Σw² instead of counts it gives their
    sums. `shown` converts the share of bad to the value that people know, if that is neither the share nor 1 minus it.
    """

    count: Callable[[Tally], tuple[npt.NDArray[np.generic], npt.NDArray[np.generic]]]
    shown: Callable[[float], float] | None = None


@dataclass(frozen=True, slots=True)
class Estimated:
    """A value with a variance: judged by the Gaussian mixture in information time.

    `taus` are the sizes of differences at which the mixture is most sensitive, in the metric's own unit. None means
    .03, .1 and .3 of one observation's standard deviation. `weighted`: in a dataset with a sample weight the estimate
    uses Σw (`tally.weights`, `tally.bin_weights`, `weighted.plain`) and its variance Σw² (`weighted.squared`). Without
    `weighted` such a dataset is refused; it is never judged as if its rows counted equally.
    """

    estimate: Callable[[Tally], Estimate]
    taus: tuple[float, ...] | None = (0.01, 0.03, 0.1)
    weighted: bool = False


@dataclass(frozen=True, slots=True)
class Shift:
    """Whether the distribution of the score moved: at each of `points` quantiles of the past, block bets on both sides.

    The e-values of all points and sides are averaged. There is no test of non-inferiority, so promotion does not wait
    for this metric.
    `count(tally, at)` gives n (...) and the numbers below each edge (..., points), `at` being edge indices (points,).
    """

    count: Callable[[Tally, IntArray], tuple[IntArray, IntArray]]
    points: int = 9


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric. More bad is worse, for every proportion; margins are of the rate of `bad`, or of the value.

    `direction` says how people read the value: with ``HigherIsBetter`` it is 1 − bad/n (accuracy, recall), with
    ``LowerIsBetter`` it is bad/n (error rate, false positives); ``Either``: any move beyond the margin is worse.
    `description` is the definition in one line, `unit` the unit of value and margin, `not_for` when not to use it.
    """

    name: str
    direction: Direction
    measure: Proportion | Estimated | Shift
    default_margin: Margin
    needs: Needs
    description: str
    unit: str = "share of rows"
    not_for: str = ""
    kinds: tuple[Kind, ...] = ("Binary",)
    scale: ScaleKind = "Linear"

    @property
    def needs_labels(self) -> bool:
        """Whether the metric has no value without labels."""
        return self.needs.labels

    @property
    def takes_weights(self) -> bool:
        """Whether the metric can be judged in a dataset with a sample weight."""
        match self.measure:
            case Proportion():
                return True
            case Estimated(weighted=weighted):
                return weighted
            case _:
                return False

    @property
    def present(self) -> str | None:
        """The sum that counts the rows with the metric's number, if every row should have one. It is watched."""
        name = f"{self.name}:n"
        is_counted = any(each.name == name for each in self.needs.sums)
        return name if is_counted and not self.needs.labels and not self.needs.some_rows else None

    @property
    def test(self) -> Literal["block-betting", "mixture"]:
        """The kind of test."""
        return "mixture" if isinstance(self.measure, Estimated) else "block-betting"

    def n_bad(self, counts: IntArray) -> tuple[IntArray, IntArray]:
        """(n, bad), int64 of shape (...), from exact counts of shape (..., 3 labels, 3 answers); proportions only."""
        return self.n_bad_of(Tally(counts))

    def n_bad_of(self, tally: Tally) -> tuple[IntArray, IntArray]:
        """(n, bad), int64 of shape (...); proportions only."""
        if not isinstance(self.measure, Proportion):
            raise TypeError(f"metric {self.name!r} is not a proportion")
        n, bad = self.measure.count(tally)
        return np.asarray(n).astype(np.int64), np.asarray(bad).astype(np.int64)

    def value(self, n: int, bad: int) -> float | None:
        """A proportion's value in its own direction; None without observations, never NaN."""
        if n == 0:
            return None
        if isinstance(self.measure, Proportion) and self.measure.shown is not None:
            return self.measure.shown(bad / n)
        return 1.0 - bad / n if self.direction == "HigherIsBetter" else bad / n


__all__ = [
    "ANY_KIND",
    "Estimate",
    "Estimated",
    "FloatArray",
    "IntArray",
    "Kind",
    "Metric",
    "Needs",
    "Proportion",
    "Shift",
    "Sum",
    "Tally",
]
