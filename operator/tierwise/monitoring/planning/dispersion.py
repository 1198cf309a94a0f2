"""Learns the spread from the baseline's past: its pods in two halves are compared like two versions. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tierwise.api.monitoringdataset import MonitoringDatasetSpec
from tierwise.arrays import FloatArray
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

    `phi` (metrics, slices) is 1 if nothing could be learned; `slices` names its columns. `sigma_pod` (metrics,) is NaN
    if it is not known. `pods` is the number of the baseline's pods, 0 if the log does not name them.
    """

    slices: tuple[str, ...]
    phi: FloatArray
    sigma_pod: FloatArray
    phi_split: float
    pods: int

    def phi_for(self, keys: Sequence[str]) -> FloatArray:
        """φ (metrics, keys). A slice that was not in the past gets the largest φ of its metric."""
        position = {key: i for i, key in enumerate(self.slices)}
        at = np.array([position.get(key, -1) for key in keys])
        most = self.phi.max(axis=1, keepdims=True, initial=1.0)
        found = self.phi[:, np.maximum(at, 0)] if self.phi.shape[1] else np.repeat(most, len(at), axis=1)
        return np.where(at >= 0, found, most)


def thresholds_of(spec: MonitoringDatasetSpec, metrics: Sequence[str]) -> tuple[float, ...]:
    """The thresholds at which the metrics read answers. Pods are counted at each of them."""
    return tuple(dict.fromkeys([spec.threshold, *(spec.threshold_of(name) for name in metrics)]))


def spread_of(dataset: Dataset, halves: Cells, pods: Mapping[float, PodCounts], metrics: Sequence[str]) -> Spread:
    """The spread of a dataset's metrics from 30-minute blocks of its past, each at its own threshold.

    `halves` are the baseline's rows with half of its pods in either arm. `pods` are the rows of the same time by pod,
    with the answers at each threshold of `thresholds_of`; it is empty if the log does not name pods.
    """
    phi = np.ones((len(metrics), len(halves.slices)))
    sigma = np.full(len(metrics), np.nan)
    tally = block_tally(dataset, halves, slice(None))
    for row, name in enumerate(metrics):
        if len(halves.slices):
            phi[row] = _phi(metric_for(name, dataset.spec), tally)
        metric, counts = registry.get(name), pods.get(dataset.spec.threshold_of(name))
        if counts is not None and isinstance(metric.measure, Proportion) and _is_of_answers(metric):
            n, bad = metric.n_bad(counts.counts)
            sigma[row] = overdispersion.sigma_pod(n.astype(np.float64), bad.astype(np.float64))
    rows = halves.counts[:, :1].sum(axis=(-1, -2))[:, 0] if len(halves.slices) else np.zeros((0, 2))
    return Spread(
        slices=halves.slices,
        phi=phi,
        sigma_pod=sigma,
        phi_split=overdispersion.phi_split(rows[:, CANDIDATE].astype(np.float64), rows.sum(axis=1).astype(np.float64)),
        pods=max((len(found.pods) for found in pods.values()), default=0),
    )


def _is_of_answers(metric: Metric) -> bool:
    """Whether the metric needs only counts by label and answer. Nothing else is read by pod."""
    return not metric.needs.sums and not metric.needs.bins


def _phi(metric: Metric, tally: Tally) -> FloatArray:
    """φ by slice of a tally (blocks, slices, 2 halves)."""
    measure, slices = metric.measure, tally.counts.shape[1]
    if isinstance(measure, Shift) or not is_read(metric, tally):
        return np.ones(slices)
    if isinstance(measure, Estimated) or tally.weights is not None:
        with np.errstate(divide="ignore", invalid="ignore"):
            found = measure.estimate(tally) if isinstance(measure, Estimated) else weighted(measure, tally)
        value, variance = found.value, np.where(found.enough, found.variance, np.nan)
        # Without a rate there is no size, so no common fit over the slices.
        difference = value[..., CANDIDATE] - value[..., BASELINE]
        total = variance[..., CANDIDATE] + variance[..., BASELINE]
        return overdispersion.phi_of(np.where(np.isfinite(total), difference, np.nan), total, np.zeros_like(total))
    n, bad = (x.astype(np.float64) for x in counted(metric, tally))
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
