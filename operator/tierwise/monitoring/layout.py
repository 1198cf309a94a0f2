"""All hypotheses of a tier as flat arrays: dataset by dataset, metric by metric, slot by slot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tierwise.api.common import Margin
from tierwise.api.slices import WHOLE
from tierwise.metrics import registry
from tierwise.monitoring.cells import BASELINE, CANDIDATE, FloatArray, IntArray
from tierwise.monitoring.plan import DatasetPlan, TierPlan, is_ignored
from tierwise.stats.multiplicity import level_weights

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """Constants per hypothesis, shape (K,). Hypothesis (dataset d, metric m, slot s) is `offsets[d] + m·slots + s`."""

    offsets: tuple[int, ...]
    prior: FloatArray
    tolerance_ratio: FloatArray
    tolerance_delta: FloatArray
    margin_ratio: FloatArray
    margin_delta: FloatArray
    log_weight: FloatArray
    powered: BoolArray

    @property
    def size(self) -> int:
        """K."""
        return len(self.prior)


def layout_of(plan: TierPlan) -> Layout:
    """The flat constants of a plan; a slot that nobody has taken yet has the whole's prior rate."""
    offsets, parts = [], []
    offset = 0
    for dataset in plan.datasets:
        offsets.append(offset)
        offset += len(dataset.metrics) * dataset.slots
        parts.append(_dataset_columns(dataset))
    columns = np.concatenate(parts, axis=1) if parts else np.zeros((7, 0))
    prior, tolerance_ratio, tolerance_delta, margin_ratio, margin_delta, log_weight, powered = columns
    return Layout(
        offsets=tuple(offsets),
        prior=prior,
        tolerance_ratio=tolerance_ratio,
        tolerance_delta=tolerance_delta,
        margin_ratio=margin_ratio,
        margin_delta=margin_delta,
        log_weight=log_weight,
        powered=powered > 0,
    )


def ignored(dataset: DatasetPlan, slots: Sequence[str]) -> BoolArray:
    """Which hypotheses of a dataset a known change takes out of the decision, shape (metrics, slots)."""
    return np.array(
        [
            [is_ignored(dataset.expect, metric.name, key) for key in slots] + [False] * (dataset.slots - len(slots))
            for metric in dataset.metrics
        ]
    )


def hypothesis_counts(dataset: DatasetPlan, counts: IntArray) -> FloatArray:
    """Counts (slots, 2 arms, 3, 3) as (4, metrics·slots): candidate n, bad, baseline n, bad."""
    out = np.empty((4, len(dataset.metrics), counts.shape[0]))
    for row, metric in enumerate(dataset.metrics):
        n, bad = registry.get(metric.name).n_bad(counts)
        out[:, row] = n[:, CANDIDATE], bad[:, CANDIDATE], n[:, BASELINE], bad[:, BASELINE]
    return out.reshape(4, -1)


def _dataset_columns(dataset: DatasetPlan) -> FloatArray:
    levels = np.array([0 if key == WHOLE else key.count("=") for key in dataset.slices])
    log_weight = np.log(level_weights(levels, dataset.reserved_slots))
    out = np.empty((7, len(dataset.metrics), dataset.slots))
    known = len(dataset.slices)
    for row, metric in enumerate(dataset.metrics):
        out[0, row, :known] = dataset.prior_rates[row]
        out[0, row, known:] = dataset.prior_rates[row, 0]
        out[1, row], out[2, row] = _null(metric.tolerance)
        out[3, row], out[4, row] = _null(metric.margin)
        out[5, row] = log_weight
        out[6, row, :known] = dataset.powered[row]
        out[6, row, known:] = 0
    return out.reshape(7, -1)


def _null(margin: Margin) -> tuple[float, float]:
    """(R, Δ) of a margin."""
    return 1 + (margin.relative or 0.0), margin.absolute or 0.0
