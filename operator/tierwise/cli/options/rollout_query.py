"""The queries of a rollout that the store has: its verdicts, and the looks at its tiers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tierwise.api.monitoringdataset import MonitoringDatasetSpec
from tierwise.api.reasons import Reason
from tierwise.errors import SpecError
from tierwise.monitoring.counts.model import Block, Dataset, Scope
from tierwise.monitoring.planning.required_reads import reads_of
from tierwise.monitoring.planning.tier_plan import groupings_of
from tierwise.monitoring.query.look.counts import Query
from tierwise.monitoring.query.look.explain import Asked
from tierwise.rollout.record.past import PastRollout
from tierwise.rollout.record.verdicts import VerdictRecord
from tierwise.runtime.reading.datasets import scope_of

VERDICTS = "verdicts"

_SQL = """SELECT tier, decision, reason, decided_at, dataset, metric, value, verdict, culprit,
    baseline_value, candidate_value, difference, low, high, log10_e, baseline_n, candidate_n,
    message, verb, command, given_by
FROM ml_verdicts FINAL
WHERE namespace = {namespace:String} AND rollout = {rollout:String} AND rollout_uid = {uid:String}
ORDER BY decided_at, tier, decision, culprit DESC, log10_e DESC"""
_COLUMNS: Mapping[str, str] = {
    "tier": "of which the decision is; empty: of the rollout",
    "decision": "Promote, RollBack, Supersede of a tier; Start, Completed, RolledBack, …, Command of the rollout",
    "metric": "empty in the row of the decision itself; otherwise a slice and metric that it was made on",
    "value": "the slice, such as carrier=HA; empty: the whole",
    "low": "with high: the time-uniform interval of the difference",
    "given_by": "field manager of the annotation, for commands",
}


@dataclass(frozen=True, slots=True)
class TierLook:
    """What the operator asked of one dataset while it judged a tier, as one block."""

    tier: str
    dataset: Dataset
    scope: Scope
    block: Block


def verdicts_asked(past: PastRollout) -> Asked:
    """The query of everything that is stored of a rollout."""
    view = past.rollout
    parameters = {"namespace": past.namespace, "rollout": view.name, "uid": view.uid}
    return Asked(VERDICTS, f"every verdict of {view.name}", Query(_SQL, parameters), _COLUMNS)


def looks_of(
    past: PastRollout, tiers: Sequence[str], given: Mapping[str, MonitoringDatasetSpec]
) -> tuple[TierLook, ...]:
    """Per judged tier and dataset. `given` are manifests that replace what was stored of the datasets.

    Raises:
        SpecError: no tier was judged, or a dataset was neither stored nor given.
    """
    found = tuple(_looks(past, tiers, {**past.datasets, **given}))
    if not found:
        raise SpecError(
            f"rollout {past.rollout.name}: no tier was judged" + (f" of {', '.join(tiers)}" if tiers else ""),
            "--show verdicts has what was decided",
            reason=Reason.INVALID_SPEC,
        )
    return found


def _looks(past: PastRollout, tiers: Sequence[str], specs: Mapping[str, MonitoringDatasetSpec]) -> Iterator[TierLook]:
    spec = past.rollout.spec
    for record in past.decisions:
        tier = record.decided.tier
        judged = _judged(record)
        if not tier or judged is None or (tiers and tier not in tiers):
            continue
        for item in spec.strategy.analysis.datasets:
            if item.name not in specs:
                raise SpecError(
                    f"MonitoringDataset {item.name!r} was gone when rollout {past.rollout.name} was stored",
                    "give its manifest with --dataset",
                    reason=Reason.DATASET_MISSING,
                )
            known = specs[item.name]
            dataset = Dataset(item.name, known, groupings_of(item, known), reads=reads_of(item, known))
            yield TierLook(tier, dataset, scope_of(spec, dataset, (tier,)), judged)


def _judged(record: VerdictRecord) -> Block | None:
    """The prediction times that were folded until the decision."""
    found = next((tier for tier in record.status.tiers if tier.name == record.decided.tier), None)
    if found is None or found.judging_since is None or found.evidence_until is None:
        return None
    return Block(found.judging_since, found.evidence_until) if found.evidence_until > found.judging_since else None
