"""Bins of a score: their edges, and the SQL that finds the exact bin, also for a Float32 score on an edge. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tierwise.api.monitoringdataset import MonitoringDatasetSpec
from tierwise.arrays import FloatArray
from tierwise.errors import RefusedError
from tierwise.monitoring.sqlguard.refusals import not_supported

MOST_EXACT_BINS = 1000  # above, Float32 steps at the domain's ends are too coarse for one-sided correction
LOGIT_BOUND = 8.0  # a Logit scale has its edges at logit −8 … 8 in equal steps


@dataclass(frozen=True, slots=True)
class Binning:
    """Edges of the bins, ascending, float64 of shape (bins + 1,), and the number of the bin of a valid score.

    Every threshold that is not on an edge of the scale gets an edge of its own. So all answers can be counted exactly
    from the distribution. If a metric's own threshold is the domain's maximum, the last bin has only that score.
    """

    edges: FloatArray
    regular: int  # bins of the scale without the thresholds' own edges
    own_thresholds: tuple[float, ...]

    @property
    def bins(self) -> int:
        """The number of bins of valid scores."""
        return len(self.edges) - 1


def scale_edges(spec: MonitoringDatasetSpec) -> FloatArray:
    """The regular edges of the dataset's scale; float64 of shape (bins + 1,).

    Raises:
        RefusedError: the scale is not supported, or does not fit the domain.
    """
    low, high, bins = spec.domain.min, spec.domain.max, spec.scale.bins
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise RefusedError(
            f"domain {low:g} … {high:g} has no inside", "give finite numbers with spec.domain.min < spec.domain.max"
        )
    steps = np.arange(bins + 1, dtype=np.float64)
    match spec.scale.kind:
        case "Linear":
            # The same operations in the same order as in the SQL, so that both give the same float64.
            edges = low + (high - low) * steps / bins
        case "Logit":
            if low < 0 or high > 1:
                raise RefusedError(
                    f"scale Logit needs scores within 0 … 1, the domain is {low:g} … {high:g}",
                    "set spec.domain or spec.scale.kind: Linear",
                )
            logits = -LOGIT_BOUND + 2 * LOGIT_BOUND * steps / bins
            edges = 1 / (1 + np.exp(-logits))
            edges[0], edges[-1] = low, high
            inside = edges[1:-1]
            if not ((inside > low) & (inside < high)).all():
                raise RefusedError(
                    f"scale Logit has edges outside the domain {low:g} … {high:g}", "use spec.scale.kind: Linear"
                )
        case "Log":
            if low <= 0:
                raise RefusedError(
                    f"scale Log needs positive scores, the domain begins at {low:g}",
                    "set spec.domain.min above 0 or spec.scale.kind: Linear",
                )
            edges = low * (high / low) ** (steps / bins)
        case "None":
            edges = np.array([low, high])  # only the thresholds separate scores
        case kind:
            raise not_supported(f"bins of scale {kind!r}", "use Linear, Logit or Log")
    edges[0], edges[-1] = low, high
    return edges


def binning_of(spec: MonitoringDatasetSpec, *, single_precision: bool) -> Binning:
    """The dataset's bins for scores stored in Float32 (`single_precision`) or Float64.

    A Float32 score that prints as 0.57 *is* 0.57, so edges are compared in the score's own precision.
    """
    edges = scale_edges(spec)
    precision = np.float32 if single_precision else np.float64
    stored: set[float] = set(edges.astype(precision).tolist())
    own: list[float] = []
    for threshold in sorted({spec.threshold, *(item.threshold for item in spec.thresholds)}):
        at = float(precision(threshold))
        if edges[0] < threshold < edges[-1] and at not in stored:
            own.append(threshold)
            stored.add(at)  # two thresholds may be the same score in Float32
    if any(item.threshold == edges[-1] for item in spec.thresholds):
        own.append(float(edges[-1]))
    if own:
        edges = np.sort(np.append(edges, own))
    return Binning(edges=edges, regular=1 if spec.scale.kind == "None" else spec.scale.bins, own_thresholds=tuple(own))


def bin_sql(spec: MonitoringDatasetSpec, binning: Binning, score: str, *, single_precision: bool) -> str:
    """SQL of the 0-based bin of `score`. The caller must have checked that it is valid (in the domain, not NaN).

    A first guess by arithmetic may be wrong by one bin near an edge. A comparison with the edges themselves, in the
    precision of the score, corrects it. (Measured: the guess alone is wrong for half of all Float32 scores on an edge.)
    """
    low, high, bins = spec.domain.min, spec.domain.max, binning.regular
    if spec.scale.kind == "None":
        return _above_own("0", binning, score, single_precision=single_precision)
    match spec.scale.kind:
        case "Linear":
            guess = f"({score} - {low!r}) * {bins / (high - low)!r} + 1e-4"
        case "Logit":
            guess = f"(log({score} / (1 - {score})) + {LOGIT_BOUND!r}) * {bins / (2 * LOGIT_BOUND)!r}"
        case _:
            guess = f"log({score} / {low!r}) * {bins / math.log(high / low)!r}"
    # least/greatest come before the cast, because log of 0 is infinite and cannot be cast to an integer
    guess = f"toInt32(least({float(bins - 1)!r}, greatest(0., floor({guess}))))"
    if spec.scale.kind == "Linear" and bins * max(abs(low), abs(high)) / (high - low) <= MOST_EXACT_BINS:
        # The guess is never too low: an edge is at most half a Float32 step, below 1e-4 bins, from its Float32 value.
        edge = f"{low!r} + {high - low!r} * {guess} / {bins}"
        found = f"({guess} - ({score} < toFloat{32 if single_precision else 64}({edge})))"
    else:
        array = ", ".join(number_sql(edge, single_precision=single_precision) for edge in scale_edges(spec))
        lower = f"arrayElement([{array}], {guess} + 1)"
        upper = f"arrayElement([{array}], {guess} + 2)"
        found = f"({guess} - ({score} < {lower}) + ({score} >= {upper} AND {guess} < {bins - 1}))"
    return _above_own(found, binning, score, single_precision=single_precision)


def _above_own(found: str, binning: Binning, score: str, *, single_precision: bool) -> str:
    """The bin of the scale, plus one for every further threshold that the score reaches."""
    for threshold in binning.own_thresholds:
        found = f"({found} + ({score} >= {number_sql(threshold, single_precision=single_precision)}))"
    return found


def number_sql(value: float, *, single_precision: bool) -> str:
    """A literal in the precision of the score."""
    return f"toFloat{32 if single_precision else 64}({float(value)!r})"
