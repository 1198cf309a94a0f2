"""The pre-release gate: it judges the candidate on a validation table, before any pod is changed.

Both versions' predictions on the validation set are one block of the same evidence that judges a tier. The block's
times do not matter (a version may have been validated months ago), so the whole table is read. α is
`falseRejectionRate`, separate from the α of the rollout. The probability that a good candidate is rejected or rolled
back is at most their sum.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from tierwise.api.common import EPOCH, duration_seconds
from tierwise.api.reasons import Reason
from tierwise.api.strategy import PreRelease
from tierwise.errors import ReasonedError
from tierwise.monitoring.checks.concern import Concern, concern_of
from tierwise.monitoring.checks.missing_arms import Place, detect_missing_arms
from tierwise.monitoring.counts.model import BASELINE, CANDIDATE, Block, Scope
from tierwise.monitoring.planning.snapshot import pinned_hash
from tierwise.monitoring.verdicts.judgement import Judgement
from tierwise.monitoring.verdicts.validation import judge_validation
from tierwise.rollout.state.observation import DeploymentView
from tierwise.runtime.ports import Fleet
from tierwise.runtime.reading.arrivals import recorded_arrival_concerns
from tierwise.runtime.reading.datasets import Source, StoreOf, bound, resolve
from tierwise.runtime.reading.missing_times import untimed_rows

_KEPT_FOR = timedelta(minutes=5)  # labels may be corrected without a newer row


@dataclass(frozen=True, slots=True)
class _Examined:
    key: tuple[object, ...]
    at: datetime
    judgement: Judgement | Concern


class Examining:
    """Judges candidates on validation tables. It reads a table again if it has newer rows, and after five minutes."""

    def __init__(self) -> None:
        self._examined: dict[tuple[str, str], _Examined] = {}

    def examine(self, view: DeploymentView, fleet: Fleet, stores: StoreOf, now: datetime) -> Judgement | Concern | None:
        """Judge the spec's version against the stable one; None if there is nothing to judge.

        It returns a Concern for a problem of a table or dataset, and never raises for it.
        """
        gate, stable = view.spec.analysis.pre_release, view.status.stable
        if gate is None or stable is None or view.spec.version.name == stable.name:
            return None
        try:
            analysis = view.spec.analysis.model_copy(update={"datasets": [gate.analysis]})
            source = resolve(view.namespace, analysis, fleet, stores)[gate.dataset]
            scope = Scope(
                model=view.spec.model if source.dataset.spec.columns.model else None,
                baseline=stable.name,
                candidate=view.spec.version.name,
            )
            return self._examine(view, gate, source, scope, now)
        except ReasonedError as error:
            return concern_of(error, "preRelease: ")

    def forget(self, namespace: str, name: str) -> None:
        """Remove a ModelDeployment that no longer exists."""
        self._examined.pop((namespace, name), None)

    def _examine(
        self, view: DeploymentView, gate: PreRelease, source: Source, scope: Scope, now: datetime
    ) -> Judgement | Concern:
        newest = source.store.watermark(source.dataset, scope, now)
        if newest is None:
            text = f"dataset {gate.dataset!r} has no predictions on the validation set"
            return Concern(Reason.PRE_RELEASE, f"{text}; write those of both versions there")
        owner = (view.namespace, view.name)
        key = (gate, scope, pinned_hash(source.dataset), newest)
        known = self._examined.get(owner)
        if known is None or known.key != key or now - known.at > _KEPT_FOR:
            maturity = timedelta(seconds=duration_seconds(source.dataset.spec.maturity))
            window = Block(EPOCH, min(newest + timedelta(milliseconds=1), now - maturity))
            source.store.check(source.dataset)
            known = self._examined[owner] = _Examined(key, now, _judge(gate, source, scope, window, now))
        return known.judgement


def _judge(gate: PreRelease, source: Source, scope: Scope, window: Block, now: datetime) -> Judgement | Concern:
    dataset = source.dataset
    cells = source.store.read_cells(dataset, scope, [window])
    rows = cells.counts[0, 0].sum(axis=(1, 2))
    remedy = "write them there, both versions on the same set"
    place = Place(scope.baseline, scope.candidate, f"validation set {gate.dataset!r}: ", none=remedy, one=remedy)
    missing = detect_missing_arms((int(rows[BASELINE]), int(rows[CANDIDATE])), None, place)
    if missing:
        return replace(missing[0], reason=Reason.PRE_RELEASE)  # a person writes these rows, not the pods
    judged = judge_validation(gate.analysis, dataset, cells, gate.false_rejection_rate)
    concerns = (
        *recorded_arrival_concerns(source.store, [dataset], scope, window),
        *untimed_rows({gate.dataset: bound(source, scope)}, judged, now),
    )
    return replace(judged, concerns=concerns + judged.concerns)
