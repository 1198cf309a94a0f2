"""The observed effect of every hypothesis, for all tests: counts, values, differences, intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tierwise.arrays import BoolArray, FloatArray
from tierwise.metrics.kinds.shift import psi
from tierwise.metrics.metric import Metric, Proportion
from tierwise.monitoring.counts.measures import compared, counted, worse_sign
from tierwise.monitoring.counts.model import BASELINE, CANDIDATE
from tierwise.monitoring.evidence.betting import Group
from tierwise.monitoring.evidence.fold import Evidence
from tierwise.monitoring.evidence.hypotheses import Layout, tolerance_beyond
from tierwise.monitoring.evidence.mixture import Estimates
from tierwise.monitoring.planning.bounds import PRIOR_ROWS
from tierwise.stats import intervals, mixture


@dataclass(slots=True, eq=False)
class Observed:
    """The observed values per hypothesis (K,), NaN for none; `counts` is (4, K).

    Values, difference, low and high are in the metric's own direction and unit. `tolerance` and `margin` are absolute,
    `variance` is of the difference, `spread` of one observation, `most` what no difference can exceed. `psi` is of
    shifts only. `worse` is the difference for the worse, of rates of bad or of values.
    """

    counts: FloatArray
    candidate: FloatArray
    baseline: FloatArray
    difference: FloatArray
    low: FloatArray
    high: FloatArray
    tolerance: FloatArray
    margin: FloatArray
    variance: FloatArray
    spread: FloatArray
    most: FloatArray
    psi: FloatArray
    worse: FloatArray


def observed(evidence: Evidence, exact: int) -> Observed:
    """What was observed until the last folded block.

    The `exact` proportions with the most evidence, and the whole, have intervals by the bets themselves
    (stats/intervals); the others by a normal mixture of nearly the same width. The interval of a named hypothesis
    begins at its tolerance or beyond.
    """
    layout = evidence.layout
    lanes = layout.lanes
    shown = _most_evidence(evidence, exact)
    out = Observed(*(np.full((4, layout.size) if i == 0 else layout.size, np.nan) for i in range(13)))
    out.most[:] = np.inf
    counts = evidence.bets.counts
    for group in lanes.proportions:
        _proportion(evidence, out, group, shown)
    for group in lanes.shifts:
        _shift(evidence, out, group, counts)
    for each in layout.estimates:
        _estimate(evidence, out, each)
    return out


def _most_evidence(evidence: Evidence, exact: int) -> BoolArray:
    shown = np.zeros(evidence.layout.size, dtype=np.bool_)
    if exact:
        weighted = evidence.log_regression + evidence.log_weight
        shown[np.argsort(-weighted, kind="stable")[:exact]] = True
        for offset, plan in zip(evidence.layout.offsets, evidence.plan.datasets, strict=True):
            shown[offset : offset + len(plan.metrics) * plan.slots : plan.slots] = True
    return shown


def _proportion(evidence: Evidence, out: Observed, group: Group, shown: BoolArray) -> None:
    here = slice(group.hypothesis, group.hypothesis + group.slots)
    layout, metric = evidence.layout, group.metric
    counts = evidence.bets.counts[:, group.first : group.first + group.slots]
    na, ka, nb, kb = counts
    out.counts[:, here] = counts
    candidate, baseline = _values(metric, _share(ka, na)), _values(metric, _share(kb, nb))
    out.candidate[here], out.baseline[here], out.difference[here] = candidate, baseline, candidate - baseline
    out.worse[here] = _two_sided(layout, here, _share(ka, na) - _share(kb, nb))
    rate = (kb + PRIOR_ROWS * layout.prior[here]) / (nb + PRIOR_ROWS)
    _bounds(evidence, out, here, rate)
    low, high = _rates_interval(evidence, group, counts, shown[here])
    low, high = _beyond(evidence, here, (low, high), out.tolerance[here], np.ones(group.slots))
    out.low[here], out.high[here] = _interval(metric, _share(kb, nb), low, high)
    usual = (kb + 0.5) / (nb + 1)
    variance = usual * (1 - usual) * (1 / np.maximum(na, 1) + 1 / np.maximum(nb, 1))
    out.variance[here] = np.where((na > 0) & (nb > 0), variance, np.nan)
    out.spread[here] = rate * (1 - rate)
    out.most[here] = 1.0


def _shift(evidence: Evidence, out: Observed, group: Group, counts: FloatArray) -> None:
    """Fill in a shift: the largest move of a share below an edge. A shift has no value and no interval."""
    assert group.at is not None
    here = slice(group.hypothesis, group.hypothesis + group.slots)
    lanes = counts[:, group.first : group.first + 2 * len(group.at) * group.slots]
    na, ka, nb, kb = lanes.reshape(4, len(group.at), 2, group.slots)[:, :, 0]
    moved = _share(ka, na) - _share(kb, nb)
    largest = np.abs(np.nan_to_num(moved)).argmax(axis=0)
    out.difference[here] = np.take_along_axis(moved, largest[np.newaxis], axis=0)[0]
    out.counts[0, here], out.counts[2, here] = na[0], nb[0]
    out.psi[here] = psi(ka, na[0], kb, nb[0])
    _bounds(evidence, out, here, np.full(group.slots, 0.5))
    with np.errstate(divide="ignore"):
        variance = 0.25 * (1 / np.maximum(na[0], 1) + 1 / np.maximum(nb[0], 1))
    out.variance[here] = np.where((na[0] > 0) & (nb[0] > 0), variance, np.nan)
    out.most[here] = 1.0


def _estimate(evidence: Evidence, out: Observed, each: Estimates) -> None:
    here = slice(each.hypothesis, each.hypothesis + each.slots)
    metric, tally = each.metric, evidence.mixtures.tallies[each.dataset]
    found = compared(metric, tally)
    is_share = isinstance(metric.measure, Proportion)
    if is_share and not metric.needs.sums:
        n, bad = counted(metric, tally)
        out.counts[:, here] = n[:, CANDIDATE], bad[:, CANDIDATE], n[:, BASELINE], bad[:, BASELINE]
    else:
        out.counts[0, here], out.counts[2, here] = found.units[:, CANDIDATE], found.units[:, BASELINE]
    out.candidate[here] = _values(metric, found.candidate) if is_share else found.candidate
    out.baseline[here] = _values(metric, found.baseline) if is_share else found.baseline
    # Values are of all rows; the difference is of both versions at the same times, as the evidence is.
    if evidence.mixtures.matched:
        found = compared(metric, evidence.mixtures.matched[each.dataset].effective[0])
    own = [_values(metric, x) if is_share else x for x in (found.candidate, found.baseline)]
    out.difference[here] = own[0] - own[1]
    worse_by = worse_sign(metric) * (found.candidate - found.baseline)
    out.worse[here] = np.where(found.enough, _two_sided(evidence.layout, here, worse_by), np.nan)
    variance = np.where(found.enough, each.phi * (found.candidate_variance + found.baseline_variance), np.nan)
    _bounds(evidence, out, here, np.nan_to_num(found.baseline))
    difference = found.candidate - found.baseline
    low, high = mixture.interval(difference, variance, evidence.plan.alpha / 2, found.taus)
    worse = np.full(each.slots, float(worse_sign(metric)))
    low, high = _beyond(evidence, here, (low, high), out.tolerance[here], worse)
    out.low[here], out.high[here] = _interval(metric, found.baseline, low, high) if is_share else (low, high)
    out.variance[here] = variance / each.phi
    na, nb = found.units[:, CANDIDATE], found.units[:, BASELINE]
    with np.errstate(divide="ignore", invalid="ignore"):
        out.spread[here] = out.variance[here] * na * nb / (na + nb)
    if is_share:
        out.most[here] = 1.0


def _rates_interval(
    evidence: Evidence, group: Group, counts: FloatArray, shown: BoolArray
) -> tuple[FloatArray, FloatArray]:
    """Of differences of rates of bad (slots,). Half of α is kept for the bets of the decision (`_beyond`)."""
    layout, alpha = evidence.layout, evidence.plan.alpha / 2
    here = slice(group.hypothesis, group.hypothesis + group.slots)
    low, high = intervals.rate_difference_interval(counts, alpha=alpha, phi=layout.phi[here])
    some = np.flatnonzero(shown & (counts[0] > 0) & (counts[2] > 0))
    if len(some) and evidence.bets.kept:
        kept = np.stack([then[:, group.first + some] for _, then in evidence.bets.kept]).astype(np.float64)
        at = group.hypothesis + some
        low[some], high[some] = intervals.difference_interval(kept, layout.prior[at], layout.phi[at], alpha)
    return low, high


def _two_sided(layout: Layout, here: slice, worse: FloatArray) -> FloatArray:
    """A difference for the worse; of what must not move either way its size."""
    return np.where(layout.margin.is_two_sided[here], np.abs(worse), worse)


def _beyond(
    evidence: Evidence, here: slice, ends: tuple[FloatArray, FloatArray], tolerance: FloatArray, worse: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Intervals of which no named one reaches into its tolerance; `worse` is the sign of a difference that is worse.

    The bets that named it have rejected every difference within the tolerance. Where the whole of its rows differs by
    less, it became worse later.
    """
    low, high = ends
    two_sided = evidence.layout.tolerance.is_two_sided[here]
    is_up = np.where(two_sided, np.nan_to_num(low + high) >= 0, worse > 0)
    named = evidence.named[here]
    low = np.where(named & is_up, np.fmax(low, tolerance), low)
    high = np.where(named & ~is_up, np.fmin(high, -tolerance), high)
    return np.where(named & ~is_up, np.fmin(low, high), low), np.where(named & is_up, np.fmax(low, high), high)


