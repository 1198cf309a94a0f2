"""What the baseline's own past says of scatter: its pods in two halves, compared as if they were two versions. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tierwise.api.monitoringdataset import MonitoringDatasetSpec
from tierwise.arrays import FloatArray, IntArray
from tierwise.metrics import registry
from tierwise.metrics.metric import Estimated, Metric, Proportion, Shift
from tierwise.metrics.tally import Tally
from tierwise.metrics.weighted import weighted
from tierwise.monitoring.counts.measures import counted, is_read, metric_for
from tierwise.monitoring.counts.model import BASELINE, CANDIDATE, Cells, Dataset, PodCounts
from tierwise.monitoring.counts.tallies import block_tally
from tierwise.stats import overdispersion
from tierwise.stats.betting import MIN_BLOCK


@dataclass(frozen=True, slots=True, eq=False)
class Spread:
    """Overdispersion of one dataset.

    `phi` (metrics, slices) is 1 where nothing could be learned; `slices` names its columns. `sigma_pod` (metrics,) is
    NaN where it is not known; `degrees` (metrics,) are the degrees of freedom that it is known from. `pods` is how many
    served the baseline, 0 when the log does not say.
    """

    slices: tuple[str, ...]
    phi: FloatArray
    sigma_pod: FloatArray
    phi_split: float
    pods: int
    degrees: IntArray

    def phi_for(self, keys: Sequence[str]) -> FloatArray:
        """φ (metrics, keys); a slice that the past did not hold has the largest of its metric, as nothing is known."""
        position = {key: i for i, key in enumerate(self.slices)}
        at = np.array([position.get(key, -1) for key in keys])
        most = self.phi.max(axis=1, keepdims=True, initial=1.0)
        found = self.phi[:, np.maximum(at, 0)] if self.phi.shape[1] else np.repeat(most, len(at), axis=1)
        return np.where(at >= 0, found, most)


def thresholds_of(spec: MonitoringDatasetSpec, metrics: Sequence[str]) -> tuple[float, ...]:
    """The thresholds at which the metrics' answers are read: pods are counted at each of them."""
    return tuple(dict.fromkeys([spec.threshold, *(spec.threshold_of(name) for name in metrics)]))


PodsByTier = Sequence[Mapping[float, PodCounts]]
"""Tier by tier: rows by pod with the answers at each threshold (`thresholds_of`)."""


def spread_of(dataset: Dataset, halves: Cells, pods: PodsByTier, metrics: Sequence[str], served: int) -> Spread:
    """The spread of a dataset's metrics from 30-minute blocks of its past, each at its own threshold.

    `halves` are the baseline's rows with half of its pods in either arm; `pods` the same time's rows by pod, empty
    where the log does not name them; `served` how many of them serve what is judged. How much pods differ is learned
    within every tier and pooled, as a tier has few of them.
    """
    phi = np.ones((len(metrics), len(halves.slices)))
    sigma, degrees = np.full(len(metrics), np.nan), np.zeros(len(metrics), dtype=np.int64)
    tally = block_tally(dataset, halves, slice(None))
    for row, name in enumerate(metrics):
        if len(halves.slices):
            phi[row] = _phi_of_scales(metric_for(name, dataset.spec), tally)
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
    )


def pods_are_counted(metric: Metric) -> bool:
    """Whether σ of pods can be learned: a proportion of counts by label and answer, as nothing else is read of pods."""
    return isinstance(metric.measure, Proportion) and not metric.needs.sums and not metric.needs.bins


def _phi_of_scales(metric: Metric, tally: Tally) -> FloatArray:
    """φ by slice of half hours (blocks, slices, 2 halves): the largest of that of half hours, two hours and eight."""
    found = []
    for scale in overdispersion.SCALES:
        if scale == 1 or len(tally.counts) >= overdispersion.MIN_BLOCKS * scale:
            joined = _joined(tally, scale)
            in_both = (joined.counts[:, 0].sum(axis=(-1, -2)) > 0).all(axis=-1)
            found.append((_phi(metric, joined), int(in_both.sum())))
    return overdispersion.largest_of_scales(found)


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
    measure, slices = metric.measure, tally.counts.shape[1]
    if isinstance(measure, Shift) or not is_read(metric, tally):
        return np.ones(slices)
    if isinstance(measure, Estimated) or tally.weights is not None:
        with np.errstate(divide="ignore", invalid="ignore"):
            found = measure.estimate(tally) if isinstance(measure, Estimated) else weighted(measure, tally)
        value, variance = found.value, np.where(found.enough, found.variance, np.nan)
        # Without a rate there is no size by which slices could lend each other strength.
        difference = value[..., CANDIDATE] - value[..., BASELINE]
        total = variance[..., CANDIDATE] + variance[..., BASELINE]
        return overdispersion.phi_of(np.where(np.isfinite(total), difference, np.nan), total, np.zeros_like(total))
    n, bad = (x.astype(np.float64) for x in counted(metric, tally))
    na, nb, total_n = n[..., CANDIDATE], n[..., BASELINE], n.sum(axis=-1)
    enough = (na >= MIN_BLOCK) & (nb >= MIN_BLOCK)
    with np.errstate(divide="ignore", invalid="ignore"):
        # The rate of all history: a block's own would make blocks without errors look as if they could not vary.
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
