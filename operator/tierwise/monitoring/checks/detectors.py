"""The detectors, which check the evidence before it is used. Each reports a concern, and none decides.

To add a reason to hold, add a detector here, its test, and an entry in api/reasons.py. The place of the entry is its
rank among the reasons.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tierwise.api.reasons import Reason
from tierwise.monitoring.checks.arrivals import unlabelled
from tierwise.monitoring.checks.concern import Concern
from tierwise.monitoring.checks.invalid_predictions import answers_message, more_of
from tierwise.monitoring.checks.unpaired_rows import labels_apart
from tierwise.monitoring.checks.weights import weights_differ
from tierwise.monitoring.counts.model import CANDIDATE
from tierwise.monitoring.evidence.e_values import e_value_of
from tierwise.monitoring.evidence.fold import Evidence
from tierwise.monitoring.evidence.guards import mean_exceeds
from tierwise.monitoring.evidence.required_numbers import WEIGHT, numbers_watched
from tierwise.monitoring.planning.bounds import room
from tierwise.plurals import plural
from tierwise.stats import split
from tierwise.stats.overdispersion import pods_apart

MOST_PODS_ASKED = 100_000
DOUBTED_AT = 20.0  # the guard's e-value at which a regression may be labels that only one arm has

Detector = Callable[[Evidence], Concern | None]


def detect_concerns(evidence: Evidence) -> tuple[Concern, ...]:
    """The concerns of all detectors, in the order of `DETECTORS`. The gate chooses the one that counts."""
    return tuple(found for detect in DETECTORS if (found := detect(evidence)) is not None)


def _split(evidence: Evidence) -> Concern | None:
    """The concern if the candidate's share of the requests is not its share of the pods."""
    logs = [g.log_split for g in evidence.guards]
    if not mean_exceeds(logs):
        return None
    d = int(np.argmax(logs))
    g = evidence.guards[d]
    share = g.expected_candidate / max(g.split_rows, 1)
    seen = int(g.rows[CANDIDATE]) / max(int(g.rows.sum()), 1)
    text = (
        f"dataset {evidence.plan.datasets[d].dataset.name!r}: {seen:.1%} of {int(g.rows.sum())} rows are the "
        f"candidate's, its share of the ready pods is {share:.1%} (e={e_value_of(logs[d])})"
    )
    return Concern(Reason.SAMPLE_RATIO_MISMATCH, text)


def _presence(evidence: Evidence) -> Concern | None:
    """One arm has labels more often. A regression is not believed on less: it may be made of such labels."""
    logs = [g.log_presence for g in evidence.guards]
    if not mean_exceeds(logs, split.SUSPECT_AT if evidence.stopped_at is None else DOUBTED_AT):
        return None
    d = int(np.argmax(logs))
    g = evidence.guards[d]
    baseline, candidate = (g.labelled / np.maximum(g.rows, 1)).tolist()
    text = (
        f"dataset {evidence.plan.datasets[d].dataset.name!r}: {candidate:.1%} of the candidate's rows have a label and "
        f"{baseline:.1%} of the baseline's (e={e_value_of(logs[d])}): labelled metrics would compare different rows"
    )
    # The difference may come only from rows in blocks without the other arm. Then this message names the cause better.
    return Concern(Reason.LABELING_DIFFERS, labels_apart(evidence) or text)


def _numbers(evidence: Evidence) -> Concern | None:
    """The concern if one arm lacks a metric's number more often: the rows without it may be its worst or best."""
    told = _lacking(evidence, lambda name: f"lack the number of {name}", of_weights=False)
    return None if told is None else _suspect(f"{told}; log it for every row, 0 where there is nothing to count")


def _weights(evidence: Evidence) -> Concern | None:
    """The concern if one arm lacks sample weights more often: a row without a weight counts in no weighted sum."""
    told = _lacking(evidence, lambda _: "have no weight above 0", of_weights=True)
    return None if told is None else _suspect(f"{told}; write spec.columns.weight for every row")