def _bounds(evidence: Evidence, out: Observed, here: slice, rate: FloatArray) -> None:
    """Fill in tolerance (with the pods' bias) and margin, as differences at the baseline's `rate` (or value)."""
    layout = evidence.layout
    tolerance = tolerance_beyond(layout, evidence.pod_bias).part(here)
    out.tolerance[here] = np.abs(tolerance.ratio - 1) * np.abs(rate) + tolerance.delta
    margin = layout.margin.part(here)
    out.margin[here] = np.abs(margin.ratio - 1) * np.abs(rate) + margin.delta
    inside = layout.gap[here]
    out.margin[here] = np.where(np.isnan(inside), out.margin[here], inside)


def _share(bad: FloatArray, n: FloatArray) -> FloatArray:
    return np.where(n > 0, bad / np.maximum(n, 1), np.nan)


def _values(metric: Metric, share: FloatArray) -> FloatArray:
    """Values of a proportion from shares of bad."""
    assert isinstance(metric.measure, Proportion)
    if metric.measure.shown is not None:
        shown = metric.measure.shown
        return np.array([shown(x) if np.isfinite(x) else np.nan for x in share.tolist()])
    return 1.0 - share if metric.direction == "HigherIsBetter" else share


def _interval(metric: Metric, baseline: FloatArray, low: FloatArray, high: FloatArray) -> tuple[FloatArray, FloatArray]:
    """An interval of a difference of shares of bad in the metric's own direction and unit."""
    assert isinstance(metric.measure, Proportion)
    if metric.measure.shown is None:
        return (-high, -low) if metric.direction == "HigherIsBetter" else (low, high)
    at = _values(metric, baseline)
    ends = np.stack([_values(metric, np.clip(baseline + end, 0.0, 1.0)) - at for end in (low, high)])
    return ends.min(axis=0), ends.max(axis=0)
