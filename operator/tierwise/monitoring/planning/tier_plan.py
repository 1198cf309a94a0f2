"""The plan of a tier, which is fixed before its first block: slices, weights, margins, what is powered."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

import numpy as np

from tierwise.api.common import Margin
from tierwise.api.frozen import JudgedDimension
from tierwise.api.modeldeployment import DatasetAnalysis, Expectation, MetricSpec
from tierwise.api.monitoringdataset import MonitoringDatasetSpec
from tierwise.api.reasons import Reason
from tierwise.api.slices import slice_key
from tierwise.arrays import BoolArray, FloatArray, IntArray
from tierwise.errors import PlanError
from tierwise.metrics import registry
from tierwise.metrics.metric import Metric, Shift
from tierwise.monitoring.counts.measures import Engine, engine_of, metric_for
from tierwise.monitoring.counts.model import Cells, Dataset
from tierwise.monitoring.planning import power as powering
from tierwise.monitoring.planning.bounds import tolerance_of
from tierwise.monitoring.planning.dispersion import Spread, pods_are_counted
from tierwise.monitoring.planning.expectations import impossible, is_ignored, range_width, ranges, wished_slices
from tierwise.monitoring.planning.history import past_of, reserved_slots
from tierwise.monitoring.planning.judged import JudgedMetric, dimensions_of
from tierwise.monitoring.planning.power import absolute_gap, presence_tolerance
from tierwise.monitoring.planning.required_reads import known_metric
from tierwise.monitoring.planning.scatter import candidate_pods, scatter_of
from tierwise.stats.betting import LateOnset
from tierwise.stats.overdispersion import PodSpread, pods_apart

__all__ = [
    "DatasetPlan",
    "MetricPlan",
    "PlanError",
    "TierPlan",
    "absolute_gap",
    "alpha_of_tier",
    "groupings_of",
    "metric_plan",
    "plan_tier",
]


COPY_SECONDS = 3600.0  # the time over which bets begin is rounded up to these; a copy of an estimate begins each
VERIFICATION_SHARE = 0.1  # of α, kept for watching delivered tiers


@dataclass(frozen=True, slots=True)
class MetricPlan:
    """A metric with the margin it must keep and the tolerance beyond which it is a regression."""

    name: str
    margin: Margin
    tolerance: Margin


@dataclass(frozen=True, slots=True, eq=False)
class DatasetPlan:
    """What is judged on one dataset. `slices` has the whole (``""``) first, then slices known at the start.

    `prior_rates` (p0 of the rate of `bad`, 0 where there is none) and `powered` are of shape (metrics, slices);
    `reserved_slots` more slices may join later. `phi` is (metrics, slices + 1), the last for reserved slots, and so is
    `apart`, how far the arms may differ without a difference of versions (log-odds, or the unit of an estimate);
    `sigma_pod` (metrics,) is NaN where it is not known, `pods` how many served the baseline when it was learned, 0 when
    it was not; `pod_degrees` (metrics,) are the degrees of freedom of `sigma_pod`. `points` are, per metric, the edges
    of bins that a shift is judged at. `presence_tolerance` is how much the arms may
    differ in the share of labelled rows. `dimensions` say what is judged on its own, by each way of slicing.
    """

    dataset: Dataset
    metrics: tuple[MetricPlan, ...]
    expect: tuple[Expectation, ...]
    slices: tuple[str, ...]
    reserved_slots: int
    prior_rates: FloatArray
    powered: BoolArray
    phi: FloatArray
    sigma_pod: FloatArray
    apart: FloatArray
    phi_split: float
    presence_tolerance: float
    pods: int
    pod_degrees: IntArray
    points: tuple[tuple[int, ...], ...]
    dimensions: tuple[JudgedDimension, ...] = ()

    @property
    def slots(self) -> int:
        """The number of slots: slices known at the start and reserved slots."""
        return len(self.slices) + self.reserved_slots

    def metric(self, row: int) -> Metric:
        """The metric of a row, with the threshold of the dataset."""
        return metric_for(self.metrics[row].name, self.dataset.spec)

    def engine(self, row: int) -> Engine:
        """The test of the metric in a row."""
        return engine_of(self.metric(row), self.dataset.reads)

    def pod_bound(self, row: int) -> float:
        """By how many log-odds one pod may differ from another version's mean; infinite where that is not known.

        0 where the log does not name pods, or where they are not counted for the metric: rows are taken as they come.
        """
        known = PodSpread(float(self.sigma_pod[row]), int(self.pod_degrees[row]))
        names_pods = self.dataset.spec.columns.pod is not None and pods_are_counted(
            registry.get(self.metrics[row].name)
        )
        return known.bound if names_pods or math.isfinite(known.sigma) else 0.0

    def pod_bias(self, row: int, exposure: float) -> float:
        """By how many log-odds the versions may differ by their pods, as many as the exposure asks for beside them."""
        bound = self.pod_bound(row)
        return bound * pods_apart(self.pods, candidate_pods(self.pods, exposure)) if 0 < bound < math.inf else 0.0


@dataclass(frozen=True, slots=True, eq=False)
class TierPlan:
    """The frozen plan of a tier: α, hypotheses, and over which time bets and copies of estimates begin."""

    alpha: float
    datasets: tuple[DatasetPlan, ...]
    copies: int
    copy_seconds: float
    first_block_start: datetime | None = None  # None: the start of the first block folded

    @property
    def late_onset(self) -> LateOnset:
        """When the bets begin: over all of the tier's time, or at once where that is an hour or less."""
        return LateOnset(self.copies * self.copy_seconds if self.copies > 1 else 0.0)

    @property
    def hypotheses(self) -> int:
        """K: slices x metrics over all datasets, reserved slots included."""
        return sum(len(d.metrics) * d.slots for d in self.datasets)


