"""Workloads that others changed while no rollout writes to them: which, who, and what is said of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from tierwise.api.common import Version
from tierwise.api.modeldeployment import ModelDeploymentStatus, WorkloadDrift
from tierwise.api.modelrollout import TierPhase
from tierwise.api.reasons import Reason
from tierwise.rollout.state.flight import FINISHED
from tierwise.rollout.state.observation import Observation, RolloutView, WorkloadView
from tierwise.rollout.state.versions import difference, is_running
from tierwise.rollout.state.wording import clip

# The first foreign write is undone, also in a rollout. A tool that writes again would restart pods for ever.
FOREIGN_WRITES_TO_STOP = 2
MOST_KEPT = 40
MOST_NAMED = 3

_FROM: tuple[TierPhase, ...] = ("Pending", "Untouched", "RolledBack")


@dataclass(frozen=True, slots=True)
class Expected:
    """A workload that no rollout writes to now, and the version that it should run.

    `is_delivered`: a rollout in flight delivered it, and undoes foreign writes itself.
    """

    tier: str
    view: WorkloadView
    version: Version
    is_delivered: bool = False


def expected(observation: Observation, rollout: RolloutView | None) -> tuple[Expected, ...] | None:
    """All that should run the stable or the delivered version; None while that is about to change."""
    status = observation.deployment.status
    if rollout is None:
        stable = status.stable
        if stable is None:
            return ()
        return tuple(Expected(tier.name, view, stable) for tier in observation.tiers for view in tier.workloads)
    if status.rollout != rollout.name or rollout.status.result in FINISHED or not rollout.status.tiers:
        return None
    return tuple(_outside_the_tier_in_flight(observation, rollout))


def _outside_the_tier_in_flight(observation: Observation, rollout: RolloutView) -> Iterator[Expected]:
    phases = {record.name: record.phase for record in rollout.status.tiers}
    for tier in observation.tiers:
        phase = phases.get(tier.name)
        if phase in _FROM:
            yield from (Expected(tier.name, view, rollout.spec.from_) for view in tier.workloads)
        elif phase == "Delivered":
            yield from (Expected(tier.name, view, rollout.spec.to, is_delivered=True) for view in tier.workloads)


def recorded(
    observation: Observation, rollout: RolloutView | None, now: datetime, before: list[WorkloadDrift]
) -> list[WorkloadDrift]:
    """What is to be remembered of changed workloads, and what was remembered `before` as long as it holds."""
    found = expected(observation, rollout)
    if found is None:
        return before
    known = {record.uid: record for record in before}
    is_counted = observation.deployment.spec.drift == "Restore"
    records = [_recorded(each, known.get(each.view.uid), now, is_counted=is_counted) for each in found]
    kept = [record for record in records if record is not None]
    return sorted(kept, key=lambda record: record.in_sync)[:MOST_KEPT]


def _recorded(due: Expected, old: WorkloadDrift | None, now: datetime, *, is_counted: bool) -> WorkloadDrift | None:
    view = due.view
    if old is not None and old.version != due.version.name:
        old = None
    if view.running is None:  # its container is gone, which is told elsewhere
        return old
    if is_running(view.running, due.version):
        # The count outlives the repair, or a tool that writes again and again would never be noticed.
        is_kept = old is not None and is_counted and not due.is_delivered
        return old.model_copy(update={"in_sync": True, "restored": True}) if is_kept and old is not None else None
    seen = {
        "in_sync": False,
        "writer": clip(view.last_writer or "an unknown manager", 128),
        "difference": clip(difference(view.running, due.version), 300),
    }
    if old is None:
        return WorkloadDrift(
            kind=view.kind, name=view.name, uid=view.uid, version=due.version.name, since=now
        ).model_copy(update=seen)
    if old.restored:
        writes = min(old.foreign_writes + 1, FOREIGN_WRITES_TO_STOP)
        return old.model_copy(update={**seen, "since": now, "foreign_writes": writes, "restored": False})
    return old.model_copy(update=seen)


def forgiven(records: Sequence[WorkloadDrift]) -> list[WorkloadDrift]:
    """The records after `retry`: foreign writes count anew."""
    return [
        record.model_copy(update={"foreign_writes": 1, "restored": False}) for record in records if not record.in_sync
    ]


def given_up(records: Sequence[WorkloadDrift]) -> list[WorkloadDrift]:
    """Workloads that were changed again after a restore: a person has to stop the other writer."""
    return [record for record in records if record.foreign_writes >= FOREIGN_WRITES_TO_STOP and not record.in_sync]


def text(record: WorkloadDrift) -> str:
    """``Deployment bot-3 does not run v1: image a instead of b, written by kubectl-set``."""
    again = "; it was restored once before" if record.foreign_writes >= FOREIGN_WRITES_TO_STOP else ""
    differs = f"{record.difference}, written by {record.writer}"
    return f"{record.kind} {record.name} does not run {record.version}: {differs}{again}"


def summary(records: Sequence[WorkloadDrift]) -> str | None:
    """What differs now; None where nothing does."""
    drifted = [record for record in records if not record.in_sync]
    if not drifted:
        return None
    more = f"; and {len(drifted) - MOST_NAMED} more" if len(drifted) > MOST_NAMED else ""
    return clip("; ".join(text(record) for record in drifted[:MOST_NAMED]) + more)


def in_sync(
    status: ModelDeploymentStatus, observation: Observation
) -> tuple[Literal["True", "False", "Unknown"], Reason, str]:
    """The condition InSync."""
    if status.stable is None:
        return ("Unknown", Reason.WAITING_FOR_WORKLOADS, "no version is stable yet")
    found = summary(status.drift)
    if found is not None:
        if observation.refused is not None and observation.deployment.spec.drift == "Restore":
            found = clip(f"{found}; not restored: {observation.refused}")
        reason = Reason.FIELD_CONFLICT if given_up(status.drift) else Reason.DRIFTED
        return ("False", reason, found)
    views = [view for tier in observation.tiers for view in tier.workloads]
    if not views:
        return ("Unknown", Reason.WAITING_FOR_WORKLOADS, "no workload is there")
    unnamed = next((view for view in views if view.running is None), None)
    if unnamed is not None:
        return ("Unknown", Reason.CONTAINER_MISSING, f"{unnamed.kind} {unnamed.name} lacks the stated container")
    if status.rollout is not None:
        return ("True", Reason.IN_SYNC, "every workload outside the tier in flight runs what Tierwise applied")
    return ("True", Reason.IN_SYNC, f"every workload runs what Tierwise applied: {status.stable.name}")
