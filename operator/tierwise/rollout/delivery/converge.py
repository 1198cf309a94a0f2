"""Bringing workloads to a version, and telling foreign writes apart. Replicas are never written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tierwise.api.common import Version
from tierwise.api.modelrollout import WorkloadStatus
from tierwise.api.names import FIELD_MANAGER
from tierwise.api.reasons import Reason
from tierwise.plurals import plural
from tierwise.rollout.state.actions import Action, Deliver, RestoreStrategy
from tierwise.rollout.state.drift import FOREIGN_WRITES_TO_STOP
from tierwise.rollout.state.flight import Flight
from tierwise.rollout.state.observation import WorkloadView
from tierwise.rollout.state.versions import difference, is_running

Mark = Literal["applied", "restored"]


@dataclass(frozen=True, slots=True)
class Convergence:
    """What has to be done so that workloads run a version. At most one of `foreign` and `actions` is not empty."""

    records: tuple[WorkloadStatus, ...]
    actions: tuple[Action, ...] = ()
    foreign: tuple[str, ...] = ()  # first foreign writes, to be recorded before they are undone
    conflicts: tuple[str, ...] = ()  # repeated foreign writes, or a container that is gone
    conflict_reason: Reason = Reason.FIELD_CONFLICT
    waiting: tuple[str, ...] = ()  # workloads whose pods are not there yet
    is_written: bool = True  # whether nothing is left to write: the actions, if any, only delete broken pods


@dataclass(frozen=True, slots=True)
class Target:
    """The version that workloads of a tier should run.

    `mark` names the record's field that says that the version was written: what differs after it is a foreign write.
    """

    tier: str
    version: Version
    mark: Mark


@dataclass(frozen=True, slots=True)
class _Found:
    """What converging one workload asks for."""

    record: WorkloadStatus
    action: Action | None = None
    foreign: str | None = None
    conflict: str | None = None
    reason: Reason = Reason.FIELD_CONFLICT
    waiting: str | None = None
    is_written: bool = True


def is_done(view: WorkloadView) -> bool:
    """Whether the template's pods are the only ones and all ready: updated = available = replicas, none terminating."""
    pods = view.pods
    return view.settled and pods.ready >= view.replicas and pods.outdated == 0 and pods.terminating == 0


def converge(flight: Flight, target: Target, records: Sequence[WorkloadStatus]) -> Convergence:
    """Compare each recorded workload with the version that it should run."""
    found = [_converge(flight, target, record) for record in records]
    foreign = tuple(each.foreign for each in found if each.foreign is not None)
    kept = tuple(each.record for each in found)
    if foreign:  # a record that must precede its effect is a tick of its own
        kept = tuple(
            new if new.foreign_writes != old.foreign_writes else old for new, old in zip(kept, records, strict=True)
        )
    return Convergence(
        records=kept,
        actions=() if foreign else tuple(each.action for each in found if each.action is not None),
        foreign=foreign,
        conflicts=tuple(each.conflict for each in found if each.conflict is not None),
        conflict_reason=next((each.reason for each in found if each.conflict is not None), Reason.FIELD_CONFLICT),
        waiting=tuple(each.waiting for each in found if each.waiting is not None),
        is_written=all(each.is_written for each in found),
    )


def _converge(flight: Flight, target: Target, record: WorkloadStatus) -> _Found:
    view = flight.workload(target.tier, record)
    if view is None:  # deleted, or made anew under the same name: nothing of ours is in it
        return _Found(record)
    if view.running is None:
        text = missing_container(view, flight.spec.strategy.delivery.container)
        return _Found(record, conflict=text, reason=Reason.CONTAINER_MISSING)
    if is_running(view.running, target.version):
        marked = record.model_copy(update={target.mark: True})
        return _finish(flight, target, marked, view)
    if record.foreign_writes >= FOREIGN_WRITES_TO_STOP:
        return _Found(record, conflict=overwritten(view, target.version))
    if getattr(record, target.mark):
        writes = record.foreign_writes + 1
        is_last = writes >= FOREIGN_WRITES_TO_STOP
        strategy = record.update_strategy or view.update_strategy
        changes = {target.mark: is_last, "foreign_writes": writes, "update_strategy": strategy}
        counted = record.model_copy(update=changes)
        text = overwritten(view, target.version)
        return _Found(counted, conflict=text) if is_last else _Found(counted, foreign=text)
    return _Found(
        record.model_copy(update={target.mark: True}),
        action=delivery_of(flight, target, record, view),
        waiting=f"{view.kind} {view.name} gets {target.version.name}",
        is_written=False,
    )


