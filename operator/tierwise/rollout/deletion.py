"""A deleted ModelDeployment: twins go, workloads stay as they are, the finalizers are released.

Where the candidate has the place of some of a workload's own pods, it goes from there too.
"""

from __future__ import annotations

from tierwise.rollout.delivery.converge import restoration
from tierwise.rollout.state.actions import Action, Decision, DeleteTwin, Deliver, SetFinalizer
from tierwise.rollout.state.flight import FINISHED
from tierwise.rollout.state.observation import Observation
from tierwise.rollout.state.versions import is_running

_POLL_SECONDS = 1.0
_UNDECIDED = ("Probing", "Judging", "RollingBack")


def decide_deletion(observation: Observation) -> Decision:
    """Needs neither the prediction log nor ready pods, so that nothing can keep the object from going."""
    view = observation.deployment
    twins = [twin for tier in observation.tiers for twin in tier.twins if twin.owned]
    if twins:
        actions: tuple[Action, ...] = tuple(DeleteTwin(twin.name, twin.uid) for twin in twins if not twin.deleting)
        return Decision(view.status, actions=actions, requeue_after_seconds=_POLL_SECONDS)
    restoring = _restoring(observation) if observation.refused is None else ()
    if restoring:
        return Decision(view.status, actions=restoring, requeue_after_seconds=_POLL_SECONDS)
    releases = [SetFinalizer(False, rollout.name) for rollout in observation.rollouts if rollout.has_finalizer]
    if view.has_finalizer:
        releases.append(SetFinalizer(False))
    return Decision(view.status, actions=tuple(releases))


def _restoring(observation: Observation) -> tuple[Action, ...]:
    """Bring back version and update strategy of workloads of which only some pods have the candidate.

    Their pods are not waited for.
    """
    actions: list[Action] = []
    views = {view.uid: view for tier in observation.tiers for view in tier.workloads}
    for rollout in observation.rollouts:
        if rollout.status.result in FINISHED:
            continue
        container, from_ = rollout.spec.strategy.delivery.container, rollout.spec.from_
        for tier in rollout.status.tiers:
            for record in tier.workloads:
                view = views.get(record.uid)
                if view is None or view.running is None or record.candidate_pods != "InPlace":
                    continue
                if tier.phase in _UNDECIDED and record.applied and not is_running(view.running, from_):
                    who = (tier.name, view.kind, view.name, view.uid, container)
                    actions.append(Deliver(*who, from_, force=True, update_strategy=record.update_strategy))
                elif record.update_strategy not in (None, view.update_strategy):
                    actions.append(restoration(view, record.update_strategy))
    return tuple(actions)
