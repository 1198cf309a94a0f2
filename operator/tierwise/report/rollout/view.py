"""Sums up a ModelDeployment for people as plain values, from its objects and workloads. Pure.

Only `view_of` decides how a rollout is summed up. The tree, `status -o json`, `explain` and the HTML report all show
its result.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from tierwise.api.common import Condition, Version
from tierwise.api.modeldeployment import RefusedAnnotation, WorkloadDrift
from tierwise.api.modelrollout import TierStatus
from tierwise.api.names import ConditionType, GateDecision
from tierwise.api.reasons import Reason
from tierwise.report.rollout.members import Member, Tone, drifted, member_of
from tierwise.report.text import count_text
from tierwise.rollout.state.observation import DeploymentView, RolloutView, TierView


@dataclass(frozen=True, slots=True)
class TierLine:
    """One tier. `record` is its part of the rollout's status, None without a rollout."""

    name: str
    status: str
    tone: Tone
    ready: int
    total: int
    versions: tuple[str, ...]
    evidence: str
    seconds: float | None
    members: tuple[Member, ...]
    record: TierStatus | None


@dataclass(frozen=True, slots=True)
class View:
    """A ModelDeployment with its current rollout: the one in flight, else the newest."""

    namespace: str
    name: str
    model: str
    version: str
    stable: str | None
    result: str  # of the rollout, else of the deployment: Progressing, Completed, RolledBack, Stalled, Ready, …
    tone: Tone
    deployment_status: str
    deployment_tone: Tone
    rollout: RolloutView | None
    from_version: str | None
    to_version: str | None
    seconds: float | None
    reason: str
    message: str
    tiers: tuple[TierLine, ...]
    conditions: tuple[Condition, ...]
    refused: tuple[RefusedAnnotation, ...] = ()

    @property
    def drift(self) -> str | None:
        """Which workloads do not run what Tierwise applied, how they differ and who wrote; None: none is known."""
        found = next((c for c in self.conditions if c.type == ConditionType.IN_SYNC and c.status == "False"), None)
        return found.message if found is not None else None

    @property
    def in_flight(self) -> bool:
        """Whether the rollout still continues by itself."""
        return self.result in ("Progressing", "RollingBack", "Pending", "Paused", "Verifying")

    @property
    def slices_judged(self) -> Condition | None:
        """Whether promotion waits for slices; None before the first tier was planned."""
        found = self.rollout.status.conditions if self.rollout is not None else ()
        return next((condition for condition in found if condition.type == ConditionType.SLICES_JUDGED), None)

    @property
    def recovery(self) -> str | None:
        """The state of the recovery after a rollback, in words; None without a rollback, or if it is not checked."""
        found = self.rollout.status.recovery if self.rollout is not None else None
        return found.message if found is not None else None

    @property
    def verification(self) -> str | None:
        """The state of the verification of delivered tiers, in words; None if they are not watched."""
        found = self.rollout.status.verification if self.rollout is not None else None
        return found.message if found is not None else None

    @property
    def pods(self) -> tuple[int, int]:
        """The numbers of ready pods and of all pods of all tiers, including twins."""
        return sum(tier.ready for tier in self.tiers), sum(tier.total for tier in self.tiers)


RESULT_TONE: dict[str, Tone] = {
    "Progressing": "going",
    "RollingBack": "going",
    "Verifying": "going",
    "Completed": "good",
    "Ready": "good",
    "RolledBack": "bad",
    "Stalled": "bad",
    "Superseded": "quiet",
    "Paused": "waiting",
    "Pending": "waiting",
}
_PHASE_TONE: dict[str, Tone] = {
    "Pending": "quiet",
    "Probing": "going",
    "Judging": "going",
    "Delivering": "going",
    "Delivered": "good",
    "RollingBack": "going",
    "RolledBack": "bad",
    "Untouched": "quiet",
}


def view_of(
    deployment: DeploymentView, rollouts: Sequence[RolloutView], tiers: Sequence[TierView], now: datetime
) -> View:
    """Sum up a ModelDeployment. `rollouts` are in any order, `tiers` in spec order. Ages are relative to `now`."""
    rollout = current_rollout(deployment, rollouts)
    status, tone = _deployment_status(deployment)
    condition = _leading_condition(deployment.status.conditions)
    reason, message = (condition.reason, condition.message) if condition else ("", "")
    result, result_tone, seconds = status, tone, None
    from_version = to_version = None
    if not has_been_seen(deployment):
        # The status is about an older spec; nothing has been decided about the new one.
        result, result_tone = "Pending", "waiting"
        reason, message = "", f"the operator has not yet seen generation {deployment.generation} of the spec"
    elif rollout is not None:
        record = rollout.status
        result, result_tone = record.result, RESULT_TONE[record.result]
        if record.result == "Progressing" and status in ("Paused", "Stalled"):
            result, result_tone = status, tone
        is_over = record.finished_at is not None and status == "Progressing"  # and the next one has not begun
        is_fought_over = record.result == "Completed" and status == "Stalled" and reason == Reason.FIELD_CONFLICT
        if is_over or is_fought_over:
            result, result_tone = status, tone
        else:
            reason, message = record.reason or reason, record.message or message
    if rollout is not None:
        record = rollout.status
        seconds = ((record.finished_at or now) - (record.started_at or rollout.created_at)).total_seconds()
        from_version, to_version = rollout.spec.from_.name, rollout.spec.to.name
    known = _known_versions(deployment, rollout)
    drift = {record.uid: record for record in deployment.status.drift}
    records = {tier.name: tier for tier in rollout.status.tiers} if rollout else {}
    return View(
        namespace=deployment.namespace,
        name=deployment.name,
        model=deployment.spec.model,
        version=deployment.spec.version.name,
        stable=deployment.status.stable.name if deployment.status.stable else None,
        result=result,
        tone=result_tone,
        deployment_status=status,
        deployment_tone=tone,
        rollout=rollout,
        from_version=from_version,
        to_version=to_version,
        seconds=seconds,
        reason=reason,
        message=message,
        tiers=tuple(tier_line(tier.name, _members(tier, known, drift), records.get(tier.name), now) for tier in tiers),
        conditions=tuple(deployment.status.conditions),
        refused=tuple(deployment.status.refused),
    )


