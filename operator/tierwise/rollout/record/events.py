"""Kubernetes Events: one for each transition, found by comparing the old status with the new one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from tierwise.api.common import Condition
from tierwise.api.modeldeployment import ModelDeploymentStatus
from tierwise.api.modelrollout import ModelRolloutStatus
from tierwise.api.names import ConditionType, GateDecision
from tierwise.api.reasons import Reason
from tierwise.rollout.state import drift
from tierwise.rollout.state.actions import Event
from tierwise.rollout.state.conditions import slices_judged_now
from tierwise.rollout.state.wording import clip

_WARNINGS = frozenset({"RolledBack", "RollingBack", "Stalled"})


def deployment_events(before: ModelDeploymentStatus, after: ModelDeploymentStatus) -> tuple[Event, ...]:
    """Events for a new stable version and for changed conditions."""
    return tuple(_deployment(before, after))


def _deployment(before: ModelDeploymentStatus, after: ModelDeploymentStatus) -> Iterator[Event]:
    if after.stable is not None and (before.stable is None or before.stable.name != after.stable.name):
        reason = Reason.ADOPTED if before.stable is None else Reason.COMPLETED
        yield Event("Normal", str(reason), f"{after.stable.name} is the stable version")
    old, new = _stalled(before.conditions), _stalled(after.conditions)
    if new is not None and (old is None or old.reason != new.reason):
        yield Event("Warning", new.reason, new.message)

    yield from _refused(before, after)
    yield from _drifted(before, after)
    if _shared(after.conditions) is not None and _shared(before.conditions) is None:
        yield Event("Warning", str(Reason.MODEL_NAME_SHARED), _shared(after.conditions) or "")


def _refused(before: ModelDeploymentStatus, after: ModelDeploymentStatus) -> Iterator[Event]:
    told = {(entry.annotation, entry.value) for entry in before.refused}
    for entry in after.refused:
        if (entry.annotation, entry.value) not in told:
            yield Event("Warning", str(Reason.COMMAND_REFUSED), clip(entry.message))


def _drifted(before: ModelDeploymentStatus, after: ModelDeploymentStatus) -> Iterator[Event]:
    old = {record.uid: record for record in before.drift}
    for record in after.drift:
        known = old.get(record.uid)
        if record.in_sync:
            continue
        if known is None or known.in_sync or drift.text(known) != drift.text(record):
            reason = Reason.FIELD_CONFLICT if drift.given_up([record]) else Reason.DRIFTED
            yield Event("Warning", str(reason), clip(drift.text(record)))
        if record.restored and not (known is not None and known.restored):
            yield Event("Normal", str(Reason.IN_SYNC), f"{record.kind} {record.name}: {record.version} is restored")


def _shared(conditions: list[Condition]) -> str | None:
    return next((c.message for c in conditions if c.type == ConditionType.MODEL_NAME_UNIQUE), None)


def _stalled(conditions: list[Condition]) -> Condition | None:
    return next((c for c in conditions if c.type == ConditionType.STALLED and c.status == "True"), None)


def rollout_events(before: ModelRolloutStatus, after: ModelRolloutStatus) -> tuple[Event, ...]:
    """Events for changed results, phases and gates, and for foreign writes."""
    return tuple(_rollout(before, after))


def _rollout(before: ModelRolloutStatus, after: ModelRolloutStatus) -> Iterator[Event]:
    if before.result != after.result and after.result != "Progressing":
        kind: Literal["Normal", "Warning"] = "Warning" if after.result in _WARNINGS else "Normal"
        yield Event(kind, after.reason, clip(f"{after.result}: {after.message}"), on="rollout")
    yield from _unjudged(before, after)
    yield from _recovery(before, after)
    yield from _verification(before, after)
    old_tiers = {tier.name: tier for tier in before.tiers}
    for tier in after.tiers:
        old = old_tiers.get(tier.name)
        if old is None:
            continue
        if old.phase != tier.phase and tier.phase not in ("Untouched", "RollingBack"):
            yield Event("Normal", tier.phase, f"{tier.name}: {old.phase} → {tier.phase}", on="rollout")
        if tier.gate is not None and (old.gate is None or old.gate.reason != tier.gate.reason):
            kind = "Warning" if tier.gate.decision is GateDecision.ROLL_BACK else "Normal"
            message = clip(f"{tier.name}: {tier.gate.decision}: {tier.gate.message}")
            yield Event(kind, str(tier.gate.reason), message, on="rollout")
        if sum(w.foreign_writes for w in tier.workloads) > sum(w.foreign_writes for w in old.workloads):
            yield Event("Warning", str(Reason.FIELD_CONFLICT), f"{tier.name}: {after.message}", on="rollout")


def _unjudged(before: ModelRolloutStatus, after: ModelRolloutStatus) -> Iterator[Event]:
    """A tier was planned of which no slice can be judged: told before a candidate pod exists."""
    old, new = slices_judged_now(before), slices_judged_now(after)
    if new is None or new[0] != "False" or new == old:
        return
    _, reason, message = new
    # Also on the ModelDeployment: that is what people describe.
    yield Event("Warning", str(reason), clip(message), on="rollout")
    yield Event("Warning", str(reason), clip(message))


def _recovery(before: ModelRolloutStatus, after: ModelRolloutStatus) -> Iterator[Event]:
    found = after.recovery
    if found is None or before.recovery == found:
        return
    # Also on the ModelDeployment, because people look there if no rollout is in flight.
    if found.verified_at is not None:
        yield Event("Normal", str(Reason.RECOVERY_VERIFIED), found.message, on="rollout")
        yield Event("Normal", str(Reason.RECOVERY_VERIFIED), found.message)
    elif found.failed_at is not None:
        yield Event("Warning", str(Reason.RECOVERY_FAILED), found.message, on="rollout")
        yield Event("Warning", str(Reason.RECOVERY_FAILED), found.message)


def _verification(before: ModelRolloutStatus, after: ModelRolloutStatus) -> Iterator[Event]:
    found, old = after.verification, before.verification
    if found is None or (old is not None and old.verdict == found.verdict):
        return
    reasons = {
        "NoRegression": Reason.VERIFIED,
        "Regressed": Reason.REGRESSED_AFTER_PROMOTION,
        "NotVerified": Reason.NOT_VERIFIED,
    }
    if found.verdict in reasons:
        kind: Literal["Normal", "Warning"] = "Normal" if found.verdict == "NoRegression" else "Warning"
        yield Event(kind, str(reasons[found.verdict]), found.message, on="rollout")
        yield Event(kind, str(reasons[found.verdict]), found.message)
