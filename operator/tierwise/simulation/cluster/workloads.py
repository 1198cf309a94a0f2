"""Workloads in memory: templates, and pods that become ready as time passes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from tierwise.rollout.state.observation import PodGroup, Pods, Running, TwinView, WorkloadView

Arm = Literal["baseline", "candidate"]
OPEN, HELD = '{"type": "RollingUpdate"}', '{"type": "Held"}'  # update strategies: all pods get a template, or some


@dataclass(frozen=True, slots=True)
class SimulatedPod:
    """A ready pod: its tier, and the version that its own spec names."""

    name: str
    workload: str
    labels: Mapping[str, str]
    arm: Arm
    image: str
    environment: Mapping[str, str]


@dataclass(slots=True)
class SimulatedWorkload:
    """A workload. Pods of a changed template are ready after `ready_seconds`; the old ones serve until then.

    `owner` is the uid of the ModelRollout of a twin. The only container is `container`.
    """

    name: str
    uid: str
    labels: Mapping[str, str]
    container: str
    running: Running
    replicas: int
    ready_seconds: float
    changed_at: datetime
    former: tuple[tuple[Running, int], ...] = ()  # what the pods ran before the last change, with their numbers
    template: dict[str, object] = field(default_factory=dict)
    last_writer: str = "kubectl"
    owner: str | None = None
    twin_of: str | None = None
    blocked: str | None = None
    deleting_until: datetime | None = None
    autoscaled: bool = False
    kind: str = "Deployment"
    identity: str | None = None
    update_strategy: str | None = None
    updating: int | None = None  # how many pods have the new template; None: all
    others: Running | None = None  # what the other pods run

    def fingerprint(self) -> str:
        """The fingerprint of the template without image and environment."""
        return hashlib.sha256(json.dumps(self.template, sort_keys=True).encode()).hexdigest()[:16]

    def set_running(self, running: Running, now: datetime, writer: str) -> None:
        """Change the pod template of all pods. Nothing happens if all pods have it already."""
        self.last_writer = writer
        mixed = self._mixed()
        if self.update_strategy == HELD:
            self.update_strategy = OPEN
        if all(each == running for each, _ in mixed):
            self.running, self.updating = running, None
            return
        if self.is_rolled_out(now) or self.updating is not None:
            self.former = mixed
        self.running, self.updating, self.changed_at = running, None, now

    def set_part(self, running: Running, pods: int, now: datetime, writer: str) -> None:
        """Change the pod template, but only for this number of pods."""
        self.last_writer = writer
        if self.updating is None:
            self.others = self.running
        if running != self.running or pods > (self.updating or 0):
            self.changed_at = now
        self.running, self.updating, self.former, self.update_strategy = running, pods, (), HELD

    def is_rolled_out(self, now: datetime) -> bool:
        """Whether the pods of the newest template have had enough time to start."""
        return (now - self.changed_at).total_seconds() >= self.ready_seconds

    def _mixed(self) -> tuple[tuple[Running, int], ...]:
        """What the pods should run now, with the number of pods."""
        if self.updating is None or self.others is None:
            return ((self.running, self.replicas),)
        updating = min(self.updating, self.replicas)
        return ((self.others, self.replicas - updating), (self.running, updating))

    def groups(self, now: datetime, *, is_broken: bool, is_unready: bool) -> tuple[PodGroup, ...]:
        """Pods grouped by what they run, as a watch cache has them."""
        if self.blocked is not None or self.replicas == 0:
            return ()
        is_up = self.is_rolled_out(now) and not is_broken and not is_unready
        *others, (template, wanted) = self._mixed()
        staying = others if self.updating is not None else [] if is_up else self.former
        if len(self.former) == 1 and staying is self.former:
            staying = ((self.former[0][0], self.replicas),)
        kept = [
            PodGroup(running, Pods(total=n, ready=n, outdated=n if running != template else 0))
            for running, n in staying
        ]
        crashing = wanted if is_broken and self.is_rolled_out(now) else 0
        return (*kept, PodGroup(template, Pods(total=wanted, ready=wanted if is_up else 0, crash_looping=crashing)))

    def pods(self, now: datetime, *, is_broken: bool, is_unready: bool) -> Pods:
        """All pods together."""
        groups = self.groups(now, is_broken=is_broken, is_unready=is_unready)
        return sum((group.pods for group in groups), Pods())

    def view(self, now: datetime, container: str, *, is_broken: bool, is_unready: bool) -> WorkloadView:
        """The view of this object as a workload of a tier."""
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
            update_strategy=self.update_strategy,
            updating=self.updating,
            takes_back=True,
            groups=self.groups(now, is_broken=is_broken, is_unready=is_unready),
        )

    def twin_view(self, now: datetime, *, is_owned: bool, is_broken: bool, is_unready: bool) -> TwinView:
        """The view of this object as a twin, or as a foreign object with a twin's name."""
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