def has_been_seen(deployment: DeploymentView) -> bool:
    """Whether the status is about the present spec."""
    return deployment.status.observed_generation >= deployment.generation


def current_rollout(deployment: DeploymentView, rollouts: Sequence[RolloutView]) -> RolloutView | None:
    """The rollout in flight, else the newest; None before the first.

    Also None if the newest rollout is over and the spec has another version. (After a rollback a person may set
    spec.version back to stable, or to a version whose rollout has not begun, for example because of spec.paused. Then
    the old rollout is not current.)
    """
    by_revision = sorted(rollouts, key=lambda rollout: rollout.spec.revision)
    named = [rollout for rollout in by_revision if rollout.name == deployment.status.rollout]
    chosen = (named or by_revision)[-1:]
    if chosen and chosen[0].status.finished_at is not None and chosen[0].spec.to.name != deployment.spec.version.name:
        return None
    return chosen[0] if chosen else None


def _known_versions(deployment: DeploymentView, rollout: RolloutView | None) -> list[Version]:
    versions = [rollout.spec.to, rollout.spec.from_] if rollout else []
    versions += [v for v in (deployment.status.stable, deployment.status.previous_stable) if v is not None]
    versions.append(deployment.spec.version)
    # A version without image and parameters would match every pod.
    return [version for version in versions if version.image is not None or version.parameters]


def _condition(conditions: Sequence[Condition], kind: ConditionType) -> Condition | None:
    return next((c for c in conditions if c.type == kind and c.status == "True"), None)


def _leading_condition(conditions: Sequence[Condition]) -> Condition | None:
    order = (ConditionType.STALLED, ConditionType.PAUSED, ConditionType.RECONCILING, ConditionType.READY)
    return next((c for c in (_condition(conditions, kind) for kind in order) if c is not None), None)


def _deployment_status(deployment: DeploymentView) -> tuple[str, Tone]:
    match _leading_condition(deployment.status.conditions):
        case Condition(type=ConditionType.STALLED):
            return "Stalled", "bad"
        case Condition(type=ConditionType.PAUSED):
            return "Paused", "waiting"
        case Condition(type=ConditionType.READY):
            return "Ready", "good"
        case Condition():
            return "Progressing", "going"
        case None:
            return "Pending", "waiting"


def _members(tier: TierView, known: Sequence[Version], drift: Mapping[str, WorkloadDrift]) -> list[Member]:
    members = [drifted(member_of(each, each.kind, known), drift.get(each.uid)) for each in tier.workloads]
    for twin in tier.twins:
        place = next((i for i, m in enumerate(members) if m.name == twin.twin_of), len(members) - 1)
        members.insert(place + 1, member_of(twin, "Deployment", known))
    return members


def tier_line(name: str, members: list[Member], record: TierStatus | None, now: datetime) -> TierLine:
    """Sum up a tier from its workloads and twins, and its part of the rollout's status. Ages are relative to `now`."""
    status: str
    tone: Tone
    if record is not None:
        status, tone = record.phase, _PHASE_TONE[record.phase]
    elif not members:
        status, tone = "NoWorkloads", "bad"
    elif any(member.status == "Drifted" for member in members):
        status, tone = "Drifted", "bad"
    elif all(member.status == "Ready" for member in members):
        status, tone = "Ready", "good"
    else:
        status, tone = "Updating", "going"
    seconds = None
    if record is not None and record.started_at is not None:
        seconds = ((record.finished_at or now) - record.started_at).total_seconds()
    return TierLine(
        name=name,
        status=status,
        tone=tone,
        ready=sum(member.ready for member in members),
        total=sum(member.total for member in members),
        versions=tuple(dict.fromkeys(member.version or "?" for member in members)),
        evidence=_evidence_text(record) if record else "",
        seconds=seconds,
        members=tuple(members),
        record=record,
    )


def _evidence_text(record: TierStatus) -> str:
    """One line: what was found, on how many labels, and what the gate waits for."""
    parts = []
    coverage = record.coverage
    if coverage is not None and coverage.slices:
        found = (coverage.regressed, "regressed") if coverage.regressed else (coverage.non_inferior, "not worse")
        parts.append(f"{found[0]} of {coverage.slices} {found[1]}")
    if record.labels:
        parts.append(f"{count_text(record.labels)} {'label' if record.labels == 1 else 'labels'}")
    gate = record.gate
    if gate is not None and record.phase in ("Probing", "Judging") and gate.decision is GateDecision.HOLD:
        parts.append(f"waits: {gate.reason}")
    return " · ".join(parts)
