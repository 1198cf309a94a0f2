"""A deleted ModelDeployment: twins go, workloads stay as they are, the finalizers are released."""

from __future__ import annotations

from tierwise.rollout.state.actions import Action, Decision, DeleteTwin, SetFinalizer
from tierwise.rollout.state.observation import Observation

_POLL_SECONDS = 1.0


def decide_deletion(observation: Observation) -> Decision:
    """Needs neither the prediction log nor ready pods, so that nothing can keep the object from going."""
    view = observation.deployment
    twins = [twin for tier in observation.tiers for twin in tier.twins if twin.owned]
    if twins:
        actions: tuple[Action, ...] = tuple(DeleteTwin(twin.name, twin.uid) for twin in twins if not twin.deleting)
        return Decision(view.status, actions=actions, requeue_after_seconds=_POLL_SECONDS)
    releases = [SetFinalizer(False, rollout.name) for rollout in observation.rollouts if rollout.has_finalizer]
    if view.has_finalizer:
        releases.append(SetFinalizer(False))
    return Decision(view.status, actions=tuple(releases))
