"""Keeps annotations, finalizers and the history in line with the statuses, only in ticks that write no status.

Each of these writes changes an object's resourceVersion, so a status write in the same tick would fail.
"""

from __future__ import annotations

from datetime import datetime

from tierwise.api.names import ANNOTATION_ROLLBACK_AT, ANNOTATION_ROLLBACK_REASON, ANNOTATION_ROLLED_BACK_FROM
from tierwise.rollout.delivery import verification
from tierwise.rollout.delivery.recovery import is_open
from tierwise.rollout.record.stored import MOST_UNSTORED, may_go
from tierwise.rollout.start import rejected
from tierwise.rollout.state.actions import Action, Annotate, DeleteRollout, SetFinalizer
from tierwise.rollout.state.flight import FINISHED
from tierwise.rollout.state.observation import Observation, RolloutView
from tierwise.rollout.state.versions import is_same
from tierwise.rollout.state.wording import clip

_OURS = (ANNOTATION_ROLLED_BACK_FROM, ANNOTATION_ROLLBACK_REASON, ANNOTATION_ROLLBACK_AT)


def housekeeping(observation: Observation, now: datetime) -> tuple[Action, ...]:
    """The actions that are due, at most one kind at a time; empty if nothing is due."""
    return _annotations(observation) or _finalizers(observation) or _history(observation, now)


def _annotations(observation: Observation) -> tuple[Action, ...]:
    view, status = observation.deployment, observation.deployment.status
    if status.stable is None:
        return ()
    entry = rejected(observation, status.stable)
    wanted: dict[str, str | None] = {}
    if entry is not None:
        at = entry.at.isoformat(timespec="seconds").replace("+00:00", "Z")
        wanted = dict(zip(_OURS, (entry.name, clip(entry.reason), at), strict=True))
    elif is_same(view.spec.version, status.stable):
        wanted = dict.fromkeys(_OURS, None)
    changed = {key: value for key, value in wanted.items() if view.annotations.get(key) != value}
    return (Annotate(changed),) if changed else ()


def _finalizers(observation: Observation) -> tuple[Action, ...]:
    view = observation.deployment
    finished = [rollout for rollout in observation.rollouts if rollout.status.result in FINISHED]
    releases: list[Action] = [SetFinalizer(False, rollout.name) for rollout in finished if rollout.has_finalizer]
    if view.status.rollout is None and view.has_finalizer:
        releases.append(SetFinalizer(False))
    return tuple(releases)


def _is_watched(observation: Observation, rollout: RolloutView) -> bool:
    """Whether the recovery or verification continues, or its result still needs an action."""
    watched = (verification.verifying(observation), verification.regressed(observation))
    return is_open(rollout.status) or any(found is not None and found.name == rollout.name for found in watched)


def _history(observation: Observation, now: datetime) -> tuple[Action, ...]:
    limit = observation.deployment.spec.history_limit
    finished = sorted(
        (
            rollout
            for rollout in observation.rollouts
            if rollout.status.result in FINISHED and not rollout.deleting and not _is_watched(observation, rollout)
        ),
        key=lambda rollout: rollout.spec.revision,
        reverse=True,
    )
    # Beyond so many, waiting for the store would fill the cluster with objects.
    gone = [
        rollout
        for place, rollout in enumerate(finished[limit:])
        if place >= MOST_UNSTORED or may_go(observation, rollout, now)
    ]
    return tuple(DeleteRollout(rollout.name, rollout.uid) for rollout in gone)
