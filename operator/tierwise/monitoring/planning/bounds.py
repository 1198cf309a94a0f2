"""How far the candidate may be from the baseline, per hypothesis: one-sided or two-sided margins, or wanted ranges."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tierwise.api.common import Margin
from tierwise.api.strategy import Expectation, MetricSpec
from tierwise.arrays import BoolArray, FloatArray
from tierwise.metrics.metric import Metric
from tierwise.monitoring.counts.measures import Engine, worse_sign
from tierwise.stats.overdispersion import narrowed, odds_step, widened

PRIOR_ROWS = 10  # rows of the usual rate that are added to a slice, so that a rate of few rows is not extreme
_MOST_BETTER = 0.99  # largest relative fall of a rate


@dataclass(frozen=True, slots=True, eq=False)
class Bounds:
    """The null "within the bounds", arrays (H,); a is the candidate's rate or value, b is the baseline's.

    Bets: a ≤ R·b + Δ for rates of bad rows. The mirror (not too good) is a ≤ R'·b + Δ' for rates of good rows.
    Mixtures: s·(a − R·b) ≤ Δ, and as mirror −s·(a − R'·b) ≤ Δ', where s is 1 if more is worse and −1 if less is.
    R and Δ are `ratio` and `delta`. R' and Δ' are `lower_ratio` and `lower_delta`; NaN means that there is no mirror.
    """

    ratio: FloatArray
    delta: FloatArray
    lower_ratio: FloatArray
    lower_delta: FloatArray

    @property
    def is_two_sided(self) -> BoolArray:
        """Which hypotheses have a lower bound."""
        return np.isfinite(self.lower_delta)

    @classmethod
    def equal(cls, size: int) -> Bounds:
        """The bounds "no worse than the baseline"."""
        return cls(np.ones(size), np.zeros(size), np.full(size, np.nan), np.full(size, np.nan))

    @classmethod
    def joined(cls, parts: list[Bounds]) -> Bounds:
        """The bounds of all parts, one after the other."""
        names = ("ratio", "delta", "lower_ratio", "lower_delta")
        return cls(*(np.concatenate([getattr(part, name) for part in parts] or [np.zeros(0)]) for name in names))

    def part(self, where: slice) -> Bounds:
        """The bounds of some hypotheses."""
        return Bounds(self.ratio[where], self.delta[where], self.lower_ratio[where], self.lower_delta[where])

    def widened(self, rate: FloatArray, bias: FloatArray) -> Bounds:
        """The bounds, widened by the pods' bias (log-odds) at the baseline's rate; the same object without bias."""
        if not bias.any():
            return self
        ratio, delta = widened(self.ratio, self.delta, rate, bias)
        # The mirror's rates may be near 1, where a factor would be no small step.
        return Bounds(ratio, delta, self.lower_ratio, self.lower_delta - odds_step(rate, -bias))

    def moved(self, by: FloatArray) -> Bounds:
        """Wider by a difference of values, or narrower by a negative one; the same object where there is none."""
        if not by.any():
            return self
        return Bounds(self.ratio, self.delta + by, self.lower_ratio, self.lower_delta + by)

    def beside(self, value: FloatArray) -> Bounds:
        """The bounds for baselines with these values, of which those of estimates may be below 0.

        With R = 1 ± r, s·(a − R·b) ≤ 0 allows a difference of r·b, which is on the wrong side where b is below 0.
        So the sign of r is changed there: 5 % of a value below 0 means 5 % of its size.
        """
        sign = np.where(value < 0, -1.0, 1.0)
        if (sign > 0).all():
            return self
        return Bounds(1 + (self.ratio - 1) * sign, self.delta, 1 + (self.lower_ratio - 1) * sign, self.lower_delta)

    def narrowed(self, rate: FloatArray, bias: FloatArray) -> Bounds:
        """Narrower by the pods' bias: what must be shown for a promotion; the same object where there is none."""
        if not bias.any():
            return self
        ratio, delta = narrowed(self.ratio, self.delta, rate, bias)
        return Bounds(ratio, delta, self.lower_ratio, self.lower_delta - odds_step(rate, bias))


def bounds_of(metric: Metric, margin: Margin, engine: Engine, ranges: dict[int, Expectation], slots: int) -> Bounds:
    """The bounds of one metric's slots. `ranges` are wanted ranges by slot, which replace the margin there."""
    relative, absolute = margin.relative or 0.0, margin.absolute or 0.0
    sign = worse_sign(metric)
    out = Bounds.equal(slots)
    out.ratio[:] = 1 + sign * relative
    out.delta[:] = absolute
    if metric.direction == "Either" or engine == "shift":
        less = min(relative, _MOST_BETTER)
        out.lower_ratio[:] = 1 - less
        # For good rows: 1 − a ≤ (1 − r)(1 − b) + r means a ≥ (1 − r)·b.
        out.lower_delta[:] = absolute + (0.0 if engine == "mixture" else less)
    for slot, wish in ranges.items():
        assert wish.within is not None
        low, high = wish.within.min, wish.within.max
        if metric.direction == "HigherIsBetter":
            low, high = -high, -low
        out.ratio[slot], out.delta[slot] = 1.0, high
        out.lower_ratio[slot], out.lower_delta[slot] = 1.0, -low
    return out


def room(bounds: Bounds, rate: FloatArray) -> FloatArray:
    """How much worse than a baseline of this rate a candidate within the bounds may be (H,).

    For estimates with a relative margin the result can be too small, even below 0.
    """
    return np.asarray((bounds.ratio - 1) * rate + bounds.delta)


def tolerance_of(spec: MetricSpec) -> Margin:
    """The tolerance, beyond which the candidate has a regression: half the margin by default."""
    if spec.tolerance is not None:
        return spec.tolerance
    margin = spec.margin
    return Margin(
        absolute=None if margin.absolute is None else margin.absolute / 2,
        relative=None if margin.relative is None else margin.relative / 2,
    )
