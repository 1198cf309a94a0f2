"""What of the evidence is in the store: told in statuses and by Events, and asked before an object goes. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from tierwise.api.modelrollout import ModelRolloutStatus, StoredEvidence
from tierwise.api.reasons import Reason
from tierwise.rollout.record.verdicts import due_decisions
from tierwise.rollout.state.actions import Decision, DeleteRollout, Event
from tierwise.rollout.state.conditions import render, rollout_report
from tierwise.rollout.state.observation import Observation, RolloutView
from tierwise.rollout.state.wording import clip

KEPT_UNSTORED = timedelta(days=7)  # a finished rollout waits so long for its verdicts to be stored
MOST_UNSTORED = 20  # so many beyond historyLimit wait for it
_MOST_KEYS = 64


def with_writing(
    observation: Observation, rollout: RolloutView, status: ModelRolloutStatus, now: datetime
) -> ModelRolloutStatus:
    """The status with what became of its verdicts; the same one when nothing is new."""
    writing = (observation.writing or {}).get(rollout.uid)
    if writing is None or rollout.deleting:
        return status
    before = status.evidence or StoredEvidence()
    due = {decided.key for decided in due_decisions(observation.deployment, rollout, status, now)}
    recorded = {decided.key for decided in due_decisions(observation.deployment, rollout, rollout.status, now)}
    written = [*before.written, *sorted((writing.written & recorded) - set(before.written))]
    # Keys of a pause say whether the next one resumes; others that are not due are of a command that came before.
    kept = [key for key in written if key in due or key.startswith("/pause ")]
    since, message = writing.failing_since, writing.message
    if since is not None and before.failing_since is not None:
        since = min(since, before.failing_since)
    after = StoredEvidence(written=kept[-_MOST_KEYS:], failing_since=since, message=clip(message))
    if after == before:
        return status
    status = status.model_copy(update={"evidence": after})
    conditions = render(rollout_report(status), status.conditions, generation=rollout.generation, now=now)
    return status.model_copy(update={"conditions": conditions})


def with_all_writing(observation: Observation, decision: Decision, name: str | None, now: datetime) -> Decision:
    """The decision with what became of the verdicts of all rollouts; `name` is the one that it is about."""
    others: dict[str, ModelRolloutStatus] = {}
    for rollout in observation.rollouts:
        is_main = rollout.name == name
        status = (decision.rollout_status if is_main else None) or rollout.status
        after = with_writing(observation, rollout, status, now)
        if after == status:
            continue
        if is_main:
            decision = replace(decision, rollout_status=after)
        else:
            others[rollout.name] = after
    return replace(decision, others=others) if others else decision


def writing_events(observation: Observation, after: Mapping[str, ModelRolloutStatus]) -> Iterator[Event]:
    """When writing begins to fail, and when it succeeds again; on the ModelDeployment, which outlives the rollout."""
    for rollout in observation.rollouts:
        new = after[rollout.name].evidence if rollout.name in after else None
        if new is None:
            continue
        was = rollout.status.evidence is not None and rollout.status.evidence.failing_since is not None
        if new.failing_since is not None and not was:
            message = f"the verdicts of {rollout.name} are not stored, which is tried again: {new.message}"
            yield Event("Warning", str(Reason.EVIDENCE_NOT_STORED), clip(message))
        elif new.failing_since is None and was:
            yield Event("Normal", str(Reason.EVIDENCE_STORED), f"the verdicts of {rollout.name} are in ml_verdicts")


def lost_events(observation: Observation, decision: Decision, now: datetime) -> Iterator[Event]:
    """What is deleted although the store never took all of it."""
    deleted = {action.uid for action in decision.actions if isinstance(action, DeleteRollout)}
    for rollout in observation.rollouts:
        lost = unstored(observation, rollout, now) if rollout.uid in deleted else ()
        if lost:
            why = rollout.status.evidence.message if rollout.status.evidence is not None else ""
            names = ", ".join(key.removeprefix("/") for key in lost)
            text = f"{rollout.name} is deleted (historyLimit), and ml_verdicts has not got its {names}"
            yield Event("Warning", str(Reason.EVIDENCE_LOST), clip(f"{text}: {why}" if why else text))


def unstored(observation: Observation, rollout: RolloutView, now: datetime) -> tuple[str, ...]:
    """Keys of decisions and commands that the store does not have; empty where verdicts are not stored at all."""
    if observation.writing is None:
        return ()
    evidence, writing = rollout.status.evidence, observation.writing.get(rollout.uid)
    done = set(evidence.written if evidence is not None else ()) | set(writing.written if writing is not None else ())
    due = (decided.key for decided in due_decisions(observation.deployment, rollout, rollout.status, now))
    return tuple(key for key in due if key not in done)


def may_go(observation: Observation, rollout: RolloutView, now: datetime) -> bool:
    """Whether historyLimit may delete the rollout: its verdicts are stored, or were waited for long enough."""
    ended = rollout.status.finished_at
    return not unstored(observation, rollout, now) or (ended is not None and now - ended >= KEPT_UNSTORED)
