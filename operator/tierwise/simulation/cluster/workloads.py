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
OPEN, ON_DELETE = (
    '{"type": "RollingUpdate"}',
    '{"type": "OnDelete"}',
)  # update strategies: all pods get a template, or new ones


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
    kept: int | None = None  # so many pods do not get the template; None: all do. New pods get it always
    others: Running | None = None  # what those run that do not have it
    away: int = 0  # so many of the pods that are kept are not ready: no further one may go
    stuck: int = 0  # broken old pods that its controller waits for, and that nobody deletes
    is_swapped: bool = False  # whether the others had been replaced when those went away

    @property
    def updating(self) -> int | None:
        """So many pods have the template, or get it; None: all."""
        return None if self.kept is None else self.replicas - min(self.kept, self.replicas)

    def fingerprint(self) -> str:
        """The fingerprint of the template without image and environment."""
        return hashlib.sha256(json.dumps(self.template, sort_keys=True).encode()).hexdigest()[:16]

    def set_running(self, running: Running, now: datetime, writer: str) -> None:
        """Change the pod template of all pods. Nothing happens if all pods have it already."""
        self.last_writer = writer
        mixed = self._mixed()
        if self.is_closed:
            self.update_strategy = OPEN
        if all(each == running for each, n in mixed if n):
            self.running, self.kept = running, None
            return
        if self.is_rolled_out(now) or self.kept is not None:
            self.former = mixed
        self.running, self.kept, self.changed_at = running, None, now

    def set_part(self, running: Running, pods: int, now: datetime, writer: str) -> None:
        """Change the pod template and let only so many pods have it, as a partition or `OnDelete` does.

        Of a StatefulSet pods that are too many get what was before. Pods of a DaemonSet keep what they have.
        """
        self.last_writer = writer
        if self.kept is None:
            self.others = self.running
        before = None if running != self.running or self.kept is None else self.updating
        kept = self.replicas - pods
        if before is not None and not self.takes_back:
            kept = min(kept, self.replicas - before)
        self.running, self.kept, self.former, self.update_strategy = running, kept, (), self.strategy_for(pods)
        if self.updating != before:
            self.changed_at = now

    def strategy_for(self, pods: int) -> str:
        """The update strategy that lets only so many pods have the template."""
        partition = max(1, self.replicas - pods)
        held = {"type": "RollingUpdate", "rollingUpdate": {"partition": partition}}
        return ON_DELETE if self.kind == "DaemonSet" else json.dumps(held, sort_keys=True)

    @property
    def is_closed(self) -> bool:
        """Whether its update strategy keeps pods as they are when the template changes."""
        strategy = json.loads(self.update_strategy or "{}")
        return bool(strategy.get("type") == "OnDelete" or (strategy.get("rollingUpdate") or {}).get("partition"))

    def set_strategy(self, update_strategy: str, now: datetime) -> None:
        """Change the update strategy: an open one lets all pods have the template; a closed one leaves the others."""
        left = [] if self.is_rolled_out(now) else [each for each in self.former if each[0] != self.running]
        self.update_strategy = update_strategy
        if self.is_closed and self.kept is None and left:
            self.others, self.kept = left[0]
        elif not self.is_closed and self.kept is not None:
            self.set_running(self.running, now, self.last_writer)

    def lose(self, pods: int, now: datetime) -> None:
        """So many of the pods that are kept are not ready from now on. With 0 all are there again."""
        self.is_swapped = self.kept is not None and self.is_rolled_out(now)
        self.away = pods
        if pods == 0:
            self.changed_at = now

    def remake(self, pods: int) -> None:
        """So many pods that were kept back are made anew, at once: of a DaemonSet they get the template."""
        if self.kept is not None and self.kind == "DaemonSet":
            self.kept = max(0, self.kept - pods)

    @property
    def takes_back(self) -> bool:
        """Whether a pod that is deleted gets what was before the template."""
        return self.kind == "StatefulSet"

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
        if self.away and not self.is_swapped:
            before = self.others if self.kept is not None and self.others is not None else self.running
            outdated = self.replicas if before != self.running else 0
            there = Pods(total=self.replicas, ready=self.replicas - self.away, outdated=outdated)
            return (PodGroup(before, there),)
        is_up = self.is_rolled_out(now) and not is_broken and not is_unready and not self.away
        *others, (template, wanted) = self._mixed()
        staying = others if self.updating is not None else [] if is_up else self.former
        if len(self.former) == 1 and staying is self.former:
            staying = ((self.former[0][0], self.replicas),)
        kept = [
            PodGroup(running, Pods(total=n, ready=n - self.away, outdated=n if running != template else 0))
            for running, n in staying
            if n
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
            takes_back=self.takes_back,
            stuck=self.stuck,
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
