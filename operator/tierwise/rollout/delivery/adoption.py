"""First sight: what runs is adopted or captured as stable, without writing to a workload."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from tierwise.api.common import Version, duration_seconds
from tierwise.api.reasons import Reason
from tierwise.plurals import agreeing, plural
from tierwise.rollout.delivery import validate
from tierwise.rollout.delivery.converge import missing_container
from tierwise.rollout.state.conditions import Standing
from tierwise.rollout.state.observation import Observation
from tierwise.rollout.state.versions import captured, is_running

CAPTURED_PREFIX = "captured-"


@dataclass(frozen=True, slots=True)
class Adoption:
    """The stable version, or why there is none yet."""

    stable: Version | None
    health: Standing
    reason: Reason
    message: str


def adopt(observation: Observation, now: datetime) -> Adoption:
    """What to call stable when nothing is yet.

    Pods that match the spec's image *and* parameters are the spec's version. Something else everywhere is captured:
    a rollout from it is uncompared (the log does not know its name) but reversible.
    """
    spec = observation.deployment.spec
    problem = validate.spec_problem(spec) or validate.overlap_problem(observation)
    if problem is not None:
        return Adoption(None, "Stalled", problem.reason, problem.message)
    missing = validate.empty_tier(spec, observation)
    if missing is not None:
        return _wait(observation, now, missing, overdue=Reason.NO_WORKLOADS)
    workloads = [view for tier in observation.tiers for view in tier.workloads]
    for view in workloads:
        if view.running is None:
            text = missing_container(view, spec.delivery.container)
            return Adoption(None, "Stalled", Reason.CONTAINER_MISSING, text)
    changing = next((view for view in workloads if view.pods.outdated), None)
    if changing is not None:
        old = changing.pods.outdated
        does = f"{plural(old, 'pod')} {agreeing(old, 'does', 'do')} not run its template yet"
        text = f"{changing.kind} {changing.name}: {does}"
        return _wait(observation, now, text, overdue=Reason.WAITING_FOR_WORKLOADS)
    if all(is_running(view.running, spec.version) for view in workloads):
        tiers = plural(len(observation.tiers), "tier")
        text = f"{spec.version.name} runs in {plural(len(workloads), 'workload')} of {tiers}"
        return Adoption(spec.version, "Ready", Reason.ADOPTED, text)
    found = {view.name: captured(view.running, spec.version) for view in workloads if view.running is not None}
    if len({version.name for version in found.values()}) > 1:
        shown = ", ".join(f"{name}: {version.image or version.name}" for name, version in sorted(found.items())[:8])
        text = f"the workloads run different things ({shown}); bring them to one version first"
        return Adoption(None, "Stalled", Reason.MIXED_BASELINE, text)
    stable = next(iter(found.values()))
    text = f"what runs ({stable.image or 'its parameters'}) is kept as {stable.name}: restorable, not comparable"
    return Adoption(stable, "Reconciling", Reason.ADOPTED, text)


def _wait(observation: Observation, now: datetime, message: str, *, overdue: Reason) -> Adoption:
    since = observation.deployment.status.first_seen_at or now
    deadline = duration_seconds(observation.deployment.spec.progress_deadline)
    if (now - since).total_seconds() >= deadline:
        return Adoption(None, "Stalled", overdue, message)
    return Adoption(None, "Reconciling", Reason.WAITING_FOR_WORKLOADS, message)


def is_captured(version: Version) -> bool:
    """Whether the version was captured at first sight, so that the log does not know it by its name."""
    return version.name.startswith(CAPTURED_PREFIX)
