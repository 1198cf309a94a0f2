"""All hypotheses of a tier as flat arrays: dataset by dataset, metric by metric, slot by slot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tierwise.api.slices import WHOLE
from tierwise.arrays import BoolArray, FloatArray
from tierwise.monitoring.evidence.betting import Group, LaneBounds, Lanes
from tierwise.monitoring.evidence.mixture import Estimates
from tierwise.monitoring.planning.bounds import Bounds, bounds_of
from tierwise.monitoring.planning.expectations import ignored_slots, range_width, ranges
from tierwise.monitoring.planning.tier_plan import DatasetPlan, TierPlan
from tierwise.stats.betting import Boundary
from tierwise.stats.multiplicity import level_weights


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """Constants per hypothesis, shape (K,). Hypothesis (dataset d, metric m, slot s) is `offsets[d] + m·slots + s`.

    `estimates` and `lanes` say how each metric's hypotheses are tested; `promotes` is False where promotion does not
    ask (a shift). `decides` is False where the evidence is shown but rolls nothing back: how much the pods differ by
    themselves is not known. `sigma_pod` is 0 where it is not known; `pod_bound` is how far one pod may be from the mean
    of the other version's, in log-odds, 0 where that is not known. `apart` is how far the arms may differ without a
    difference of versions, in log-odds, or where `is_value` in the unit of an estimate.
    """

    offsets: tuple[int, ...]
    prior: FloatArray
    tolerance: Bounds
    margin: Bounds
    gap: FloatArray  # distance inside the range in which a slice must stay; NaN without a range
    log_weight: FloatArray
    powered: BoolArray
    promotes: BoolArray
    decides: BoolArray
    phi: FloatArray
    sigma_pod: FloatArray
    pod_bound: FloatArray
    apart: FloatArray
    is_value: BoolArray
    lanes: Lanes
    estimates: tuple[Estimates, ...]

    @property
    def size(self) -> int:
        """K."""
        return len(self.prior)


def layout_of(plan: TierPlan) -> Layout:
    """The flat constants of a plan. A slot without a slice has the prior rate of the whole."""
    offsets, columns, tolerances, margins = [], [], [], []
    offset = 0
    for dataset in plan.datasets:
        offsets.append(offset)
        offset += len(dataset.metrics) * dataset.slots
        for row, metric in enumerate(dataset.metrics):
            columns.append(_metric_columns(dataset, row))
            measured, how = dataset.metric(row), dataset.engine(row)
            wanted = ranges(dataset.expect, metric.name, dataset.slices)
            tolerances.append(bounds_of(measured, metric.tolerance, how, wanted, dataset.slots))
            margins.append(bounds_of(measured, metric.margin, how, wanted, dataset.slots))
    flat = np.concatenate(columns, axis=1) if columns else np.zeros((10, 0))
    prior, gap, log_weight, powered, promotes, phi, sigma_pod, pod_bound, apart, is_value = flat
    tolerance, margin = Bounds.joined(tolerances), Bounds.joined(margins)
    lanes, estimates = _engines(plan, tuple(offsets), _Rates(prior, gap, phi), tolerance)
    return Layout(
        offsets=tuple(offsets),
        prior=prior,
        tolerance=tolerance,
        margin=margin,
        gap=gap,
        log_weight=log_weight,
        powered=powered > 0,
        promotes=promotes > 0,
        decides=np.isfinite(pod_bound) & (is_value >= 0),
        phi=phi,
        sigma_pod=sigma_pod,
        pod_bound=np.where(np.isfinite(pod_bound), pod_bound, 0.0),
        apart=apart,
        is_value=is_value > 0,
        lanes=lanes,
        estimates=estimates,
    )


def ignored(dataset: DatasetPlan, slots: Sequence[str]) -> BoolArray:
    """Which hypotheses of a dataset are left out of the decision because of a known change, shape (metrics, slots).

    If a slice has a wanted range, a part of it that is first seen after the start has no range of its own. It is left
    out, too.
    """
    empty = [False] * (dataset.slots - len(slots))
    return np.array(
        [
            ignored_slots(dataset.expect, metric.name, slots, known=len(dataset.slices)) + empty
            for metric in dataset.metrics
        ]
    )


def tolerance_beyond(layout: Layout, bias: FloatArray) -> Bounds:
    """The tolerance, wider by what differs without a difference of versions; `bias` (K,) of the pods in log-odds."""
    return layout.tolerance.widened(layout.prior, _log_odds(layout, bias)).moved(_values(layout))


def margin_within(layout: Layout, bias: FloatArray) -> Bounds:
    """The margin, narrower by the same."""
    return layout.margin.narrowed(layout.prior, _log_odds(layout, bias)).moved(-_values(layout))


def equal_within(layout: Layout, bias: FloatArray) -> Bounds:
    """What "better than the baseline" must be beyond."""
    return Bounds.equal(layout.size).narrowed(layout.prior, _log_odds(layout, bias)).moved(-_values(layout))


def _log_odds(layout: Layout, bias: FloatArray) -> FloatArray:
    return np.maximum(bias, np.where(layout.is_value, 0.0, layout.apart))


def _values(layout: Layout) -> FloatArray:
    return np.where(layout.is_value, layout.apart, 0.0)


def lane_bounds(layout: Layout, bias: FloatArray) -> LaneBounds:
    """What the lanes bet against, with the bias of the pods (K,): a wider tolerance and a narrower margin."""
    lanes = layout.lanes
    straight, mirrored = lanes.hypothesis[: lanes.straight], lanes.hypothesis[lanes.straight :]
    margin = margin_within(layout, bias)
    return LaneBounds(
        tolerance=Boundary(*_lane_tolerance(layout, bias)),
        margin=Boundary(
            np.concatenate([margin.ratio[straight], margin.lower_ratio[mirrored]]),
            np.concatenate([margin.delta[straight], margin.lower_delta[mirrored]]),
            lanes.gap,
        ),
        equal=Boundary(np.exp(-_log_odds(layout, bias)[straight]), np.zeros(lanes.straight)),
    )


def _lane_tolerance(layout: Layout, bias: FloatArray) -> tuple[FloatArray, FloatArray]:
    bounds = tolerance_beyond(layout, bias)
    lanes = layout.lanes
    straight, mirrored = lanes.hypothesis[: lanes.straight], lanes.hypothesis[lanes.straight :]
    ratio = [bounds.ratio[straight], bounds.lower_ratio[mirrored]]
    delta = [bounds.delta[straight], bounds.lower_delta[mirrored]]
    for group in lanes.shifts:
        assert group.at is not None
        here = slice(group.hypothesis, group.hypothesis + group.slots)
        own = layout.tolerance.part(here)
        for point in range(1, len(group.at) + 1):
            share = np.full(group.slots, point / (len(group.at) + 1))  # a shift has no rate of its own
            wide = own.widened(share, layout.apart[here])
            ratio += [wide.ratio, wide.lower_ratio]
            delta += [wide.delta, wide.lower_delta]
    return np.concatenate(ratio), np.concatenate(delta)


def _metric_columns(dataset: DatasetPlan, row: int) -> FloatArray:
    levels = np.array([0 if key == WHOLE else key.count("=") for key in dataset.slices])
    metric = dataset.metrics[row]
    known = len(dataset.slices)
    out = np.empty((10, dataset.slots))
    out[0, :known] = dataset.prior_rates[row]
    out[0, known:] = dataset.prior_rates[row, 0]
    out[1] = np.nan
    for slot, wish in ranges(dataset.expect, metric.name, dataset.slices).items():
        out[1, slot] = range_width(wish) / 2
    out[2] = np.log(level_weights(levels, dataset.reserved_slots))
    out[3, :known] = dataset.powered[row]
    out[3, known:] = 0
    out[4] = dataset.engine(row) != "shift"
    out[5, :known] = dataset.phi[row, :known]
    out[5, known:] = dataset.phi[row, known]
    sigma = dataset.sigma_pod[row]
    out[6] = sigma if np.isfinite(sigma) else 0.0
    out[7] = dataset.pod_bound(row)
    out[8, :known] = dataset.apart[row, :known]
    out[8, known:] = dataset.apart[row, known]
    # A shift without a past of its own scatter is told, and rolls nothing back.
    out[9] = -1 if dataset.engine(row) == "shift" and not dataset.pods else dataset.engine(row) == "mixture"
    return out


@dataclass(frozen=True, slots=True, eq=False)
class _Rates:
    """Per hypothesis (K,): the usual rate, the expected distance of an equal candidate, and the overdispersion."""

    prior: FloatArray
    gap: FloatArray
    phi: FloatArray


def _engines(
    plan: TierPlan, offsets: tuple[int, ...], rates: _Rates, tolerance: Bounds
) -> tuple[Lanes, tuple[Estimates, ...]]:
    prior, gap, phi = rates.prior, rates.gap, rates.phi
    proportions: list[Group] = []
    shifts: list[Group] = []
    estimates: list[Estimates] = []
    straight = 0
    for d, dataset in enumerate(plan.datasets):
        for row in range(len(dataset.metrics)):
            measured = dataset.metric(row)
            first = offsets[d] + row * dataset.slots
            match dataset.engine(row):
                case "betting":
                    proportions.append(Group(d, measured, first, straight, dataset.slots))
                    straight += dataset.slots
                case "mixture":
                    here = slice(first, first + dataset.slots)
                    estimates.append(Estimates(d, measured, first, dataset.slots, phi[here]))
                case "shift":
                    at = np.array(dataset.points[row], dtype=np.int64)
                    shifts.append(Group(d, measured, first, 0, dataset.slots, at))
    base = np.concatenate(
        [np.arange(g.hypothesis, g.hypothesis + g.slots) for g in proportions] or [np.zeros(0, dtype=np.int64)]
    )
    mirrored = np.flatnonzero(tolerance.is_two_sided[base])
    hypothesis = np.concatenate([base, base[mirrored]])
    lane_prior = [prior[base], 1 - prior[base[mirrored]]]
    lane_phi = [phi[hypothesis]]
    placed, first = [], len(hypothesis)
    for group in shifts:
        assert group.at is not None
        placed.append(Group(group.dataset, group.metric, group.hypothesis, first, group.slots, group.at))
        first += 2 * len(group.at) * group.slots
        for point in range(1, len(group.at) + 1):
            # The edges are quantiles of the past, which gives the share of rows below each edge.
            share = point / (len(group.at) + 1)
            lane_prior += [np.full(group.slots, share), np.full(group.slots, 1 - share)]
            lane_phi += [phi[group.hypothesis : group.hypothesis + group.slots]] * 2
    lanes = Lanes(
        proportions=tuple(proportions),
        shifts=tuple(placed),
        hypotheses=len(prior),
        mirrored=mirrored,
        hypothesis=hypothesis,
        prior=np.concatenate(lane_prior),
        phi=np.concatenate(lane_phi),
        gap=gap[hypothesis],
    )
    return lanes, tuple(estimates)
