"""Notes for people: slices without a slot, expected changes that were not seen, assumptions of the tests."""

from __future__ import annotations

import math

import numpy as np

from tierwise.api.slices import WHOLE, slice_key
from tierwise.monitoring.checks.unpaired_rows import candidate_apart
from tierwise.monitoring.checks.weights import weights_note
from tierwise.monitoring.evidence.fold import Evidence
from tierwise.monitoring.planning.tier_plan import DatasetPlan
from tierwise.monitoring.verdicts.results import control_of
from tierwise.plurals import agreeing, plural

FEW_PODS = 3
COLD_MINUTES = 10


def notes_of(evidence: Evidence) -> list[str]:
    """All notes, in the order of the datasets."""
    notes = []
    for plan, unplaced in zip(evidence.plan.datasets, evidence.unplaced, strict=True):
        if unplaced:
            some, are = ", ".join(sorted(unplaced)[:3]), agreeing(len(unplaced), "is", "are")
            notes.append(
                f"dataset {plan.dataset.name!r}: {plural(len(unplaced), 'slice')} came after all "
                f"{plan.reserved_slots} reserved slots were taken and {are} not judged alone: {some}"
            )
    for d, plan in enumerate(evidence.plan.datasets):
        notes += _wishes(evidence, d, plan)
        notes += _never_promotable(plan)
        notes += _only_shifts(plan)
        notes += _spread(evidence, plan)
        notes += _unreadable(evidence, d, plan)
        notes += _apart(evidence, d, plan)
        notes += weights_note(evidence, d)
    return notes + _few_pods(evidence) + _cold_start(evidence)


def _wishes(evidence: Evidence, d: int, plan: DatasetPlan) -> list[str]:
    """Notes on expected changes in slices that never came, and on improvements that have not been seen."""
    position = {key: s for s, key in enumerate(evidence.slots[d])}
    rows = {metric.name: m for m, metric in enumerate(plan.metrics)}
    notes = []
    for wish in plan.expect:
        key = slice_key(wish.slice)
        slot = position.get(key)
        where = f"dataset {plan.dataset.name!r}: {wish.metric} on {key or WHOLE}"
        if slot is None or not evidence.counts[d][slot].any():
            if wish.change != "Ignore" or (slot is None and tuple(sorted(wish.slice)) in plan.dataset.groupings):
                notes.append(
                    f"{where}: change {wish.change} is expected, and no row has this value; check its spelling"
                )
            continue
        h = evidence.layout.offsets[d] + rows[wish.metric] * plan.slots + slot
        if wish.change == "Improve" and not evidence.was_improved[h]:
            notes.append(f"{where} has not improved yet")
        if wish.change == "Within" and not evidence.was_non_inferior[h]:
            assert wish.within is not None
            notes.append(f"{where} is not shown to be within {wish.within.min:+g} … {wish.within.max:+g} yet")
    return notes


def _never_promotable(plan: DatasetPlan) -> list[str]:
    return [
        f"dataset {plan.dataset.name!r}: {metric.name} has margin 0, which no number of labels can show to be kept; it "
        "passes only by an improvement: give a margin above 0"
        for row, metric in enumerate(plan.metrics)
        if not (metric.margin.absolute or metric.margin.relative) and plan.engine(row) != "shift"
    ]


def _only_shifts(plan: DatasetPlan) -> list[str]:
    if any(plan.engine(row) != "shift" for row in range(len(plan.metrics))):
        return []
    told = f"dataset {plan.dataset.name!r}: only shifts are judged, which promotion does not ask for"
    return [f"{told}; add a metric that can be shown to be kept, or promote by annotation"]


def _spread(evidence: Evidence, plan: DatasetPlan) -> list[str]:
    """Notes on the overdispersion in time and the spread between pods that were used."""
    where = f"dataset {plan.dataset.name!r}"
    if plan.pods == 0:
        if plan.dataset.spec.columns.pod:
            why = "the log's past does not tell how much pods differ"
        else:
            why = "spec.columns.pod is not set, so that the past cannot tell how much pods differ"
        if plan.dataset.spec.columns.unit:
            return [f"{where}: {why} (sigma_pod 0); phi is that of units (spec.columns.unit) alone"]
        return [f"{where}: {why}; rows are taken as independent (phi 1, sigma_pod 0)"]
    if evidence.fewest_pods is None:
        return []
    notes = []
    baseline, candidate = evidence.fewest_pods
    for metric, sigma in zip(plan.metrics, plan.sigma_pod.tolist(), strict=True):
        if math.isfinite(sigma) and sigma > 0:
            odds = math.exp(3 * sigma * math.sqrt(1 / baseline + 1 / candidate))
            notes.append(
                f"{where}: pods of one version differ in {metric.name} (sigma_pod {sigma:.2g}); with {baseline} and "
                f"{plural(candidate, 'pod')} a regression must be beyond {odds:.2f} times the odds on top of the "
                "tolerance"
            )
    return notes


def _unreadable(evidence: Evidence, d: int, plan: DatasetPlan) -> list[str]:
    if not evidence.mixtures.tallies:
        return []
    bad = [name for name, values in evidence.mixtures.tallies[d].sums.items() if not np.isfinite(values).all()]
    return [f"dataset {plan.dataset.name!r}: sum {name!r} is not a number; its metric stays undecided" for name in bad]


def _apart(evidence: Evidence, d: int, plan: DatasetPlan) -> list[str]:
    where, guards = f"dataset {plan.dataset.name!r}", evidence.guards[d]
    own = candidate_apart(guards)
    told = [] if own is None else [f"{where}: {own}"]
    if control_of(evidence, d) == "concurrent":
        return told
    seen = f"{where}: only {guards.together_share:.0%} of the rows are in blocks with both versions"
    return [
        f"{seen}, so what changed with time counts as the candidate's; compare versions that were served side by side",
        *told,
    ]


def _cold_start(evidence: Evidence) -> list[str]:
    """A regression that lies in the first minutes may be of pods that are not warm yet, whatever the version."""
    if evidence.stopped_at is None or evidence.first_start is None:
        return []
    minutes = (evidence.stopped_at - evidence.first_start).total_seconds() / 60
    if minutes > COLD_MINUTES:
        return []
    told = (
        f"the regression lies in the first {_minutes(max(round(minutes), 1))} of judging: where fresh pods do worse at "
        "first (empty caches, models still loading), set spec.analysis.warmUp to a longer time, then retry"
    )
    return [told]


def _minutes(minutes: int) -> str:
    return "minute" if minutes == 1 else f"{minutes} minutes"


def _few_pods(evidence: Evidence) -> list[str]:
    if evidence.fewest_pods is None or min(evidence.fewest_pods) >= FEW_PODS:
        return []
    baseline, candidate = evidence.fewest_pods
    told = f"only {candidate} candidate and {plural(baseline, 'baseline pod')}"
    return [f"{told}: what is one pod's own cannot be told from the version's; give each arm {FEW_PODS} or more"]