def alpha_of_tier(analysis_alpha: float, tiers: int) -> float:
    """A tier's share of the rollout's false rollback rate. A tenth of that rate is reserved for verification."""
    return round((1 - VERIFICATION_SHARE) * analysis_alpha / tiers, 12)


def groupings_of(analysis: DatasetAnalysis, spec: MonitoringDatasetSpec) -> tuple[tuple[str, ...], ...]:
    """The combinations of dimensions to slice by, each sorted by name, without duplicates.

    It also checks metrics and expectations.

    Raises:
        PlanError: a dimension, a metric or an expectation does not exist; it lists the existing ones.
    """
    known = [d.name for d in spec.dimensions]
    for metric in analysis.metrics:
        metric_plan(analysis.name, metric)
    wanted = known if analysis.slices is None else analysis.slices
    groupings = dict.fromkeys(tuple(sorted({part.strip() for part in item.split(",")})) for item in wanted)
    for dimension in [*(d for g in groupings for d in g), *(d for e in analysis.expect for d in e.slice)]:
        if dimension not in known:
            raise PlanError(
                f"dataset {analysis.name!r}: dimension {dimension!r} does not exist",
                f"use one of {', '.join(known) or '(none)'} or add it to spec.dimensions of the MonitoringDataset",
                reason=Reason.UNKNOWN_DIMENSION,
            )
    judged = [m.name for m in analysis.metrics]
    for index, expectation in enumerate(analysis.expect):
        if expectation.metric not in judged:
            raise PlanError(
                f"dataset {analysis.name!r}: an expectation names metric {expectation.metric!r}, which is not judged",
                f"use one of {', '.join(judged)}",
                reason=Reason.UNKNOWN_METRIC,
            )
        problem = impossible(analysis.expect, index, known_metric(analysis.name, expectation.metric))
        if problem is not None:
            raise PlanError(f"dataset {analysis.name!r}: {problem[0]}", problem[1], reason=Reason.INVALID_SPEC)
        combination = tuple(sorted(expectation.slice))
        if expectation.change != "Ignore" and combination not in groupings:
            raise PlanError(
                f"dataset {analysis.name!r}: {expectation.metric} is expected to change on "
                f"{slice_key(expectation.slice)}, and {', '.join(combination)} is not sliced by",
                f"add {','.join(combination)!r} to slices",
                reason=Reason.UNKNOWN_DIMENSION,
            )
    return tuple(groupings)


