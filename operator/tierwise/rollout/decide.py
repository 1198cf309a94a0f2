"""decide(): all that Tierwise does to a ModelDeployment in one tick, as a pure function of the observation."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from tierwise.api.modelrollout import ModelRolloutStatus
from tierwise.rollout import deployment
from tierwise.rollout.answers import answered
from tierwise.rollout.deletion import decide_deletion
from tierwise.rollout.delivery.recovery import checked, recovering
from tierwise.rollout.delivery.verification import verified, verifying
from tierwise.rollout.housekeeping import housekeeping
from tierwise.rollout.record.events import deployment_events, rollout_events
from tierwise.rollout.record.size import fitted
from tierwise.rollout.record.stored import lost_events, with_all_writing, writing_events
from tierwise.rollout.restore import restored
from tierwise.rollout.state import drift
from tierwise.rollout.state.actions import Decision, Event
from tierwise.rollout.state.observation import Observation, RolloutView


def decide(observation: Observation, now: datetime) -> Decision:
    """The actions, the statuses and the Events of this tick.

    Actions are idempotent and level-triggered: a second decision on an unchanged cluster has the same actions, so a
    crash at any point only repeats work. `requeue_after_seconds` 0 means at once; None means only after a change.
    """
    view = observation.deployment
    if view.deleting:
        return decide_deletion(observation, now)
    if view.status.first_seen_at is None:
        return deployment.first_sight(observation, now)
    flying = deployment.in_flight(observation)
    seen = answered(observation, flying, now)
    seen = seen.model_copy(update={"drift": drift.recorded(observation, flying, now, seen.drift)})
    if seen != view.status:  # told first: commands without effect, and what others wrote
        return Decision(seen, events=deployment_events(view.status, seen), requeue_after_seconds=0.0)
    if flying is None:
        rollout = recovering(observation) or verifying(observation)
        decision = checked(observation, deployment.rest(observation, now), now)
        decision = verified(observation, decision, now)
    else:
        rollout = flying
        decision = deployment.fly(observation, rollout, now)
    decision = restored(observation, decision, flying)
    if decision.rollout_status is not None:
        decision = replace(decision, rollout_status=fitted(decision.rollout_status))
    decision = with_all_writing(observation, decision, rollout.name if rollout is not None else None, now)
    if not decision.actions and not _writes(observation, rollout, decision):
        decision = _kept_house(observation, decision, now)
    return replace(decision, events=_events(observation, rollout, decision, now))


def statuses_after(rollout: RolloutView | None, decision: Decision) -> dict[str, ModelRolloutStatus]:
    """The rollouts' statuses that a decision writes, by name; `rollout` is the one that it is about."""
    main = {} if rollout is None or decision.rollout_status is None else {rollout.name: decision.rollout_status}
    return {**decision.others, **main}


def _writes(observation: Observation, rollout: RolloutView | None, decision: Decision) -> bool:
    if decision.deployment_status != observation.deployment.status:
        return True
    if decision.others:
        return True
    return rollout is not None and decision.rollout_status not in (None, rollout.status)


def _kept_house(observation: Observation, decision: Decision, now: datetime) -> Decision:
    actions = housekeeping(observation, now)
    return replace(decision, actions=actions, requeue_after_seconds=0.0) if actions else decision


def _events(
    observation: Observation, rollout: RolloutView | None, decision: Decision, now: datetime
) -> tuple[Event, ...]:
    events = deployment_events(observation.deployment.status, decision.deployment_status)
    if rollout is not None and decision.rollout_status is not None:
        events = rollout_events(rollout.status, decision.rollout_status) + events
    told = writing_events(observation, statuses_after(rollout, decision))
    return (*events, *told, *lost_events(observation, decision, now))
