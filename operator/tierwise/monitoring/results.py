"""E-values and counts as results: one row per slice and metric."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tierwise.api.names import Verdict
from tierwise.api.slices import parse_slice_key
from tierwise.metrics import registry
from tierwise.monitoring.cells import FloatArray
from tierwise.monitoring.evidence import Evidence
from tierwise.monitoring.judgement import ArmCounts, Result
from tierwise.monitoring.layout import BoolArray
from tierwise.monitoring.verdict import verdict_of
from tierwise.stats import betting, intervals, multiplicity, power

_LOG10 = math.log(10)


@dataclass(frozen=True, slots=True, eq=False)
class Numbers:
    """Everything a result shows, per hypothesis (K,)."""

    counts: FloatArray  # (4, K)
    log_regression: FloatArray
    log_non_inferior: FloatArray
    log_improved: FloatArray
    low: FloatArray
    high: FloatArray
    smallest: FloatArray
    labels_needed: FloatArray
    named: BoolArray


def numbers_of(evidence: Evidence) -> Numbers:
    """The numbers of all hypotheses as of the last folded block."""
    layout, plan = evidence.layout, evidence.plan
    counts = evidence.past + evidence.pending
    log_regression = evidence.log_regression
    log_non_inferior = betting.log_mean(evidence.non_inferior, betting.NON_INFERIOR_LOG_WEIGHTS)
    rate = (counts[3] + 10 * layout.prior) / (counts[2] + 10)
    tolerance = (layout.tolerance_ratio - 1) * rate + layout.tolerance_delta
    margin = (layout.margin_ratio - 1) * rate + layout.margin_delta
    low, high = intervals.rate_difference_interval(counts, alpha=plan.alpha)
    threshold = multiplicity.log_decision_threshold(plan.hypotheses, plan.alpha)
    named = np.zeros(layout.size, dtype=np.bool_)
    if evidence.stopped_at is not None:
        named = multiplicity.e_bh(log_regression, evidence.log_weight, plan.alpha, hypotheses=plan.hypotheses)
    return Numbers(
        counts=counts,
        log_regression=log_regression,
        log_non_inferior=log_non_inferior,
        log_improved=betting.log_mean(evidence.improved, betting.IMPROVED_LOG_WEIGHTS),
        low=low,
        high=high,
        smallest=power.smallest_detectable(counts, tolerance, threshold - layout.log_weight),
        labels_needed=power.labels_needed(counts, rate, margin, log_non_inferior),
        named=named,
    )


def results_of(evidence: Evidence, x: Numbers) -> dict[int, Result]:
    """Results by hypothesis; a reserved slot that no slice has taken has none."""
    columns = [a.tolist() for a in (*x.counts.astype(np.int64), x.log_regression / _LOG10, x.log_non_inferior / _LOG10)]
    na, ka, nb, kb, log_reg, log_ni = columns
    log_imp, low, high = (a.tolist() for a in (x.log_improved / _LOG10, x.low, x.high))
    smallest, needed, named = x.smallest.tolist(), x.labels_needed.tolist(), x.named.tolist()
    improved, passed = evidence.was_improved.tolist(), evidence.was_non_inferior.tolist()
    powered = evidence.layout.powered.tolist()
    out: dict[int, Result] = {}
    for d, plan in enumerate(evidence.plan.datasets):
        keys = evidence.slots[d]
        values = [parse_slice_key(key) for key in keys]
        traffic = traffic_of(evidence, d)
        for m, metric_plan in enumerate(plan.metrics):
            metric = registry.get(metric_plan.name)
            first = evidence.layout.offsets[d] + m * plan.slots
            for s in range(len(keys)):
                h = first + s
                candidate, baseline = metric.value(na[h], ka[h]), metric.value(nb[h], kb[h])
                verdict = verdict_of(
                    named=named[h],
                    improved=improved[h],
                    non_inferior=passed[h],
                    candidate_n=na[h],
                    baseline_n=nb[h],
                )
                open_ = verdict in (Verdict.INCONCLUSIVE, Verdict.INSUFFICIENT_DATA)
                out[h] = Result(
                    dataset=plan.dataset.name,
                    metric=metric.name,
                    slice=values[s],
                    verdict=verdict,
                    candidate=ArmCounts(na[h], ka[h]),
                    baseline=ArmCounts(nb[h], kb[h]),
                    candidate_value=candidate,
                    baseline_value=baseline,
                    difference=None if candidate is None or baseline is None else candidate - baseline,
                    interval=None if math.isnan(low[h]) else metric.own_direction(low[h], high[h]),
                    margin=metric_plan.margin,
                    tolerance=metric_plan.tolerance,
                    log10_e=log_reg[h],
                    log10_e_non_inferior=log_ni[h],
                    log10_e_improved=log_imp[h],
                    powered=powered[h],
                    alpha=evidence.plan.alpha,
                    traffic=traffic[s],
                    labels_needed=math.ceil(needed[h]) if open_ and math.isfinite(needed[h]) else None,
                    smallest_detectable=None if math.isnan(smallest[h]) else smallest[h],
                )
    return out


def traffic_of(evidence: Evidence, dataset: int) -> list[float | None]:
    """Share of the whole's rows, per slot."""
    rows = evidence.counts[dataset].sum(axis=(1, 2, 3))
    return (rows / rows[0]).tolist() if rows[0] else [None] * len(rows)
