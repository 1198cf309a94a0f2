"""`spec.drift: Restore`: a change by another writer at rest is undone, once per workload."""

from __future__ import annotations

from dataclasses import replace

from tierwise.api.modeldeployment import WorkloadDrift
from tierwise.api.names import FIELD_MANAGER
from tierwise.rollout.delivery.validate import overlap_problem
from tierwise.rollout.state import drift
from tierwise.rollout.state.actions import Decision, Deliver
from tierwise.rollout.state.flight import RETRY_SECONDS
from tierwise.rollout.state.observation import Observation, RolloutView


def restored(observation: Observation, decision: Decision, rollout: RolloutView | None) -> Decision:
    """The decision with the deliveries that restore workloads. The changes were recorded in an earlier tick.

    If the decision has actions of its own, it is returned as it is: they go first.
    """
    view = observation.deployment
    if view.spec.drift != "Restore" or view.spec.paused or decision.actions:
        return decision
    found = drift.expected(observation, rollout) or ()
    records = {record.uid: record for record in view.status.drift if _is_due(record)}
    due = [each for each in found if not each.is_delivered and each.view.uid in records]
    if not due or overlap_problem(observation) is not None:
        return decision
    if observation.refused is not None:
        after = decision.requeue_after_seconds
        return replace(decision, requeue_after_seconds=RETRY_SECONDS if after is None else min(after, RETRY_SECONDS))
    delivery = view.spec.delivery if rollout is None else rollout.spec.strategy.delivery
    actions = tuple(
        Deliver(
            tier=each.tier,
            kind=each.view.kind,
            workload_name=each.view.name,
            workload_uid=each.view.uid,
            container=delivery.container,
            version=each.version,
            force=each.view.last_writer != FIELD_MANAGER,
        )
        for each in due
    )
    written = {action.workload_uid for action in actions}
    kept = [
        record.model_copy(update={"restored": True}) if record.uid in written else record
        for record in decision.deployment_status.drift
    ]
    status = decision.deployment_status.model_copy(update={"drift": kept})
    return replace(decision, deployment_status=status, actions=actions, requeue_after_seconds=0.0)


def _is_due(record: WorkloadDrift) -> bool:
    return not record.in_sync and not record.restored and record.foreign_writes < drift.FOREIGN_WRITES_TO_STOP
