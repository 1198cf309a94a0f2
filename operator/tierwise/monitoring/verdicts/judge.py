"""Makes the judgement from the evidence so far: results, culprits and the facts for the gate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Literal

import numpy as np

from tierwise.api.slices import parse_slice_key
from tierwise.arrays import BoolArray
from tierwise.monitoring.checks.detectors import detect_concerns
from tierwise.monitoring.checks.invalid_predictions import out_of_domain, valid_text
from tierwise.monitoring.counts.model import BASELINE, CANDIDATE
from tierwise.monitoring.evidence.fold import Evidence
from tierwise.monitoring.planning.tier_plan import DatasetPlan
from tierwise.monitoring.verdicts.culprits import Named, shortest_list
from tierwise.monitoring.verdicts.judgement import Judgement, Result
from tierwise.monitoring.verdicts.notes import notes_of
from tierwise.monitoring.verdicts.results import Numbers, numbers_of, results_of, traffic_of
from tierwise.monitoring.verdicts.strength import strength_of
from tierwise.monitoring.verdicts.suspects import suspects_of
from tierwise.stats import multiplicity

EXACT_INTERVALS = 40


def judged_at(judgement: Judgement, at: datetime) -> Judgement:
    """The same judgement at the time of a look. Only the expected time to a decision depends on the time.

    The folded blocks are older than the look by the labels' maturity, so this part of the wait is already over.
    """
    ahead, until = judgement.seconds_to_decision, judgement.until
    if ahead is None or until is None:
        return judgement
    return replace(judgement, seconds_to_decision=max(ahead - max((at - until).total_seconds(), 0.0), 0.0))


def judge(evidence: Evidence, *, exact: int = EXACT_INTERVALS) -> Judgement:
    """The judgement of all blocks folded so far, with the time to a decision counted from the last of them.

    `exact` is how many proportions have intervals by the bets themselves: those with the most evidence.
    """
    numbers = numbers_of(evidence, exact)
    # By the e-value that is shown, so that it falls from row to row; known changes, which nobody judges, come last.
    order = np.lexsort((-numbers.log_regression, np.isneginf(evidence.log_weight)))
    by_hypothesis = results_of(evidence, numbers)
    results = tuple(by_hypothesis[h] for h in order.tolist() if h in by_hypothesis)
    culprits, notes = culprits_of(evidence, numbers, by_hypothesis)
    required = _required(evidence)
    passed = evidence.was_non_inferior | evidence.was_improved
    regressed = evidence.stopped_at is not None
    sparse = _sparsest(evidence)
    guards = evidence.guards[sparse] if evidence.guards else None
    return Judgement(
        results=results,
        culprits=culprits,
        regressed=regressed,
        non_inferior=not regressed and bool(required.any()) and bool(passed[required].all()),
        blocks=evidence.blocks,
        until=evidence.until,
        stopped_at=evidence.stopped_at,
        hypotheses=evidence.plan.hypotheses,
        alpha=evidence.plan.alpha,
        rows=_arms(guards.rows) if guards else (0, 0),
        labels=_arms(guards.labelled) if guards else (0, 0),
        coverage_traffic=_coverage(evidence),
        coverage_whole=_whole_coverage(evidence),
        concerns=detect_concerns(evidence),
        out_of_domain=out_of_domain(evidence),
        valid=valid_text(evidence),
        gone=_gone(evidence),
        seconds_to_decision=None if regressed else _seconds(evidence, numbers, required & ~passed),
        notes=(*notes, *notes_of(evidence)),
        suspects=() if regressed else tuple(by_hypothesis[h] for h in suspects_of(evidence, numbers).tolist()),
    )


def culprits_of(evidence: Evidence, x: Numbers, results: dict[int, Result]) -> tuple[tuple[Result, ...], list[str]]:
    """The shortest lists of slices that explain what is named, by evidence, and notes on overlaps not counted.

    `results` are the shown ones by hypothesis; each named hypothesis is among them.
    """
    layout, plan = evidence.layout, evidence.plan
    threshold = multiplicity.log_decision_threshold(plan.hypotheses, plan.alpha)
    weighted = x.log_regression + evidence.log_weight
    found: list[int] = []
    notes: list[str] = []
    for d, dataset in enumerate(plan.datasets):
        keys = evidence.slots[d]
        incomplete = {tuple(parse_slice_key(key)) for key in evidence.unplaced[d]}
        complete = [g for g in dataset.dataset.groupings if g not in incomplete]
        for m, metric in enumerate(dataset.metrics):
            first = layout.offsets[d] + m * dataset.slots
            hits = [s for s in range(len(keys)) if x.named[first + s]]
            if not hits:
                continue
            named = [
                Named(
                    key=keys[s],
                    log_e=float(x.log_regression[first + s]),
                    needed=threshold - float(layout.log_weight[first + s]),
                )
                for s in hits
            ]
            shortest = shortest_list(named, strength_of(evidence, d, m), complete)
            position = {key: s for s, key in enumerate(keys)}
            found += [first + position[key] for key in shortest.keys]
            notes += [
                f"{metric.name}: {a} and {b} may be the same rows; slice by both dimensions together to tell them apart"
                for a, b in shortest.unseen_overlaps
            ]
    found.sort(key=lambda h: (-weighted[h], h))
    return tuple(results[h] for h in found), notes


def _required(evidence: Evidence) -> BoolArray:
    """What must be non-inferior before promotion: the whole, of every dataset and metric, and all powered slices."""
    required = evidence.layout.powered.copy()
    for offset, plan in zip(evidence.layout.offsets, evidence.plan.datasets, strict=True):
        required[offset : offset + len(plan.metrics) * plan.slots : plan.slots] = True
    return np.asarray(required & np.isfinite(evidence.log_weight) & evidence.layout.promotes)


def _coverage(evidence: Evidence) -> float | None:
    """The share of rows in slices that are powered for every metric, in the grouping and dataset with the least."""
    shares: list[float] = []
    for d, plan in enumerate(evidence.plan.datasets):
        traffic = traffic_of(evidence, d)
        if traffic[0] is None:
            return None
        strong = np.all(plan.powered[_promoting(plan)], axis=0)
        per_grouping = dict.fromkeys(plan.dataset.groupings or ((),), 0.0)
        for key, is_powered, share in zip(plan.slices, strong, traffic, strict=False):
            grouping = tuple(parse_slice_key(key))
            if bool(is_powered) and grouping in per_grouping:
                per_grouping[grouping] += share or 0.0
        shares += per_grouping.values()
    return min(shares, default=None)


def _whole_coverage(evidence: Evidence) -> float | None:
    """1 if the whole is powered for every metric and dataset, so that all traffic is judged together; else 0."""
    if not any(guards.rows.any() for guards in evidence.guards):
        return None
    return float(all(plan.powered[_promoting(plan), 0].all() for plan in evidence.plan.datasets))


def _promoting(plan: DatasetPlan) -> list[int]:
    """The rows of the metrics for which promotion waits."""
    return [row for row in range(len(plan.metrics)) if plan.engine(row) != "shift"]


def _sparsest(evidence: Evidence) -> int:
    """The dataset with the fewest labelled rows, among those that need labels. The gate must see the worst one."""
    need = [
        d
        for d, plan in enumerate(evidence.plan.datasets)
        if any(plan.metric(row).needs_labels for row in range(len(plan.metrics)))
    ]
    return min(need, key=lambda d: int(evidence.guards[d].labelled.min()), default=0)


def _arms(values: Sequence[int] | np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> tuple[int, int]:
    return int(values[BASELINE]), int(values[CANDIDATE])


def _gone(evidence: Evidence) -> Literal["baseline", "candidate"] | None:
    """Which arm no longer has rows in any dataset. None once the evidence has led to a rollback."""
    arms = {guards.gone for guards in evidence.guards}
    if evidence.stopped_at is not None or len(arms) != 1:
        return None
    arm = arms.pop()
    return None if arm is None else "candidate" if arm == CANDIDATE else "baseline"


def _seconds(evidence: Evidence, x: Numbers, waiting: BoolArray) -> float | None:
    """Expected seconds until every required hypothesis passes, at the rate of observations so far."""
    if evidence.first_start is None or evidence.until is None or not waiting.any():
        return None
    elapsed = (evidence.until - evidence.first_start).total_seconds()
    seen = np.nan_to_num(x.counts[0] + x.counts[2])[waiting]
    needed = x.labels_needed[waiting]
    if elapsed <= 0 or not np.isfinite(needed).all() or (seen == 0).any():
        return None
    return float((needed / seen).max()) * elapsed
