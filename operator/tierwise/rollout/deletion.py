"""A deleted ModelDeployment: twins go, workloads stay as they are, the finalizers are released.

Where the candidate has the place of some of a workload's own pods, it goes from there too. What Tierwise changed of an
update strategy comes back as the last act.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from tierwise.api.common import Version, duration_seconds
from tierwise.api.modelrollout import ModelRolloutSpec, TierStatus, WorkloadStatus
from tierwise.api.reasons import Reason
from tierwise.plurals import plural
from tierwise.rollout.delivery.converge import restored
from tierwise.rollout.state.actions import Action, Decision, DeleteTwin, Deliver, Event, SetFinalizer
from tierwise.rollout.state.flight import FINISHED
from tierwise.rollout.state.observation import Observation, WorkloadView
from tierwise.rollout.state.versions import is_running
from tierwise.rollout.state.wording import clip

_POLL_SECONDS = 1.0
_UNDECIDED = ("Probing", "Judging", "RollingBack")


@dataclass(frozen=True, slots=True)
class _Touched:
    """A workload that an unfinished rollout wrote to, and the version that its template is to be left with."""

    spec: ModelRolloutSpec
    tier: TierStatus
    record: WorkloadStatus
    view: WorkloadView

    @property
    def goes_back(self) -> bool:
        """Whether only some of its pods have the candidate."""
        return self.record.candidate_pods == "InPlace" and self.tier.phase in _UNDECIDED

    @property
    def version(self) -> Version:
        """What its pods are to run."""
        return self.spec.from_ if self.goes_back else self.spec.to


def decide_deletion(observation: Observation, now: datetime) -> Decision:
    """Needs no prediction log, and waits for pods no longer than `progressDeadline`: nothing keeps the object for ever.

    Pods are waited for only where the update strategy that they need is not the workload's own.
    """
    view = observation.deployment
    twins = [twin for tier in observation.tiers for twin in tier.twins if twin.owned]
    if twins:
        actions: tuple[Action, ...] = tuple(DeleteTwin(twin.name, twin.uid) for twin in twins if not twin.deleting)
        return Decision(view.status, actions=actions, requeue_after_seconds=_POLL_SECONDS)
    touched = list(_touched(observation))
    waiting = [each for each in touched if _is_waited_for(each)]
    is_over = observation.refused is not None or all(_is_overdue(observation, each, now) for each in waiting)
    if not is_over:
        actions = tuple(delivery for each in waiting if (delivery := _delivery(each)) is not None)
        return Decision(view.status, actions=actions, requeue_after_seconds=_POLL_SECONDS)
    restoring = [restored(each.view, each.record)[0] for each in touched]
    releases = [SetFinalizer(False, rollout.name) for rollout in observation.rollouts if rollout.has_finalizer]
    if view.has_finalizer:
        releases.append(SetFinalizer(False))
    actions = (*(action for action in restoring if action is not None), *releases)
    return Decision(view.status, actions=actions, events=_told(observation, waiting) if releases else ())


def _touched(observation: Observation) -> Iterator[_Touched]:
    views = {view.uid: view for tier in observation.tiers for view in tier.workloads}
    for rollout in observation.rollouts:
        if rollout.status.result in FINISHED:
            continue
        for tier in rollout.status.tiers:
            for record in tier.workloads:
                view = views.get(record.uid)
                if view is not None and record.delivered:
                    yield _Touched(rollout.spec, tier, record, view)


def _is_waited_for(each: _Touched) -> bool:
    """Whether its template, or pods that only the present update strategy replaces, are not right yet."""
    view, own = each.view, each.record.update_strategy
    if view.running is None:
        return False
    if each.goes_back and not is_running(view.running, each.version):
        return True
    is_held = own not in (None, view.update_strategy) or view.updating is not None or view.stuck > 0
    return own is not None and is_held and view.pods.outdated > 0


def _delivery(each: _Touched) -> Deliver | None:
    """The write that its pods need; None where they only need time."""
    view = each.view
    is_template_right = is_running(view.running, each.version)
    if is_template_right and view.updating is None and not view.stuck:
        return None
    if not is_template_right and not each.goes_back:  # what others wrote stays as it is
        return None
    container, own = each.spec.strategy.delivery.container, each.record.update_strategy
    who = (each.tier.name, view.kind, view.name, view.uid, container)
    return Deliver(*who, each.version, force=True, update_strategy=own)


def _is_overdue(observation: Observation, each: _Touched, now: datetime) -> bool:
    since = observation.deployment.deleted_at or now
    return (now - since).total_seconds() >= duration_seconds(each.spec.strategy.progress_deadline)


def _told(observation: Observation, waiting: list[_Touched]) -> tuple[Event, ...]:
    """What is left undone, as nobody is there to do it later."""
    if observation.refused is not None:
        return (Event("Warning", str(Reason.DELIVERY_REFUSED), clip(f"left as it is: {observation.refused}")),)
    left = [
        f"{each.view.kind} {each.view.name}: {plural(each.view.pods.outdated, 'pod')} without {each.version.name}"
        for each in waiting
    ]
    text = f"left as it is: {'; '.join(left)} after progressDeadline"
    return (Event("Warning", str(Reason.ROLLING_BACK), clip(text)),) if left else ()