def _finish(flight: Flight, target: Target, record: WorkloadStatus, view: WorkloadView) -> _Found:
    """The template is right: what its pods and its update strategy still lack."""
    if not is_done(view):
        is_kept_back = view.pods.outdated > 0 and view.updating is not None
        is_blocked = view.pods.outdated > 0 and view.stuck > 0
        action = delivery_of(flight, target, record, view) if is_kept_back or is_blocked else None
        return _Found(record, action=action, waiting=_pods_text(view), is_written=not is_kept_back)
    restoring, after = restored(view, record)
    if restoring is None:
        return _Found(after)
    text = f"{view.kind} {view.name} gets its own updateStrategy back"
    return _Found(after, action=restoring, waiting=text, is_written=False)


def restored(view: WorkloadView, record: WorkloadStatus) -> tuple[RestoreStrategy | None, WorkloadStatus]:
    """The action that gives a workload its own update strategy back, if it lacks it, and the record after it.

    It is written once: what the cluster's own defaults or webhooks make of it then is theirs.
    """
    own = record.update_strategy
    action = None if own in (None, view.update_strategy) else restoration(view, own)
    return action, record.model_copy(update={"update_strategy": None})


def restoration(view: WorkloadView, update_strategy: str) -> RestoreStrategy:
    """The action that gives a workload its own update strategy back."""
    return RestoreStrategy(view.kind, view.name, view.uid, update_strategy)


def delivery_of(
    flight: Flight, target: Target, record: WorkloadStatus, view: WorkloadView, pods: int | None = None
) -> Deliver:
    """The action that brings the version into the workload: into so many of its pods, or into all."""
    # Force takes the fields over: at the first write of a rollout and at the one that undoes a foreign write.
    return Deliver(
        tier=target.tier,
        kind=view.kind,
        workload_name=view.name,
        workload_uid=view.uid,
        container=flight.spec.strategy.delivery.container,
        version=target.version,
        force=target.mark == "applied" or view.last_writer != FIELD_MANAGER,
        pods=pods,
        update_strategy=record.update_strategy,
    )


def _pods_text(view: WorkloadView) -> str:
    pods = view.pods
    others = (f", {pods.outdated} of the old ones left" if pods.outdated else "") + (
        f", {pods.terminating} terminating" if pods.terminating else ""
    )
    new = max(0, pods.ready - pods.outdated)
    stuck = (
        f"; its controller waits for {plural(view.stuck, 'unready old pod')}: Tierwise deletes them one at "
        "a time, and where it may not (candidatePodsInPlace: false) delete them yourself"
        if view.stuck
        else ""
    )
    return f"{view.kind} {view.name} has {new} of {plural(view.replicas, 'pod')} ready{others}{stuck}"


def overwritten(view: WorkloadView, version: Version) -> str:
    """That another writer changed what was delivered, and who."""
    writer = view.last_writer or "an unknown manager"
    return f"{view.kind} {view.name}: {writer} overwrote {version.name} ({difference(view.running, version)})"


def missing_container(view: WorkloadView, container: str) -> str:
    """The message for a container that the workload does not have."""
    return (
        f"{view.kind} {view.name} has no container {container!r} (containers: {', '.join(view.containers)}); "
        "set spec.delivery.container"
    )


def conflict_message(found: Convergence) -> str:
    """What is in the way, and the remedy."""
    text = "; ".join(found.conflicts)
    return text + conflict_remedy() if found.conflict_reason is Reason.FIELD_CONFLICT else text


def conflict_remedy(fields: str = "the container's image and parameters") -> str:
    """What ends a fight with another writer over these fields."""
    return f"; let it ignore {fields}, then set tierwise.io/retry or a new version"
