"""Workloads in memory: templates, and pods that become ready as time moves."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from tierwise.rollout.state.observation import Pods, Running, TwinView, WorkloadView

Arm = Literal["baseline", "candidate"]


@dataclass(frozen=True, slots=True)
class SimulatedPod:
    """A ready pod: where it is and what its own spec says it serves."""

    name: str
    workload: str
    labels: Mapping[str, str]
    arm: Arm
    image: str
    environment: Mapping[str, str]


@dataclass(slots=True)
class SimulatedWorkload:
    """A workload: pods of a changed template are ready `ready_seconds` later, the old ones serve until then.

    `owner` is the uid of the ModelRollout of a twin. A container named otherwise than `container` does not exist.
    """

    name: str
    uid: str
    labels: Mapping[str, str]
    container: str
    running: Running
    replicas: int
    ready_seconds: float
    changed_at: datetime
    serving: Running | None = None  # what the pods ran before the last change; None: there were none
    template: dict[str, object] = field(default_factory=dict)
    last_writer: str = "kubectl"
    owner: str | None = None
    twin_of: str | None = None
    blocked: str | None = None
    deleting_until: datetime | None = None
    autoscaled: bool = False
    kind: str = "Deployment"
    identity: str | None = None

    def fingerprint(self) -> str:
        """Of the template without image and environment."""
        return hashlib.sha256(json.dumps(self.template, sort_keys=True).encode()).hexdigest()[:16]

    def set_running(self, running: Running, now: datetime, writer: str) -> None:
        """Change the pod template; nothing happens when it is the same."""
        self.last_writer = writer
        if running == self.running:
            return
        if self.is_rolled_out(now):
            self.serving = self.running
        self.running, self.changed_at = running, now

    def is_rolled_out(self, now: datetime) -> bool:
        """Whether the pods of the newest template had the time to start."""
        return (now - self.changed_at).total_seconds() >= self.ready_seconds

    def pods(self, now: datetime, *, is_broken: bool, is_unready: bool) -> Pods:
        """Counts as a watch cache would have them."""
        if self.blocked is not None or self.replicas == 0:
            return Pods()
        if self.is_rolled_out(now) and not is_broken and not is_unready:
            return Pods(total=self.replicas, ready=self.replicas)
        old = self.replicas if self.serving is not None else 0
        crashing = self.replicas if is_broken and self.is_rolled_out(now) else 0
        return Pods(total=self.replicas + old, ready=old, crash_looping=crashing, outdated=old)

    def view(self, now: datetime, container: str, *, is_broken: bool, is_unready: bool) -> WorkloadView:
        """As a workload of a tier."""
        pods = self.pods(now, is_broken=is_broken, is_unready=is_unready)
        return WorkloadView(
            kind=self.kind,
            name=self.name,
            uid=self.uid,
            replicas=self.replicas,
            running=self.running if container == self.container else None,
            containers=(self.container,),
            template_fingerprint=self.fingerprint(),
            settled=pods.ready == self.replicas and pods.outdated == 0,
            pods=pods,
            last_writer=self.last_writer,
            autoscaled=self.autoscaled,
            identity=self.identity,
        )

    def twin_view(self, now: datetime, *, is_owned: bool, is_broken: bool, is_unready: bool) -> TwinView:
        """As a twin, or as a foreign object of a twin's name."""
        pods = self.pods(now, is_broken=is_broken, is_unready=is_unready)
        return TwinView(
            name=self.name,
            uid=self.uid,
            twin_of=self.twin_of or "",
            owned=is_owned,
            replicas=self.replicas,
            running=self.running,
            template_fingerprint=self.fingerprint(),
            settled=pods.ready == self.replicas and pods.outdated == 0,
            pods=pods,
            blocked=self.blocked,
            deleting=self.deleting_until is not None,
        )
