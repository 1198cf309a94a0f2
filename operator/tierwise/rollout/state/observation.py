"""The observation for decide(): plain values, observed once per tick."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from tierwise.api.frozen import Frozen
from tierwise.api.modeldeployment import ModelDeploymentSpec, ModelDeploymentStatus
from tierwise.api.modelrollout import ModelRolloutSpec, ModelRolloutStatus
from tierwise.monitoring.checks.concern import Concern
from tierwise.monitoring.verdicts.judgement import Judgement, Result
from tierwise.rollout.state.commands import Given, bounded


@dataclass(frozen=True, slots=True)
class Running:
    """What a pod template runs: the named container's image and all its plain environment values."""

    image: str
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pods:
    """Pods of one arm, from the watch cache."""

    total: int = 0
    ready: int = 0
    terminating: int = 0
    crash_looping: int = 0
    outdated: int = 0  # live pods whose image or environment is not what the template says

    def __add__(self, other: Pods) -> Pods:
        """The pods of both together."""
        return Pods(
            self.total + other.total,
            self.ready + other.ready,
            self.terminating + other.terminating,
            self.crash_looping + other.crash_looping,
            self.outdated + other.outdated,
        )


@dataclass(frozen=True, slots=True)
class PodGroup:
    """Pods of one workload that run the same: their own image and environment, not their template's."""

    running: Running
    pods: Pods


@dataclass(frozen=True, slots=True)
class WorkloadView:
    """A workload of a tier. Never a twin."""

    kind: str
    name: str
    uid: str
    replicas: int
    running: Running | None  # None: the container named in spec.delivery does not exist
    containers: tuple[str, ...]
    template_fingerprint: str  # of the template without that container's image and environment
    settled: bool  # observedGeneration current, updated = available = replicas
    pods: Pods
    last_writer: str | None = None  # field manager that last wrote the image or environment
    autoscaled: bool = False  # a HorizontalPodAutoscaler targets it
    identity: str | None = None  # what ties its pods to a name, volume or node; None: all pods are interchangeable
    update_strategy: str | None = None  # its spec.updateStrategy as JSON; None: it has none that Tierwise changes
    updating: int | None = None  # pods that have, or get, the template while its strategy keeps others; None: all do
    takes_back: bool = False  # whether a pod that has the template gets what was before it, once it is deleted
    available: int | None = None  # pods ready for minReadySeconds, by its status; None: as many as are ready
    stuck: int = 0  # outdated pods that its controller waits for and never replaces
    groups: tuple[PodGroup, ...] = ()
    blocked: str | None = None  # what keeps its pods from existing, as for a twin


@dataclass(frozen=True, slots=True)
class TwinView:
    """A candidate twin, or a foreign object that has its name (`owned` False)."""

    name: str
    uid: str
    twin_of: str
    owned: bool
    replicas: int
    running: Running | None
    template_fingerprint: str
    settled: bool
    pods: Pods
    blocked: str | None = None  # quota, admission or scheduling message that keeps its pods from existing
    deleting: bool = False


@dataclass(frozen=True, slots=True)
class TierView:
    """A tier's workloads by selector and its twins by label."""

    name: str
    workloads: tuple[WorkloadView, ...] = ()
    twins: tuple[TwinView, ...] = ()


@dataclass(frozen=True, slots=True)
class DeploymentView:
    """A ModelDeployment."""

    namespace: str
    name: str
    uid: str
    generation: int
    resource_version: str
    spec: ModelDeploymentSpec
    status: ModelDeploymentStatus
    annotations: Mapping[str, str] = field(default_factory=dict)
    deleting: bool = False
    has_finalizer: bool = False
    created_at: datetime | None = None
    given: Mapping[str, Given] = field(default_factory=dict)  # by verb, "pause" for spec.paused; as far as it tells
    deleted_at: datetime | None = None  # when its deletion was asked for

    def __post_init__(self) -> None:
        object.__setattr__(self, "annotations", bounded(self.annotations))


@dataclass(frozen=True, slots=True)
class RolloutView:
    """A ModelRollout."""

    name: str
    uid: str
    generation: int
    resource_version: str
    created_at: datetime
    spec: ModelRolloutSpec
    status: ModelRolloutStatus
    owner_uid: str = ""
    deleting: bool = False
    has_finalizer: bool = False


@dataclass(frozen=True, slots=True)
class VerificationLook:
    """The results about delivered tiers so far. With `looks` 0 and a shift it only says which past there is.

    `complete_until` is the prediction time up to which the log is complete. If the past is used up, `until` is earlier.
    """

    control: Literal["stratified", "history"]
    shift_seconds: float | None = None
    past_days: tuple[int, ...] = ()  # how many days before each past day is
    looks: int = 0
    until: datetime | None = None
    complete_until: datetime | None = None
    results: tuple[Result, ...] = ()
    regressed: bool = False
    has_compared: bool = False
    watched: tuple[str, ...] = ()  # dataset/metric
    skipped: tuple[tuple[str, str], ...] = ()  # metrics that are not watched, and why
    missing: tuple[
        str, ...
    ] = ()  # what the log lacks compared with the past, worst first; if not empty, nothing is verified


@dataclass(frozen=True, slots=True)
class RecoveryLog:
    """The counts of both versions in the log between a rollback (plus slack) and `until`."""

    until: datetime  # prediction time up to which the log is complete; never after the end of the check
    candidate_rows: int
    baseline_rows: int


@dataclass(frozen=True, slots=True)
class Writing:
    """What became of the verdicts of a rollout that this process handed to the store.

    `written` and `waiting` are keys as in `StoredEvidence`; `message` says why writing fails since `failing_since`.
    """

    written: frozenset[str] = frozenset()
    waiting: frozenset[str] = frozenset()
    failing_since: datetime | None = None
    message: str = ""


@dataclass(frozen=True, slots=True)
class Claim:
    """Another ModelDeployment's claim on a workload."""

    deployment: str
    workload_uid: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Observation:
    """One tick's view. `rollouts` are this ModelDeployment's, by revision; `tiers` are in the order of their spec."""

    deployment: DeploymentView
    rollouts: tuple[RolloutView, ...] = ()
    tiers: tuple[TierView, ...] = ()
    judgement: Judgement | Concern | None = None
    claims: tuple[Claim, ...] = ()
    created_at: datetime | None = None  # of the ModelDeployment: the older claim on a workload wins
    frozen: Frozen | None = None  # a plan for the current tier, to be recorded before a block is folded with it
    pre_release: Judgement | Concern | None = None  # of the spec's version, on the validation table
    recovery: RecoveryLog | Concern | None = None  # while a rollback's recovery is checked
    verification: VerificationLook | Concern | None = None  # while delivered tiers are watched on the log
    commits: Mapping[str, int] = field(default_factory=dict)  # rows by commit, while a tier is delivered to
    refused: str | None = None  # why the API server refused a delivery of this very tick
    writing: Mapping[str, Writing] | None = None  # by rollout's uid; None: verdicts are not stored at all
    # Other ModelDeployments with the same model name; the log cannot distinguish their rows.
    namesakes: tuple[str, ...] = ()
