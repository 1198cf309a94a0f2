"""Applies metrics to tallies: the threshold of the metric, its test, its counts and estimates."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from tierwise.api.monitoringdataset import MonitoringDatasetSpec
from tierwise.arrays import BoolArray, FloatArray, IntArray
from tierwise.errors import MetricFailedError
from tierwise.metrics import registry
from tierwise.metrics.metric import Estimated, Metric, Proportion, Shift
from tierwise.metrics.tally import Tally
from tierwise.metrics.weighted import weighted
from tierwise.monitoring.counts.model import BASELINE, CANDIDATE, Reads
from tierwise.monitoring.counts.tallies import with_both_arms
from tierwise.monitoring.counts.thresholds import answers_at

Engine = Literal["betting", "mixture", "shift"]

_POOLED = 2
_SHARES = (0.03, 0.1, 0.3)  # in standard deviations of one observation: where the mixture is most sensitive


def metric_for(name: str, spec: MonitoringDatasetSpec) -> Metric:
    """The metric of a dataset. If the dataset gives it its own threshold, its answers are counted from the bins.

    Raises:
        UnknownMetricError: there is none of that name.
    """
    metric = registry.get(name)
    threshold = spec.threshold_of(name)
    measure = metric.measure
    if threshold == spec.threshold or not isinstance(measure, Proportion):
        return metric
    count = measure.count

    def at_threshold(tally: Tally) -> tuple[npt.NDArray[np.generic], npt.NDArray[np.generic]]:
        assert tally.bins is not None
        assert tally.edges is not None
        counts = answers_at(tally.bins, tally.edges, threshold, spec.positive)
        if counts is None:
            raise MetricFailedError(name, "tierwise", f"no answer can be told at threshold {threshold:g}")
        return count(replace(tally, counts=counts))

    return replace(metric, measure=replace(measure, count=at_threshold), needs=replace(metric.needs, bins=True))


def engine_of(metric: Metric, reads: Reads) -> Engine:
    """The test of a metric. With sample weights a proportion is not a count of rows, so it is estimated."""
    if isinstance(metric.measure, Shift):
        return "shift"
    return "mixture" if isinstance(metric.measure, Estimated) or reads.weights else "betting"


def is_read(metric: Metric, tally: Tally) -> bool:
    """Whether the tally has the metric's data. It does not before the first block, or if only counts were read."""
    bins = tally.bins if tally.weights is None else tally.bin_weights
    return not (metric.needs.bins and bins is None) and all(item.name in tally.sums for item in metric.needs.sums)


def counted(metric: Metric, tally: Tally) -> tuple[IntArray, IntArray]:
    """(n, bad) of a proportion, int64 of the tally's leading shape.

    Raises:
        MetricFailedError: the metric's code raised, or its counts are no counts.
    """
    assert isinstance(metric.measure, Proportion)
    if not is_read(metric, tally):
        nothing = np.zeros(tally.counts.shape[:-2], dtype=np.int64)
        return nothing, nothing
    n, bad = (np.asarray(x) for x in metric.measure.count(tally))
    if not (np.isfinite(n).all() and np.isfinite(bad).all() and (bad >= 0).all() and (bad <= n).all()):
        raise MetricFailedError(metric.name, "the dataset", "its sums are not finite, or not 0 ≤ bad ≤ n")
    return n.astype(np.int64), bad.astype(np.int64)


def below(metric: Metric, tally: Tally, at: IntArray) -> tuple[IntArray, IntArray]:
    """The rows (...), and the rows below each edge (..., points) of a shift.

    Raises:
        MetricFailedError: the metric's code raised, or its counts are no counts.
    """
    assert isinstance(metric.measure, Shift)
    n, under = metric.measure.count(tally, at)
    return n, under


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """Estimates of both arms, shape (slots,); NaN where nothing can be computed.

    A variance uses the larger of the arm's own spread and the spread of both arms pooled, because either alone is too
    small at times. `taus` (T,) or (T, slots) are the mixture's scales.
    """

    candidate: FloatArray
    baseline: FloatArray
    candidate_variance: FloatArray
    baseline_variance: FloatArray
    enough: BoolArray
    units: FloatArray  # (slots, 2) observations per arm
    taus: FloatArray
    is_area: bool = False  # an area or a share, which is 1 at best


def compared(metric: Metric, tally: Tally) -> Compared:
    """Estimates of an estimated metric or, with sample weights, of a proportion's share of bad.

    Raises:
        MetricFailedError: the metric's code raised, or its estimates are impossible.
    """
    measure = metric.measure
    assert not isinstance(measure, Shift)
    if not is_read(metric, tally):
        nothing = np.full(len(tally.counts), np.nan)
        none = np.zeros((len(tally.counts), 2))
        return Compared(nothing, nothing, nothing, nothing, np.zeros(len(nothing), dtype=np.bool_), none, np.ones(1))
    arms = with_both_arms(tally)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        found = measure.estimate(arms) if isinstance(measure, Estimated) else weighted(measure, arms)
        spread, units = np.broadcast_arrays(found.spread, found.units)
        pooled = spread[:, _POOLED]
        variances = [(np.maximum(spread[:, arm], pooled) / units[:, arm]).sum(axis=-1) for arm in (CANDIDATE, BASELINE)]
        deviation = np.sqrt(pooled.sum(axis=-1))
    taus = measure.taus if isinstance(measure, Estimated) else None
    return Compared(
        candidate=found.value[:, CANDIDATE],
        baseline=found.value[:, BASELINE],
        candidate_variance=variances[0],
        baseline_variance=variances[1],
        enough=found.enough[:, CANDIDATE] & found.enough[:, BASELINE],
        units=np.nan_to_num(units[:, :_POOLED].sum(axis=-1), posinf=0.0, neginf=0.0),
        taus=np.array(taus) if taus is not None else np.multiply.outer(np.array(_SHARES), deviation),
        is_area=taus is not None,
    )


def expected_variance(
    metric: Metric, tally: Tally, shares: tuple[float, float]
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Value and variances (candidate, baseline) of a tally of both arms pooled, shape (slots,).

    `shares` is the expected number of observations of each arm, divided by the tally's. NaN with too few observations.
    """
    measure = metric.measure
    assert not isinstance(measure, Shift)
    if not is_read(metric, tally):
        nothing = np.full(len(tally.counts), np.nan)
        return nothing, nothing, nothing
    arms = with_both_arms(tally)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        found = measure.estimate(arms) if isinstance(measure, Estimated) else weighted(measure, arms)
        spread, units = np.broadcast_arrays(found.spread, found.units)
        one = (spread[:, _POOLED] / units[:, _POOLED]).sum(axis=-1)
        enough = found.enough[:, _POOLED]
        candidate, baseline = (np.where(enough, one / share, np.nan) for share in shares)
    return np.where(enough, found.value[:, _POOLED], np.nan), candidate, baseline


def worse_sign(metric: Metric) -> int:
    """1 where a larger estimate is worse, −1 where a smaller one is; shares of bad are always worse when larger."""
    return -1 if isinstance(metric.measure, Estimated) and metric.direction == "HigherIsBetter" else 1
