"""The workloads and candidate twins of a tier, in the form in which they are shown. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from tierwise.api.common import Version
from tierwise.api.modeldeployment import WorkloadDrift
from tierwise.plurals import agreeing, plural
from tierwise.rollout.state.observation import Pods, Running, TwinView, WorkloadView
from tierwise.rollout.state.versions import is_running

Tone = Literal["good", "bad", "going", "waiting", "quiet"]


@dataclass(frozen=True, slots=True)
class Member:
    """A workload of a tier or a candidate twin. `version` None: it runs none of the known versions."""

    kind: str
    name: str
    role: Literal["Workload", "Twin"]
    status: str
    tone: Tone
    ready: int
    total: int
    version: str | None
    message: str | None = None


def member_of(item: WorkloadView | TwinView, kind: str, known: Sequence[Version]) -> Member:
    """The shown form of a workload or a twin."""
    role: Literal["Workload", "Twin"] = "Twin" if isinstance(item, TwinView) else "Workload"
    version = version_of(item.running, known)
    shared = _versions_in_place(item, known) if isinstance(item, WorkloadView) else None
    message = item.blocked if isinstance(item, TwinView) else None
    status: str
    tone: Tone
    if message:
        status, tone = "Blocked", "bad"
    elif isinstance(item, TwinView) and item.deleting:
        status, tone = "Deleting", "going"
    elif item.pods.crash_looping:
        status, tone = "CrashLoop", "bad"
        message = f"{item.pods.crash_looping} of {_crashing(item.pods)}"
    elif (item.settled or shared is not None) and item.pods.ready >= item.replicas:
        status, tone = "Ready", "good"
    else:
        status, tone = "Updating", "going"
    if shared is not None:
        version, message = (
            "+".join(name for name, _ in shared),
            message or ", ".join(f"{n} {name}" for name, n in shared),
        )
    total = max(item.replicas, item.pods.total)
    return Member(kind, item.name, role, status, tone, item.pods.ready, total, version, message)


def _crashing(pods: Pods) -> str:
    return f"{plural(pods.total, 'pod')} {agreeing(pods.crash_looping, 'crashes', 'crash')}"


def drifted(member: Member, record: WorkloadDrift | None) -> Member:
    """The member, marked where another writer changed it."""
    if record is None or record.in_sync:
        return member
    return replace(member, status="Drifted", tone="bad", message=f"{record.difference}, by {record.writer}")


def _versions_in_place(view: WorkloadView, known: Sequence[Version]) -> list[tuple[str, int]] | None:
    """The versions of a workload's own pods with their numbers; None unless its update strategy keeps pods back."""
    if view.updating is None or len(view.groups) < 2:
        return None
    return sorted((version_of(group.running, known) or "?", group.pods.total) for group in view.groups)


def version_of(running: Running | None, known: Sequence[Version]) -> str | None:
    """The name of the known version whose image and parameters a pod template has; None if there is none."""
    return next((version.name for version in known if is_running(running, version)), None)
