"""Learns the spread from the baseline's past: its pods in two halves are compared like two versions. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tierwise.api.monitoringdataset import MonitoringDatasetSpec
from tierwise.api.slices import parse_slice_key
from tierwise.arrays import FloatArray, IntArray
from tierwise.metrics import registry
from tierwise.metrics.kinds.shift import deciles
from tierwise.metrics.metric import Estimated, Metric, Proportion, Shift
from tierwise.metrics.tally import Tally
from tierwise.metrics.weighted import weighted
from tierwise.monitoring.counts.measures import counted, is_read, metric_for
from tierwise.monitoring.counts.model import BASELINE, CANDIDATE, Cells, Dataset, PodCounts
from tierwise.monitoring.counts.tallies import block_tally
from tierwise.stats import overdispersion
from tierwise.stats.betting import MIN_BLOCK
from tierwise.stats.persistent import persistent_bound


@dataclass(frozen=True, slots=True, eq=False)
class Spread:
    """Overdispersion of one dataset.

    `phi` (metrics, slices) is 1 where nothing could be learned. `apart` (metrics, slices) is how far two halves may
    persistently differ, in log-odds or the unit of an estimate, 0 where nothing persists. `slices` names the columns of
    both. `sigma_pod` (metrics,) is NaN where it is not known; `degrees` (metrics,) are the degrees of freedom that it
    is known from. `pods` is how many served the baseline, 0 when the log does not say.
    """

    slices: tuple[str, ...]
    phi: FloatArray
    sigma_pod: FloatArray
    phi_split: float
    pods: int
    degrees: IntArray
    apart: FloatArray

    def phi_for(self, keys: Sequence[str]) -> FloatArray:
        """φ (metrics, keys); a slice that the past did not hold has the largest of its metric, as nothing is known."""
        return self._for(self.phi, keys, 1.0)

    def apart_for(self, keys: Sequence[str]) -> FloatArray:
        """`apart` (metrics, keys), likewise."""
        return self._for(self.apart, keys, 0.0)

    def _for(self, values: FloatArray, keys: Sequence[str], least: float) -> FloatArray:
        position = {key: i for i, key in enumerate(self.slices)}
        at = np.array([position.get(key, -1) for key in keys])
        most = values.max(axis=1, keepdims=True, initial=least)
        found = values[:, np.maximum(at, 0)] if values.shape[1] else np.repeat(most, len(at), axis=1)
        return np.where(at >= 0, found, most)


def thresholds_of(spec: MonitoringDatasetSpec, metrics: Sequence[str]) -> tuple[float, ...]:
    """The thresholds at which the metrics read answers. Pods are counted at each of them."""
    return tuple(dict.fromkeys([spec.threshold, *(spec.threshold_of(name) for name in metrics)]))


PodsByTier = Sequence[Mapping[float, PodCounts]]
"""Tier by tier: rows by pod with the answers at each threshold (`thresholds_of`)."""


def spread_of(dataset: Dataset, halves: Cells, pods: PodsByTier, metrics: Sequence[str], served: int) -> Spread:
    """The spread of a dataset's metrics from 30-minute blocks of its past, each at its own threshold.

    `halves` are the baseline's rows with half of its pods in either arm; `pods` the same time's rows by pod, empty
    where the log does not name them; `served` how many of them serve what is judged. How much pods differ is learned
    within every tier and pooled, as a tier has few of them.
    """
    phi, apart = np.ones((len(metrics), len(halves.slices))), np.zeros((len(metrics), len(halves.slices)))
    sigma, degrees = np.full(len(metrics), np.nan), np.zeros(len(metrics), dtype=np.int64)
    tally = block_tally(dataset, halves, slice(None))
    disjoint = max(Counter(tuple(parse_slice_key(key)) for key in halves.slices).values(), default=0)
    for row, name in enumerate(metrics):
        if len(halves.slices):
            phi[row], apart[row] = _halves_of(metric_for(name, dataset.spec), tally, disjoint)
        metric = registry.get(name)
        if pods_are_counted(metric):
            known = [found[at] for found in pods if (at := dataset.spec.threshold_of(name)) in found]
            groups = [tuple(x.astype(np.float64) for x in metric.n_bad(counts.counts)) for counts in known]
            found = overdispersion.pod_spread([(n, bad) for n, bad in groups])
            sigma[row], degrees[row] = found.sigma, found.degrees
    rows = halves.counts[:, :1].sum(axis=(-1, -2))[:, 0] if len(halves.slices) else np.zeros((0, 2))
    return Spread(
        slices=halves.slices,
        phi=phi,
        sigma_pod=sigma,
        phi_split=overdispersion.phi_split(rows[:, CANDIDATE].astype(np.float64), rows.sum(axis=1).astype(np.float64)),
        pods=served,
        degrees=degrees,
        apart=apart,
    )


def with_units(spread: Spread | None, dataset: Dataset, units: Cells, metrics: Sequence[str]) -> Spread:
    """The spread with the larger φ of the two: of pods, if there is one, and of rows that belong to units.

    `units` are one day's counts of the baseline, with buckets of units in place of blocks. Of metrics that are no share
    of rows by label and answer the φ of units is not known.
    """
    keys = units.slices if spread is None else tuple(dict.fromkeys((*spread.slices, *units.slices)))
    tally = block_tally(dataset, units, slice(None))
    phi = np.ones((len(metrics), len(units.slices)))
    for row, name in enumerate(metrics):
        metric = registry.get(name)
        if pods_are_counted(metric) and len(units.slices):
            n, bad = (x[..., BASELINE].astype(np.float64) for x in counted(metric, tally))
            phi[row] = overdispersion.phi_of_units(n, bad)
    none = np.zeros(len(metrics))
    alone = Spread(units.slices, phi, none * np.nan, 1.0, 0, none.astype(np.int64), np.zeros_like(phi))
    if spread is None:
        return alone
    both = np.maximum(spread.phi_for(keys), alone.phi_for(keys))
    return replace(spread, slices=keys, phi=both, apart=spread.apart_for(keys))


def pods_are_counted(metric: Metric) -> bool:
    """Whether σ of pods can be learned: a proportion of counts by label and answer, as nothing else is read of pods."""
    return isinstance(metric.measure, Proportion) and not metric.needs.sums and not metric.needs.bins


def _halves_of(metric: Metric, tally: Tally, disjoint: int) -> tuple[FloatArray, FloatArray]:
    """φ and `apart` by slice of half hours (blocks, slices, 2 halves). Of a shift they are the largest at any edge."""
    found = []
    for scale in overdispersion.SCALES:
        if scale == 1 or len(tally.counts) >= overdispersion.MIN_BLOCKS * scale:
            joined = _joined(tally, scale)
            in_both = (joined.counts[:, 0].sum(axis=(-1, -2)) > 0).all(axis=-1)
            found.append((_phi(metric, joined), int(in_both.sum())))
    phi = overdispersion.largest_of_scales(found)
    return phi, _apart(metric, _joined(tally, len(tally.counts)), phi, disjoint)


def _joined(tally: Tally, scale: int) -> Tally:
    """Consecutive blocks added up, `scale` at a time; the oldest ones that are too few are left out."""
    whole = len(tally.counts) // scale
    return tally.take(slice(len(tally.counts) - whole * scale, None)).map_arrays(
        lambda values, first: values.reshape(*values.shape[:first], whole, scale, *values.shape[first + 1 :]).sum(
            axis=first + 1
        )
    )


def _phi(metric: Metric, tally: Tally) -> FloatArray:
    """φ by slice of a tally (blocks, slices, 2 halves)."""
    if not is_read(metric, tally):
        return np.ones(tally.counts.shape[1])
    if isinstance(metric.measure, Shift):
        edges = [_phi_of_counts(n, bad) for n, bad in _at_edges(metric, tally)]
        return np.max(edges, axis=0) if edges else np.ones(tally.counts.shape[1])
    if isinstance(metric.measure, Estimated) or tally.weights is not None:
        difference, variance = _estimated(metric, tally)
        # Without a rate there is no size by which slices could lend each other strength.
        return overdispersion.phi_of(difference, variance, np.zeros_like(variance))
    return _phi_of_counts(*(x.astype(np.float64) for x in counted(metric, tally)))


def _apart(metric: Metric, whole: Tally, phi: FloatArray, disjoint: int) -> FloatArray:
    """How far halves (1, slices, 2) persistently differ, by slice."""
    if not is_read(metric, whole):
        return np.zeros(whole.counts.shape[1])
    if isinstance(metric.measure, Shift):
        edges = [_apart_of_counts(n[0], bad[0], phi, disjoint) for n, bad in _at_edges(metric, whole)]
        return np.max(edges, axis=0) if edges else np.zeros(whole.counts.shape[1])
    if isinstance(metric.measure, Estimated) or whole.weights is not None:
        difference, variance = (values[0] for values in _estimated(metric, whole))
        with np.errstate(divide="ignore", invalid="ignore"):
            return persistent_bound(difference, phi * variance, 1 / variance, disjoint)
    n, bad = (x[0].astype(np.float64) for x in counted(metric, whole))
    return _apart_of_counts(n, bad, phi, disjoint)


def _at_edges(metric: Metric, tally: Tally) -> list[tuple[FloatArray, FloatArray]]:
    """Rows (blocks, slices, 2 halves) and those below each edge of a shift: the deciles of all of them."""
    assert isinstance(metric.measure, Shift)
    if tally.bins is None or not tally.counts.shape[0]:
        return []
    at = deciles(tally.bins[:, 0].sum(axis=(0, 1)), metric.measure.points)
    n, below = metric.measure.count(tally, at)
    return [(n.astype(np.float64), below[..., point].astype(np.float64)) for point in range(len(at))]


def _estimated(metric: Metric, tally: Tally) -> tuple[FloatArray, FloatArray]:
    """Difference of the halves' estimates (blocks, slices) and its variance; NaN where it is not known."""
    measure = metric.measure
    assert not isinstance(measure, Shift)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = measure.estimate(tally) if isinstance(measure, Estimated) else weighted(measure, tally)
    value, variance = found.value, np.where(found.enough, found.variance, np.nan)
    total = variance[..., CANDIDATE] + variance[..., BASELINE]
    difference = value[..., CANDIDATE] - value[..., BASELINE]
    return np.where(np.isfinite(total), difference, np.nan), total


