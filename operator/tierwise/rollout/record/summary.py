"""The ModelDeployment's conditions and the text of its row in `kubectl get`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from tierwise.api.common import duration_seconds
from tierwise.api.modeldeployment import ModelDeploymentStatus, Summary
from tierwise.api.modelrollout import ModelRolloutSpec, ModelRolloutStatus, SliceVerdict
from tierwise.api.names import ConditionType
from tierwise.api.reasons import Reason
from tierwise.plurals import plural
from tierwise.rollout.state import drift
from tierwise.rollout.state.conditions import Report, Truth, current_tier, render
from tierwise.rollout.state.observation import Observation
from tierwise.rollout.state.wording import clip


def with_report(
    status: ModelDeploymentStatus, report: Report, observation: Observation, now: datetime, *, label: str
) -> ModelDeploymentStatus:
    """The status at rest with the report's conditions and a summary made from them."""
    return _rendered(status, report, observation, now, Summary(status=label, message=clip(report.message) or None))


def with_rollout_report(
    status: ModelDeploymentStatus,
    report: Report,
    observation: Observation,
    now: datetime,
    rollout: tuple[ModelRolloutSpec, ModelRolloutStatus],
) -> ModelDeploymentStatus:
    """The status while a rollout is in flight."""
    spec, rolling = rollout
    tier = current_tier(rolling)
    worst = tier.worst[0] if tier is not None and tier.worst else None
    summary = Summary(
        status=_label(report, rolling),
        tier=tier.name if tier is not None else rolling.tier,
        worst_slice=None if worst is None else _slice_text(worst),
        message=clip(_unjudged(report) + report.message) or None,
        until=_until(spec, rolling),
    )
    return _rendered(status, report, observation, now, summary)


def _rendered(
    status: ModelDeploymentStatus, report: Report, observation: Observation, now: datetime, summary: Summary
) -> ModelDeploymentStatus:
    is_paused = observation.deployment.spec.paused
    others: dict[ConditionType, tuple[Truth, Reason, str]] = {
        ConditionType.AVAILABLE: _available(status, observation),
        ConditionType.IN_SYNC: drift.in_sync(status, observation),
        ConditionType.PROGRESSING: ("False", report.reason, report.message),
        ConditionType.ANALYSIS_HEALTHY: ("Unknown", report.reason, "nothing is judged"),
        ConditionType.ROLLED_BACK: ("False", report.reason, ""),
        **report.others,
        ConditionType.PAUSED: (
            "True" if is_paused else "False",
            Reason.PAUSED,
            f"spec.paused is {str(is_paused).lower()}",
        ),
    }
    if observation.namesakes:
        others[ConditionType.MODEL_NAME_UNIQUE] = ("False", Reason.MODEL_NAME_SHARED, namesakes_text(observation))
    unstored = _unstored(observation)
    if unstored is not None:
        others[ConditionType.EVIDENCE_STORED] = unstored
    full = Report(report.health, report.reason, report.message, others)
    generation = observation.deployment.generation
    conditions = render(full, status.conditions, generation=generation, now=now)
    return status.model_copy(update={"conditions": conditions, "observed_generation": generation, "summary": summary})


def _unstored(observation: Observation) -> tuple[Truth, Reason, str] | None:
    """Which rollout's verdicts are not in the store, the newest first, and what to run."""
    for rollout in reversed(observation.rollouts):
        evidence = rollout.status.evidence
        if evidence is not None and evidence.failing_since is not None:
            return ("False", Reason.EVIDENCE_NOT_STORED, clip(f"{rollout.name}: {evidence.message}"))
    return None


def namesakes_text(observation: Observation) -> str:
    """A message that names the ModelDeployments whose predictions the log mixes with this one's, and the remedy."""
    return shared_text(observation.namesakes, observation.deployment.spec.model)


def shared_text(names: Sequence[str], model: str) -> str:
    """A message that names the ModelDeployments with the same model name, and the remedy."""
    return clip(
        f"ModelDeployment {', '.join(names)} has spec.model {model!r} too: the log tells models apart "
        "by that name alone, so each is judged on the other's predictions as well; give them different names"
    )


def _available(status: ModelDeploymentStatus, observation: Observation) -> tuple[Truth, Reason, str]:
    if status.stable is None:
        return ("False", Reason.WAITING_FOR_WORKLOADS, "no version is stable yet")
    views = [view for tier in observation.tiers for view in tier.workloads]
    down = [view.name for view in views if view.replicas and not view.pods.ready]
    if down:
        shown = ", ".join(down[:5])
        return ("False", Reason.BASELINE_UNREADY, f"no ready pod in {shown}")
    return (
        "True",
        Reason.AT_REST,
        f"{status.stable.name} is stable; each of {plural(len(views), 'workload')} has ready pods",
    )


def _label(report: Report, rolling: ModelRolloutStatus) -> str:
    if rolling.result == "Progressing":
        if report.reason is Reason.PAUSED:
            return "Paused"
        tier = current_tier(rolling)
        is_held = (
            tier is not None and tier.phase == "Judging" and tier.gate is not None and tier.gate.decision == "Hold"
        )
        return "Holding" if is_held and report.reason not in (Reason.WARMING_UP, Reason.SOAKING) else "Rolling"
    return str(rolling.result)


def _slice_text(verdict: SliceVerdict) -> str:
    where = ",".join(f"{key}={value}" for key, value in sorted(verdict.slice.items()))
    return clip(f"{verdict.metric} {where or 'overall'}", 128)


def _unjudged(report: Report) -> str:
    """What is said before all else: no slice can be judged."""
    truth, _, message = report.others.get(ConditionType.SLICES_JUDGED, ("True", None, ""))
    return f"{message} | " if truth == "False" else ""


def _until(spec: ModelRolloutSpec, rolling: ModelRolloutStatus) -> str | None:
    """When the current tier's maxDuration is over."""
    tier = current_tier(rolling)
    if tier is None or tier.judging_since is None or tier.phase != "Judging":
        return None
    longest = next(t.max_duration for t in spec.strategy.tiers if t.name == tier.name)
    end = tier.judging_since + timedelta(seconds=duration_seconds(longest))
    return end.isoformat(timespec="seconds").replace("+00:00", "Z")