def _lacking(evidence: Evidence, lack: Callable[[str], str], *, of_weights: bool) -> str | None:
    """What one arm's rows lack more often, in words. Weights and the metrics' numbers are tested separately."""
    found = [
        (lacking, d, row, name)
        for d, (g, plan) in enumerate(zip(evidence.guards, evidence.plan.datasets, strict=True))
        for row, (lacking, name) in enumerate(zip(g.numbers, numbers_watched(plan), strict=True))
        if (name == WEIGHT) == of_weights
    ]
    if not mean_exceeds([lacking.log for lacking, *_ in found]):
        return None
    worst, d, row, name = max(found, key=lambda one: one[0].log)
    g = evidence.guards[d]
    more, other = more_of(worst.arm, g.lacking[row], g.rows, lack(name))
    told = f"dataset {evidence.plan.datasets[d].dataset.name!r}: {more} and {other}"
    return f"{told} (e={e_value_of(worst.log)}), and count in no verdict"


def _no_labels(evidence: Evidence) -> Concern | None:
    """The concern if a dataset has rows and metrics that need labels, but no label."""
    for guards, plan in zip(evidence.guards, evidence.plan.datasets, strict=True):
        needs = any(plan.metric(row).needs_labels for row in range(len(plan.metrics)))
        if needs and guards.rows.all() and not guards.labelled.any():
            return unlabelled(plan.dataset, int(guards.rows.sum()))
    return None


def _labels_apart(evidence: Evidence) -> Concern | None:
    text = labels_apart(evidence)
    return None if text is None else Concern(Reason.LABELING_DIFFERS, text, regression_stands=True)


def _predictions(evidence: Evidence) -> Concern | None:
    text = answers_message(evidence)
    return None if text is None else _suspect(text)


def _weights_differ(evidence: Evidence) -> Concern | None:
    text = weights_differ(evidence)
    return None if text is None else _suspect(text)


def _observed(evidence: Evidence) -> Concern | None:
    """Evidence enough to roll back, of a metric whose pods may differ by themselves by nobody knows how much."""
    observed = evidence.observed
    if not observed.any():
        return None
    h = int(np.argmax(np.where(observed, evidence.log_sup + evidence.log_weight, -np.inf)))
    where = evidence.where(h)
    text = (
        f"{where}: the evidence for a regression suffices (e={e_value_of(float(evidence.log_sup[h]))}), but too few "
        "pods served before to know how much pods differ by themselves, so nothing is rolled back; promote or roll "
        "back by annotation, or give a tier three pods or more"
    )
    return Concern(Reason.REGRESSION_OBSERVED, text, regression_stands=True)


def _pods_differ(evidence: Evidence) -> Concern | None:
    """The pods' own differences use up the whole margin of a metric that promotion asks for."""
    layout = evidence.layout
    if evidence.fewest_pods is None or not layout.pod_bound.any():
        return None
    narrowed = layout.margin.narrowed(layout.prior, evidence.pod_bias)
    had, left = (room(bounds, layout.prior) for bounds in (layout.margin, narrowed))
    for offset, plan in zip(layout.offsets, evidence.plan.datasets, strict=True):
        for row in range(len(plan.metrics)):
            h = offset + row * plan.slots  # the whole
            if layout.promotes[h] and had[h] > 0 and left[h] <= 0:
                baseline, candidate = evidence.fewest_pods
                text = (
                    f"{evidence.where(h)}: with {candidate} candidate and {plural(baseline, 'baseline pod')}, pods "
                    f"alone may differ by as much as the margin (sigma_pod {layout.sigma_pod[h]:.2g}), so that it "
                    "cannot be shown to be kept; about "
                    f"{plural(_pods_needed(evidence, h), 'pod')} for each version would do"
                )
                return Concern(Reason.PODS_DIFFER, text, regression_stands=True)
    return None


def _pods_needed(evidence: Evidence, h: int) -> int:
    """Pods per version with which half of the margin is left."""
    layout = evidence.layout
    margin, prior = layout.margin.part(slice(h, h + 1)), layout.prior[h : h + 1]
    wanted = float(room(margin, prior)[0]) / 2
    pods = 1
    while pods < MOST_PODS_ASKED:
        bias = layout.pod_bound[h : h + 1] * pods_apart(pods, pods)
        if room(margin.narrowed(prior, bias), prior)[0] >= wanted:
            break
        pods += max(1, pods // 10)
    return pods


def _suspect(text: str) -> Concern:
    """A concern about rows that count in no metric, or too much. A regression that is proven still rolls back."""
    return Concern(Reason.DOMAIN_SUSPECT, text, regression_stands=True)


DETECTORS: tuple[Detector, ...] = (
    _split,
    _presence,
    _no_labels,
    _labels_apart,
    _predictions,
    _numbers,
    _weights,
    _weights_differ,
    _observed,
    _pods_differ,
)