def _phi_of_counts(n: FloatArray, bad: FloatArray) -> FloatArray:
    """φ by slice of n and bad (blocks, slices, 2 halves)."""
    na, nb, total_n = n[..., CANDIDATE], n[..., BASELINE], n.sum(axis=-1)
    enough = (na >= MIN_BLOCK) & (nb >= MIN_BLOCK)
    with np.errstate(divide="ignore", invalid="ignore"):
        # Use the rate of all history. With its own rate, a block without errors would seem to have no variance.
        rate = bad.sum(axis=(0, -1)) / n.sum(axis=(0, -1))
        difference = bad[..., CANDIDATE] / na - bad[..., BASELINE] / nb
        information = na * nb / total_n
        variance = rate * (1 - rate) / information
    keep = enough & (variance > 0)
    return overdispersion.phi_of(
        np.where(keep, difference, np.nan),
        np.where(keep, variance, 0.0),
        np.where(keep, information * rate * (1 - rate), 0.0),
    )


def _apart_of_counts(n: FloatArray, bad: FloatArray, phi: FloatArray, disjoint: int) -> FloatArray:
    """How far n and bad (slices, 2 halves) of all of the past persistently differ, in log-odds."""
    wrong, good = bad + 0.5, n - bad + 0.5
    odds = np.log(wrong / good)
    variance = (1 / wrong + 1 / good).sum(axis=-1)
    enough = (bad > 0).all(axis=-1) & (n > bad).all(axis=-1)
    return persistent_bound(
        np.where(enough, odds[:, CANDIDATE] - odds[:, BASELINE], np.nan), phi * variance, 1 / variance, disjoint
    )
