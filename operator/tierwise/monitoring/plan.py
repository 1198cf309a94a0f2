"""What the judgement of a tier fixes before its first block: slices, weights, margins, what is powered."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt

from tierwise.api.common import Margin
from tierwise.api.modeldeployment import DatasetAnalysis, Expectation, MetricSpec
from tierwise.api.modelrollout import Frozen, FrozenDataset
from tierwise.api.monitoringdataset import MonitoringDatasetSpec
from tierwise.api.names import Reason
from tierwise.api.slices import parse_slice_key
from tierwise.metrics import registry
from tierwise.monitoring.cells import BASELINE, Cells, Dataset, FloatArray
from tierwise.monitoring.history import reserved_slots, seen_before
from tierwise.stats import power

BoolArray = npt.NDArray[np.bool_]

COPY_SECONDS = 3600.0  # a late-onset copy of every e-process begins each hour
DEFAULT_RATE = 0.05  # p0 without history
VERIFICATION_SHARE = 0.1  # of α, kept for watching delivered tiers


class PlanError(ValueError):
    """An analysis that cannot be planned: a person must change an object."""

    def __init__(self, message: str, remedy: str, *, reason: Reason) -> None:
        super().__init__(f"{message}; {remedy}")
        self.message = message
        self.remedy = remedy
        self.reason = reason


@dataclass(frozen=True, slots=True)
class MetricPlan:
    """A metric with the margin it must keep and the tolerance beyond which it is a regression."""

    name: str
    margin: Margin
    tolerance: Margin


@dataclass(frozen=True, slots=True, eq=False)
class DatasetPlan:
    """What is judged on one dataset. `slices` holds the whole (``""``) first, then slices known at the start.

    `prior_rates` (p0 of the rate of `bad`) and `powered` are of shape (metrics, slices); `reserved_slots` more slices
    may join later.
    """

    dataset: Dataset
    metrics: tuple[MetricPlan, ...]
    expect: tuple[Expectation, ...]
    slices: tuple[str, ...]
    reserved_slots: int
    prior_rates: FloatArray
    powered: BoolArray

    @property
    def slots(self) -> int:
        """Slices known at the start and slots for those that come later."""
        return len(self.slices) + self.reserved_slots


@dataclass(frozen=True, slots=True, eq=False)
class TierPlan:
    """The frozen plan of a tier: α, hypotheses and when late-onset copies begin."""

    alpha: float
    datasets: tuple[DatasetPlan, ...]
    copies: int
    copy_seconds: float
    first_block_start: datetime | None = None  # None: the start of the first block folded

    @property
    def hypotheses(self) -> int:
        """K: slices x metrics over all datasets, reserved slots included."""
        return sum(len(d.metrics) * d.slots for d in self.datasets)


def alpha_of_tier(analysis_alpha: float, tiers: int) -> float:
    """A tier's share of the rollout's false rollback rate; a tenth is kept for verification after the rollout."""
    return round((1 - VERIFICATION_SHARE) * analysis_alpha / tiers, 12)


def groupings_of(analysis: DatasetAnalysis, spec: MonitoringDatasetSpec) -> tuple[tuple[str, ...], ...]:
    """Dimension combinations to slice by, each sorted by name, without duplicates; checks metrics and expectations too.

    Raises:
        PlanError: a dimension, a metric or an expectation that does not exist, naming those that do.
    """
    known = [d.name for d in spec.dimensions]
    for metric in analysis.metrics:
        _metric_plan(analysis.name, metric)
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
    for expectation in analysis.expect:
        if expectation.metric not in judged:
            raise PlanError(
                f"dataset {analysis.name!r}: an expectation names metric {expectation.metric!r}, which is not judged",
                f"use one of {', '.join(judged)}",
                reason=Reason.UNKNOWN_METRIC,
            )
    return tuple(groupings)


def plan_tier(
    analysis: Sequence[DatasetAnalysis],
    datasets: Mapping[str, Dataset],
    history: Mapping[str, Cells],
    *,
    alpha_tier: float,
    expected_share: float,
    candidate_share: float,
    max_duration_seconds: float,
) -> TierPlan:
    """Fix the judgement of a tier.

    `history` are counts of a window, per dataset: before the rollout, or for a recorded comparison the window itself.
    `expected_share` is how many rows are expected until maxDuration, of both arms, as a share of that window's rows;
    `candidate_share` of them go to the candidate. A dataset without history has only the whole and reserved slots.
    """
    plans = tuple(
        _plan_dataset(
            item, datasets[item.name], history.get(item.name), expected=expected_share, candidate_share=candidate_share
        )
        for item in analysis
    )
    copies = max(1, math.ceil(max_duration_seconds / COPY_SECONDS))
    return TierPlan(alpha=alpha_tier, datasets=plans, copies=copies, copy_seconds=COPY_SECONDS)


def absolute_gap(margin: Margin, rate: FloatArray) -> FloatArray:
    """A margin as a difference of rates of `bad` where the baseline's is `rate`."""
    if margin.relative is not None:
        return np.asarray(margin.relative * rate, dtype=np.float64)
    return np.full_like(np.asarray(rate, dtype=np.float64), margin.absolute or 0.0)


