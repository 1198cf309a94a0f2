"""The results of a watch of delivered tiers: one per slice and metric, as in a judgement."""

from __future__ import annotations

import math

import numpy as np

from tierwise.api.names import Verdict
from tierwise.api.slices import parse_slice_key
from tierwise.arrays import BoolArray, FloatArray
from tierwise.metrics.metric import Proportion
from tierwise.metrics.tally import Tally
from tierwise.monitoring.counts.measures import compared, counted
from tierwise.monitoring.counts.model import BASELINE, CANDIDATE
from tierwise.monitoring.planning.bounds import tolerance_of
from tierwise.monitoring.verdicts.judgement import ArmCounts, Result
from tierwise.monitoring.verification.fold import Watch
from tierwise.monitoring.verification.hypotheses import Group
from tierwise.monitoring.verification.unpaired_estimates import past_shares, standardised
from tierwise.stats import multiplicity

_LOG10 = math.log(10)
_FEW = "there are too few rows on one side to compare"


def results_of_watch(watch: Watch) -> tuple[Result, ...]:
    """All watched hypotheses, most evidence first. After the decision to roll back the named ones are `Regressed`."""
    of = watch.of
    log_e = watch.log_e if watch.log_e is not None else np.zeros(of.size)
    named = np.zeros(of.size, dtype=np.bool_)
    if watch.log_sup is not None:
        named = multiplicity.holm(watch.log_sup, of.log_weight, of.chance_alpha, hypotheses=max(1, of.size))
    rows = [row for group in of.groups for row in _rows(watch, group, log_e, named)]
    return tuple(rows[h] for h in np.argsort(-(log_e + of.log_weight), kind="stable").tolist())


def has_compared(watch: Watch) -> bool:
    """Whether at least one hypothesis has had enough rows of both sides for the test."""
    return len(not_compared(watch)) < len(watch.of.groups)


def not_compared(watch: Watch) -> tuple[tuple[str, str], ...]:
    """Pairs ("dataset/metric", reason) of watched metrics that have not yet had enough rows in any slice."""
    of = watch.of
    compared_in = np.zeros(of.size, dtype=np.bool_) if watch.log_e is None else watch.log_e != 0
    if watch.bets is not None:
        # A bet may have been placed without any gain.
        compared_in |= (watch.bets.past[0] > 0).any(axis=-1)
    names = zip(of.watched, of.groups, strict=True)
    return tuple((name, _FEW) for name, group in names if not compared_in[group.here].any())


def _rows(watch: Watch, group: Group, log_e: FloatArray, named: BoolArray) -> list[Result]:
    of = watch.of
    arms, values = _observed(watch, group)
    is_mixture = group.how != "counts" or of.control == "history"
    out = []
    for slot, key in enumerate(of.slices[group.dataset]):
        h = group.first + slot
        candidate, baseline = arms[slot]
        value, usual = values[slot]
        there = min(candidate.n, baseline.n) > 0
        verdict = Verdict.INCONCLUSIVE if there else Verdict.INSUFFICIENT_DATA
        out.append(
            Result(
                dataset=of.datasets[group.dataset].name,
                metric=group.spec.name,
                slice=parse_slice_key(key),
                verdict=Verdict.REGRESSED if named[h] else verdict,
                candidate=candidate,
                baseline=baseline,
                candidate_value=value,
                baseline_value=usual,
                difference=None if value is None or usual is None else value - usual,
                interval=None,
                margin=group.spec.margin,
                tolerance=tolerance_of(group.spec),
                log10_e=float(log_e[h]) / _LOG10,
                log10_e_non_inferior=None,
                log10_e_improved=None,
                powered=False,
                alpha=of.alpha,
                traffic=None,
                test="mixture" if is_mixture else "block-betting",
                control=of.control,
                phi=of.phi,
                sigma_pod=float(of.sigma[h]),
            )
        )
    return out


_Arms = list[tuple[ArmCounts, ArmCounts]]
_Values = list[tuple[float | None, float | None]]


def _observed(watch: Watch, group: Group) -> tuple[_Arms, _Values]:
    """The numbers of rows and the values of candidate and baseline, for every slot."""
    metric = group.metric
    if group.how == "counts":
        counts = watch.seen.counts[:, group.here]
        counts = counts if counts.ndim == 2 else counts.sum(axis=-1)
        rows = counts.T.astype(np.int64).tolist()
        return (
            [(ArmCounts(na, ka), ArmCounts(nb, kb)) for na, ka, nb, kb in rows],
            [(metric.value(na, ka), metric.value(nb, kb)) for na, ka, nb, kb in rows],
        )
    tally = watch.seen.tallies[group.dataset]
    if tally is None:
        return [(ArmCounts(0), ArmCounts(0))] * group.slots, [(None, None)] * group.slots
    candidate, baseline, units = _estimates(watch, group, tally)
    arms = [(ArmCounts(int(na)), ArmCounts(int(nb))) for nb, na in units.tolist()]
    if group.how == "weighted" and watch.of.control == "history" and not metric.needs.sums:
        n, bad = (x.tolist() for x in counted(metric, tally))
        arms = [
            (ArmCounts(n[i][CANDIDATE], bad[i][CANDIDATE]), ArmCounts(n[i][BASELINE], bad[i][BASELINE]))
            for i in range(group.slots)
        ]
    return arms, [
        (_shown(group, a), _shown(group, b)) for a, b in zip(candidate.tolist(), baseline.tolist(), strict=True)
    ]


def _estimates(watch: Watch, group: Group, tally: Tally) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Values of candidate and baseline, each (slots,), and observations (slots, 2): baseline first, then candidate."""
    if watch.of.control == "stratified":
        found = standardised(watch.of, group, tally)
        return found.candidate, found.baseline, found.units
    if group.how == "weighted":
        na, ka, nb, kb = past_shares(group, tally)
        with np.errstate(divide="ignore", invalid="ignore"):
            return ka / na, kb / nb, np.stack([nb, na], axis=1)
    both = compared(group.metric, tally)
    return both.candidate, both.baseline, both.units


def _shown(group: Group, value: float) -> float | None:
    """The value in the metric's own direction. (The estimate of a proportion is its share of bad.)"""
    if not math.isfinite(value):
        return None
    measure = group.metric.measure
    if not isinstance(measure, Proportion):
        return value
    if measure.shown is not None:
        return measure.shown(value)
    return 1.0 - value if group.metric.direction == "HigherIsBetter" else value
