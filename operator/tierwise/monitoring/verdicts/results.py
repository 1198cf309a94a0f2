"""Makes results from e-values and counts: one per slice and metric."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tierwise.api.names import Verdict
from tierwise.api.slices import parse_slice_key
from tierwise.arrays import BoolArray, FloatArray
from tierwise.monitoring.evidence.fold import Evidence
from tierwise.monitoring.verdicts.effects import observed
from tierwise.monitoring.verdicts.judgement import ArmCounts, Result
from tierwise.monitoring.verdicts.verdict import verdict_of
from tierwise.stats import multiplicity, power

CONCURRENT = "concurrent"
BY_PLACE = "by-place"  # the same times, but the pods are tied to places; the caller sets it
CONCURRENT_FROM = 0.5  # smallest share of rows in blocks with both versions
_LOG10 = math.log(10)


@dataclass(frozen=True, slots=True, eq=False)
class Numbers:
    """All numbers of the results, per hypothesis (K,); NaN for none.

    `counts` (4, K) are candidate n and bad, baseline n and bad. Values, difference and interval are in the metric's own
    direction and unit; `beyond` is how far the candidate is seen beyond its margin.
    """

    counts: FloatArray
    candidate: FloatArray
    baseline: FloatArray
    difference: FloatArray
    low: FloatArray
    high: FloatArray
    log_regression: FloatArray
    log_non_inferior: FloatArray
    log_improved: FloatArray
    smallest: FloatArray
    labels_needed: FloatArray
    psi: FloatArray
    named: BoolArray
    beyond: FloatArray


def numbers_of(evidence: Evidence, exact: int) -> Numbers:
    """The numbers of all hypotheses as of the last folded block; `exact` as in `effects.observed`."""
    layout, plan = evidence.layout, evidence.plan
    seen = observed(evidence, exact)
    threshold = multiplicity.log_decision_threshold(plan.hypotheses, plan.alpha)
    log_non_inferior = evidence.log_non_inferior
    na, _, nb, _ = seen.counts
    needed = power.labels_needed(na, nb, seen.spread, seen.margin, log_non_inferior, phi=layout.phi)
    return Numbers(
        counts=seen.counts,
        candidate=seen.candidate,
        baseline=seen.baseline,
        difference=seen.difference,
        low=seen.low,
        high=seen.high,
        log_regression=evidence.log_regression,
        log_non_inferior=log_non_inferior,
        log_improved=evidence.log_improved,
        smallest=power.smallest_detectable(
            seen.variance * layout.phi, seen.tolerance, threshold - layout.log_weight, seen.most
        ),
        labels_needed=np.where(layout.promotes, needed, np.nan),
        psi=seen.psi,
        named=evidence.named,
        beyond=seen.beyond,
    )


def results_of(evidence: Evidence, x: Numbers) -> dict[int, Result]:
    """The results by hypothesis. A reserved slot without a slice has no result."""
    layout = evidence.layout
    logs = [(a / _LOG10).tolist() for a in (x.log_regression, x.log_non_inferior, x.log_improved)]
    na, ka, nb, kb = ([None if math.isnan(v) else int(v) for v in row] for row in x.counts.tolist())
    shown = (x.candidate, x.baseline, x.difference, x.low, x.high, x.smallest, x.psi)
    candidate, baseline, difference, low, high, smallest, psi = ([_finite(v) for v in a.tolist()] for a in shown)
    needed, named = x.labels_needed.tolist(), x.named.tolist()
    improved, passed = evidence.was_improved.tolist(), evidence.was_non_inferior.tolist()
    powered, phi, sigma = layout.powered.tolist(), layout.phi.tolist(), layout.sigma_pod.tolist()
    promotes = layout.promotes.tolist()
    out: dict[int, Result] = {}
    for d, plan in enumerate(evidence.plan.datasets):
        keys = evidence.slots[d]
        values = [parse_slice_key(key) for key in keys]
        traffic = traffic_of(evidence, d)
        for m, metric_plan in enumerate(plan.metrics):
            control = control_of(evidence, d)
            test = "mixture" if plan.engine(m) == "mixture" else "block-betting"
            first = layout.offsets[d] + m * plan.slots
            for s in range(len(keys)):
                h = first + s
                verdict = verdict_of(
                    named=named[h],
                    improved=improved[h],
                    non_inferior=passed[h],
                    candidate_n=na[h] or 0,
                    baseline_n=nb[h] or 0,
                )
                is_open = verdict in (Verdict.INCONCLUSIVE, Verdict.INSUFFICIENT_DATA)
                bounds = (low[h], high[h])
                out[h] = Result(
                    dataset=plan.dataset.name,
                    metric=metric_plan.name,
                    slice=values[s],
                    verdict=verdict,
                    candidate=ArmCounts(na[h] or 0, ka[h]),
                    baseline=ArmCounts(nb[h] or 0, kb[h]),
                    candidate_value=candidate[h],
                    baseline_value=baseline[h],
                    difference=difference[h],
                    interval=None if bounds[0] is None or bounds[1] is None else (bounds[0], bounds[1]),
                    margin=metric_plan.margin,
                    tolerance=metric_plan.tolerance,
                    log10_e=logs[0][h],
                    log10_e_non_inferior=logs[1][h] if promotes[h] else None,
                    log10_e_improved=logs[2][h] if promotes[h] else None,
                    powered=powered[h],
                    alpha=evidence.plan.alpha,
                    traffic=traffic[s],
                    labels_needed=math.ceil(needed[h]) if is_open and math.isfinite(needed[h]) else None,
                    smallest_detectable=smallest[h],
                    test=test,
                    control=control,
                    phi=phi[h],
                    sigma_pod=sigma[h],
                    flagged=named[h],
                    psi=psi[h],
                )
    return out


def control_of(evidence: Evidence, dataset: int) -> str:
    """The control of the comparison: pods at the same time, or the other version at another time."""
    return CONCURRENT if evidence.guards[dataset].together_share >= CONCURRENT_FROM else "before-after"


def traffic_of(evidence: Evidence, dataset: int) -> list[float | None]:
    """The share of the whole's rows, per slot."""
    rows = evidence.counts[dataset].sum(axis=(1, 2, 3))
    return (rows / rows[0]).tolist() if rows[0] else [None] * len(rows)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