def config_hash(dataset: Dataset) -> str:
    """Of what decides which rows are counted how: differs when a dataset was edited under a running tier."""
    text = json.dumps([dataset.spec.to_wire(), dataset.groupings], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def freeze(plan: TierPlan, at: datetime) -> Frozen:
    """The plan as status keeps it; `thaw` gives the same plan to the last bit."""
    bits = np.concatenate([d.powered.ravel() for d in plan.datasets]) if plan.datasets else np.zeros(0, dtype=np.bool_)
    return Frozen(
        at=at,
        alpha=plan.alpha,
        hypotheses=plan.hypotheses,
        copies=plan.copies,
        copy_seconds=plan.copy_seconds,
        first_block_start=plan.first_block_start,
        datasets=[
            FrozenDataset(
                name=d.dataset.name,
                config_hash=config_hash(d.dataset),
                slices=list(d.slices),
                reserved_slots=d.reserved_slots,
            )
            for d in plan.datasets
        ],
        powered=np.packbits(bits).tobytes().hex(),
        prior_rates={
            f"{d.dataset.name}/{metric.name}": d.prior_rates[i].tolist()
            for d in plan.datasets
            for i, metric in enumerate(d.metrics)
        },
    )


def thaw(frozen: Frozen, analysis: Sequence[DatasetAnalysis], datasets: Mapping[str, Dataset]) -> TierPlan:
    """The plan that `freeze` wrote, whatever has changed in the log or the datasets since."""
    by_name = {item.name: item for item in analysis}
    sizes = [len(by_name[f.name].metrics) * len(f.slices) for f in frozen.datasets]
    bits = np.unpackbits(np.frombuffer(bytes.fromhex(frozen.powered), dtype=np.uint8), count=sum(sizes)).astype(
        np.bool_
    )
    plans = []
    offset = 0
    for f, size in zip(frozen.datasets, sizes, strict=True):
        item = by_name[f.name]
        shape = (len(item.metrics), len(f.slices))
        plans.append(
            DatasetPlan(
                dataset=datasets[f.name],
                metrics=tuple(_metric_plan(item.name, m) for m in item.metrics),
                expect=tuple(item.expect),
                slices=tuple(f.slices),
                reserved_slots=f.reserved_slots,
                prior_rates=np.array([frozen.prior_rates[f"{f.name}/{m.name}"] for m in item.metrics]).reshape(shape),
                powered=bits[offset : offset + size].reshape(shape),
            )
        )
        offset += size
    return TierPlan(
        alpha=frozen.alpha,
        datasets=tuple(plans),
        copies=frozen.copies,
        copy_seconds=frozen.copy_seconds,
        first_block_start=frozen.first_block_start,
    )


def is_ignored(expect: Sequence[Expectation], metric: str, key: str) -> bool:
    """Whether a known change (``Ignore``) covers the slice: it or a part of it."""
    values = parse_slice_key(key)
    return any(
        e.change == "Ignore" and e.metric == metric and all(values.get(d) == v for d, v in e.slice.items())
        for e in expect
    )


def _metric_plan(dataset: str, spec: MetricSpec) -> MetricPlan:
    try:
        registry.get(spec.name)
    except registry.UnknownMetricError as e:
        raise PlanError(
            f"dataset {dataset!r}: metric {spec.name!r} is unknown",
            f"use one of {', '.join(registry.names())}",
            reason=Reason.UNKNOWN_METRIC,
        ) from e
    margin = spec.margin
    half = Margin(
        absolute=None if margin.absolute is None else margin.absolute / 2,
        relative=None if margin.relative is None else margin.relative / 2,
    )
    return MetricPlan(name=spec.name, margin=margin, tolerance=spec.tolerance or half)


def _plan_dataset(
    analysis: DatasetAnalysis, dataset: Dataset, history: Cells | None, *, expected: float, candidate_share: float
) -> DatasetPlan:
    metrics = tuple(_metric_plan(analysis.name, m) for m in analysis.metrics)
    slices, counts, before = seen_before(history)
    priors, powered = [], []
    for plan in metrics:
        metric = registry.get(plan.name)
        n = metric.n_bad(counts)[0].sum(axis=-1) * expected  # both arms together
        before_n, before_bad = (x.astype(np.float64) for x in metric.n_bad(before))
        whole = (before_bad[0] + 0.5) / (before_n[0] + 1) if before_n[0] > 0 else DEFAULT_RATE
        # A small slice borrows from the whole; three digits keep the status small and the round trip exact.
        rate = np.array([float(f"{r:.3g}") for r in (before_bad + 10 * whole) / (before_n + 10)])
        window_n, window_bad = (x[..., BASELINE].astype(np.float64) for x in metric.n_bad(counts))
        overall = (window_bad[0] + 0.5) / (window_n[0] + 1) if window_n[0] > 0 else DEFAULT_RATE
        usual = (window_bad + 10 * overall) / (window_n + 10)
        ignored = np.array([is_ignored(analysis.expect, plan.name, key) for key in slices])
        gap = absolute_gap(plan.margin, usual)
        strong = power.powered(n * candidate_share, n * (1 - candidate_share), usual, gap)
        priors.append(rate)
        powered.append(strong & ~ignored)
    return DatasetPlan(
        dataset=dataset,
        metrics=metrics,
        expect=tuple(analysis.expect),
        slices=slices,
        reserved_slots=reserved_slots(dataset, len(slices)),
        prior_rates=np.stack(priors),
        powered=np.stack(powered),
    )
