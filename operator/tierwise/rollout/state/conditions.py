"""Conditions and the summary line. kstatus rules: never Reconciling and Stalled both True; Ready excludes both.

`Ready=True`: at rest. `Reconciling=True`: it continues by itself (rolling, holding, paused, waiting). `Stalled=True`: a
person has to do something. Conditions are authoritative. The summary is text that is made from them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from tierwise.api.common import Condition
from tierwise.api.modelrollout import (
    ModelRolloutStatus,
    Recovery,
    StoredEvidence,
    TierStatus,
    Verification,
    VerificationVerdict,
)
from tierwise.api.names import ConditionType
from tierwise.api.reasons import UNTRUSTED, Reason
from tierwise.plurals import plural
from tierwise.rollout.state.judged import judged_of_frozen, slices_judged
from tierwise.rollout.state.wording import clip

Truth = Literal["True", "False", "Unknown"]
Standing = Literal["Ready", "Reconciling", "Stalled"]  # which of the three conditions is True


@dataclass(frozen=True, slots=True)
class Report:
    """The content of an object's conditions."""

    health: Standing
    reason: Reason
    message: str
    others: Mapping[ConditionType, tuple[Truth, Reason, str]] = field(default_factory=dict)


def render(report: Report, before: Sequence[Condition], *, generation: int, now: datetime) -> list[Condition]:
    """The conditions of a report. A condition whose status does not change keeps its transition time."""
    wanted: dict[ConditionType, tuple[Truth, Reason, str]] = {
        condition_type: ("True" if report.health == name else "False", report.reason, report.message)
        for condition_type, name in (
            (ConditionType.READY, "Ready"),
            (ConditionType.RECONCILING, "Reconciling"),
            (ConditionType.STALLED, "Stalled"),
        )
    }
    wanted.update(report.others)
    old = {condition.type: condition for condition in before}
    return [_condition(kind, content, old.get(kind), generation, now) for kind, content in wanted.items()]


def _condition(
    kind: ConditionType, content: tuple[Truth, Reason, str], old: Condition | None, generation: int, now: datetime
) -> Condition:
    status, reason, message = content
    since = old.last_transition_time if old is not None and old.status == status else now
    return Condition(
        type=str(kind),
        status=status,
        reason=str(reason),
        message=clip(message),
        observed_generation=generation,
        last_transition_time=since,
    )


def current_tier(status: ModelRolloutStatus) -> TierStatus | None:
    """The tier in flight: the first that is not delivered; None before the start and after the last."""
    return next((tier for tier in status.tiers if tier.phase != "Delivered"), None)


def rollout_report(status: ModelRolloutStatus) -> Report:
    """The report of a ModelRollout. While it is in flight, its ModelDeployment uses the same report."""
    reason, message = Reason(status.reason or Reason.PROBING), status.message
    match status.result:
        case "Completed":
            health: Standing = "Ready"
        case "Stalled" | "RolledBack" | "Superseded":
            health = "Stalled"
        case "Progressing" | "RollingBack" | "Verifying":
            health = "Reconciling"
    is_moving = status.result in ("Progressing", "RollingBack", "Verifying")
    is_rolled_back = status.result in ("RollingBack", "RolledBack", "Verifying") and reason is not Reason.SUPERSEDED
    others: dict[ConditionType, tuple[Truth, Reason, str]] = {
        ConditionType.PROGRESSING: ("True" if is_moving else "False", reason, message),
        ConditionType.ANALYSIS_HEALTHY: _analysis(status),
        ConditionType.ROLLED_BACK: ("True" if is_rolled_back else "False", reason, message),
    }
    judged = slices_judged_now(status)
    if judged is not None:
        others[ConditionType.SLICES_JUDGED] = judged
    if status.recovery is not None:
        others[ConditionType.RECOVERED] = recovered(status.recovery)
    if status.verification is not None and status.verification.stage == "AfterRollout":
        others[ConditionType.VERIFIED] = verified(status.verification)
    if status.evidence is not None:
        others[ConditionType.EVIDENCE_STORED] = stored(status.evidence)
    return Report(health, reason, message, others)


def slices_judged_now(status: ModelRolloutStatus) -> tuple[Truth, Reason, str] | None:
    """Whether promotion waits for slices, by the plan of the tier that was planned last; None before the first."""
    tier = next((tier for tier in reversed(status.tiers) if tier.frozen is not None), None)
    if tier is None or tier.frozen is None:
        return None
    found = slices_judged(judged_of_frozen(tier.frozen))
    if found is None:
        return None
    message = f"{tier.name}: {found.message}"
    return ("True", Reason.SLICES_JUDGED, message) if found.judged else ("False", Reason.NO_SLICE_JUDGED, message)


def recovered(recovery: Recovery) -> tuple[Truth, Reason, str]:
    """Whether the baseline recovered after a rollback; Unknown until it was checked to the end."""
    if recovery.failed_at is not None:
        return ("False", Reason.RECOVERY_FAILED, recovery.message)
    if recovery.verified_at is not None:
        return ("True", Reason.RECOVERY_VERIFIED, recovery.message)
    reason = Reason.VERIFYING_RECOVERY if recovery.superseded_by is None else Reason.SUPERSEDED
    return ("Unknown", reason, recovery.message)


def verified(verification: Verification) -> tuple[Truth, Reason, str]:
    """Whether a delivered version did not regress; Unknown until it was watched to the end."""
    truth: dict[VerificationVerdict, tuple[Truth, Reason]] = {
        "Verifying": ("Unknown", Reason.VERIFYING),
        "NoRegression": ("True", Reason.VERIFIED),
        "Regressed": ("False", Reason.REGRESSED_AFTER_PROMOTION),
        "NotVerified": ("Unknown", Reason.NOT_VERIFIED),
        "Superseded": ("Unknown", Reason.SUPERSEDED),
    }
    return (*truth[verification.verdict], verification.message)


def stored(evidence: StoredEvidence) -> tuple[Truth, Reason, str]:
    """Whether the verdicts so far are in the store."""
    if evidence.failing_since is not None:
        return ("False", Reason.EVIDENCE_NOT_STORED, evidence.message)
    return ("True", Reason.EVIDENCE_STORED, "every verdict so far is in ml_verdicts")


def _analysis(status: ModelRolloutStatus) -> tuple[Truth, Reason, str]:
    tier = current_tier(status)
    if tier is None or tier.gate is None:
        return ("Unknown", Reason.WARMING_UP, "nothing is judged")
    gate = tier.gate
    if gate.reason in UNTRUSTED:
        return ("False", gate.reason, gate.message)
    if tier.judging_since is None or tier.look == 0:
        return ("Unknown", gate.reason, gate.message)
    return ("True", gate.reason, f"{plural(tier.look, 'block')} and {plural(tier.labels, 'label')} judged")