@dataclass(frozen=True, slots=True)
class TierTerms:
    """The terms of a tier: its α, and how much traffic it is expected to have until `max_duration_seconds`.

    `expected_share` is the expected number of rows of both arms, as a share of the rows of the history. The candidate
    gets `candidate_share` of them.
    """

    alpha: float
    expected_share: float
    candidate_share: float
    max_duration_seconds: float

    @property
    def shares(self) -> tuple[float, float]:
        """How many times the history's rows the candidate and the baseline are expected to have."""
        return self.expected_share * self.candidate_share, self.expected_share * (1 - self.candidate_share)


def plan_tier(
    analysis: Sequence[DatasetAnalysis],
    datasets: Mapping[str, Dataset],
    history: Mapping[str, Cells],
    terms: TierTerms,
    spread: Mapping[str, Spread] = MappingProxyType({}),
) -> TierPlan:
    """Fix the judgement of a tier.

    `history` are counts of a window, per dataset: before the rollout, or for a recorded comparison the window itself. A
    dataset without history has only the whole and reserved slots. A dataset without `spread` has φ = 1 and no σ_pod,
    and verdicts say so.

    Raises:
        MetricFailedError: a metric's code failed on the history.
    """
    plans = tuple(
        _plan_dataset(item, datasets[item.name], history.get(item.name), terms, spread.get(item.name))
        for item in analysis
    )
    copies = max(1, math.ceil(terms.max_duration_seconds / COPY_SECONDS))
    return TierPlan(alpha=terms.alpha, datasets=plans, copies=copies, copy_seconds=COPY_SECONDS)


def metric_plan(dataset: str, spec: MetricSpec) -> MetricPlan:
    """A metric with its margin and tolerance.

    Raises:
        PlanError: it does not exist.
    """
    known_metric(dataset, spec.name)
    return MetricPlan(name=spec.name, margin=spec.margin, tolerance=tolerance_of(spec))


def _plan_dataset(
    analysis: DatasetAnalysis,
    dataset: Dataset,
    history: Cells | None,
    terms: TierTerms,
    spread: Spread | None,
) -> DatasetPlan:
    shares = terms.shares
    metrics = tuple(metric_plan(analysis.name, m) for m in analysis.metrics)
    past = past_of(dataset, history, wished_slices(analysis.expect))
    noise = scatter_of(spread, past.slices, len(metrics), shares)
    priors, powered, points, judged = [], [], [], []
    for row, plan in enumerate(metrics):
        metric = metric_for(plan.name, dataset.spec)
        halves = {slot: range_width(wish) / 2 for slot, wish in ranges(analysis.expect, plan.name, past.slices).items()}
        ignored = np.array([is_ignored(analysis.expect, plan.name, key) for key in past.slices])
        allowed = powering.Allowed(plan.margin, halves, noise.apart[row, :-1], noise.pods_apart(row, shares))
        known = powering.of_metric(metric, dataset, past, allowed, shares, noise.phi[row, :-1])
        priors.append(known.prior)
        powered.append(known.powered & ~ignored)
        points.append(known.points)
        judged.append(
            JudgedMetric(
                name=plan.name,
                margin=plan.margin,
                promotes=not isinstance(metric.measure, Shift),
                powered=powered[-1],
                times=np.where(ignored, np.inf, known.times),
                margin_needed=known.margin,
                rate=known.rate,
                is_range=np.isin(np.arange(len(past.slices)), list(halves)),
            )
        )
    rows = past.window.counts.sum(axis=(1, 2, 3)).astype(np.float64)
    return DatasetPlan(
        dataset=dataset,
        metrics=metrics,
        expect=tuple(analysis.expect),
        slices=past.slices,
        reserved_slots=reserved_slots(dataset, past.seen),
        prior_rates=np.stack(priors),
        powered=np.stack(powered),
        phi=noise.phi,
        sigma_pod=noise.sigma_pod,
        apart=noise.apart,
        phi_split=noise.phi_split,
        presence_tolerance=presence_tolerance(dataset, past, {metric.name: metric.tolerance for metric in metrics}),
        pods=noise.pods,
        pod_degrees=noise.pod_degrees,
        points=tuple(points),
        dimensions=dimensions_of(dataset.groupings, past.slices, rows, judged, terms.max_duration_seconds),
    )
