"""Handles a new version during a rollout: changed workloads return to `from`, and the evidence is not used again."""

from __future__ import annotations

from tierwise.api.modeldeployment import ModelDeploymentSpec
from tierwise.api.modelrollout import RolloutStrategy
from tierwise.api.reasons import Reason
from tierwise.rollout.delivery import rollback
from tierwise.rollout.state.flight import Flight, Step
from tierwise.rollout.state.versions import is_same


def strategy_of(spec: ModelDeploymentSpec) -> RolloutStrategy:
    """The strategy that a rollout would get if it started now."""
    return RolloutStrategy(
        delivery=spec.delivery,
        tiers=spec.tiers,
        analysis=spec.analysis,
        verify_recovery=spec.rollback.verify_recovery,
        progress_deadline=spec.progress_deadline,
    )


def successor(flight: Flight) -> str | None:
    """The name of the version that replaces this rollout; None if none does.

    It is another version, or the same version if this rollout is being deleted, or if it is Stalled and the strategy
    was changed.
    """
    wanted = flight.observation.deployment.spec
    version = wanted.version
    if version.image is None:  # as in the rollout's own `to`
        version = version.model_copy(update={"image": flight.spec.from_.image})
    if not is_same(version, flight.spec.to):
        return version.name
    if flight.status.result == "Stalled" and strategy_of(wanted) != flight.spec.strategy:
        return wanted.version.name
    if flight.rollout.deleting:
        return wanted.version.name
    return None


def begin(flight: Flight, by: str) -> Step:
    """Record the end of the rollout before anything is undone."""
    status = flight.status.model_copy(update={"superseded_by": by})
    message = f"superseded by {by}: returning to {flight.spec.from_.name}"
    return rollback.begin(flight, status, Reason.SUPERSEDED, message)
