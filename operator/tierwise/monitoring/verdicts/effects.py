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
from tierwise.monitoring.evidence.hypotheses import tolerance_beyond
from tierwise.monitoring.evidence.mixture import Estimates
from tierwise.monitoring.planning.bounds import PRIOR_ROWS, Bounds
from tierwise.stats import intervals, mixture
from tierwise.stats.matched import joined
from tierwise.stats.overdispersion import odds_step


@dataclass(slots=True, eq=False)
class Observed:
    """The observed values per hypothesis (K,), NaN for none; `counts` is (4, K).

    Values, difference, low and high are in the metric's own direction and unit. `tolerance` and `margin` are absolute,
    `variance` is of the difference, `spread` of one observation, `most` what no difference can exceed. `psi` is of
    shifts only. `beyond` is how far the candidate is seen beyond its margin, in rates of bad
    or in values; negative within it.
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
    beyond: FloatArray


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
    out.candidate[here], out.baseline[here] = _values(metric, _share(ka, na)), _values(metric, _share(kb, nb))
    # Values are of all rows; the difference is of both versions at the same times. Too few rows for that: of all rows.
    share = evidence.bets.matched.share[:, group.first : group.first + group.slots]
    pa, pb = np.where(np.isfinite(share), share, np.stack([_share(ka, na), _share(kb, nb)]))
    out.difference[here] = _values(metric, pa) - _values(metric, pb)
    rate = (kb + PRIOR_ROWS * layout.prior[here]) / (nb + PRIOR_ROWS)
    _bounds(evidence, out, here, rate)
    out.beyond[here] = _beyond_margin(layout.margin.part(here), pa, pb, is_rate=True)
    low, high = _rates_interval(evidence, group, shown[here])
    low, high = _anchored(evidence, here, (low, high), (pa, pb), is_rate=True)
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
    variance = np.where(found.enough, each.phi * (found.candidate_variance + found.baseline_variance), np.nan)
    _bounds(evidence, out, here, np.nan_to_num(found.baseline))
    sign = worse_sign(metric)
    at = sign * found.candidate, sign * found.baseline
    beyond = _beyond_margin(evidence.layout.margin.part(here).beside(found.baseline), *at, is_rate=False)
    out.beyond[here] = np.where(found.enough, beyond, np.nan)
    low, high = mixture.interval(at[0] - at[1], variance, evidence.plan.alpha / 2, found.taus)
    low, high = low - evidence.layout.apart[here], high + evidence.layout.apart[here]
    low, high = _anchored(evidence, here, (low, high), at, is_rate=False)
    low, high = (low, high) if sign > 0 else (-high, -low)
    out.low[here], out.high[here] = _interval(metric, found.baseline, low, high) if is_share else (low, high)
    out.variance[here] = variance / each.phi
    na, nb = found.units[:, CANDIDATE], found.units[:, BASELINE]
    with np.errstate(divide="ignore", invalid="ignore"):
        out.spread[here] = out.variance[here] * na * nb / (na + nb)
    if is_share:
        out.most[here] = 1.0


def _rates_interval(evidence: Evidence, group: Group, shown: BoolArray) -> tuple[FloatArray, FloatArray]:
    """Of differences of rates of bad (slots,). Half of α is kept for the bets of the decision (`_anchored`)."""
    layout, alpha = evidence.layout, evidence.plan.alpha / 2
    here = slice(group.hypothesis, group.hypothesis + group.slots)
    n, bad = evidence.bets.matched.effective[..., group.first : group.first + group.slots]
    counts = np.stack([n[0], bad[0], n[1], bad[1]])
    low, high = intervals.rate_difference_interval(counts, alpha=alpha, phi=layout.phi[here])
    some = np.flatnonzero(shown & (counts[0] > 0) & (counts[2] > 0))
    if len(some) and evidence.bets.kept:
        kept = np.stack([then[:, group.first + some] for _, then in evidence.bets.kept])
        at = group.hypothesis + some
        low[some], high[some] = intervals.difference_interval(joined(kept), layout.prior[at], layout.phi[at], alpha)
    # The arms' own users and pods may move a rate without any difference of versions.
    bias = np.maximum(evidence.pod_bias[here], np.where(layout.is_value[here], 0.0, layout.apart[here]))
    rate = np.clip(layout.prior[here], 1e-9, 1 - 1e-9)
    return low + odds_step(rate, -bias), high + odds_step(rate, bias)


def _beyond_margin(margin: Bounds, candidate: FloatArray, baseline: FloatArray, *, is_rate: bool) -> FloatArray:
    """How far beyond the bounds the candidate is seen, on the side where it is farther; negative within them.

    Candidate and baseline are rates of bad, or estimates in the direction of worse.
    """
    up = candidate - margin.ratio * baseline - margin.delta
    if is_rate:  # the mirror is of good rows
        down = (1 - candidate) - margin.lower_ratio * (1 - baseline) - margin.lower_delta
    else:
        down = margin.lower_ratio * baseline - candidate - margin.lower_delta
    return np.asarray(np.where(margin.is_two_sided, np.fmax(up, down), up))


def _anchored(
    evidence: Evidence,
    here: slice,
    ends: tuple[FloatArray, FloatArray],
    at: tuple[FloatArray, FloatArray],
    *,
    is_rate: bool,
) -> tuple[FloatArray, FloatArray]:
    """Intervals of which no named one reaches into its tolerance, of differences in the direction of worse.

    The bets that named it have rejected every difference within the tolerance. Where the whole of its rows differs by
    less, it became worse later. `at` are candidate and baseline as `_beyond_margin` takes them.
    """
    low, high = ends
    tolerance, named, (candidate, baseline) = evidence.layout.tolerance.part(here), evidence.named[here], at
    base = np.nan_to_num(baseline)
    if not is_rate:
        tolerance = tolerance.beside(base)
    room_up = (tolerance.ratio - 1) * base + tolerance.delta
    if is_rate:
        room_down = (tolerance.lower_ratio - 1) * (1 - base) + tolerance.lower_delta
    else:
        room_down = (1 - tolerance.lower_ratio) * base + tolerance.lower_delta
    difference = np.nan_to_num(candidate - baseline)
    is_up = ~tolerance.is_two_sided | (difference - room_up >= -difference - np.nan_to_num(room_down))
    low = np.where(named & is_up, np.fmax(low, room_up), low)
    high = np.where(named & ~is_up, np.fmin(high, -room_down), high)
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
