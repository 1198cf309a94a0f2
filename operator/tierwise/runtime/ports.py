"""The ports of the loop: clock, cluster and prediction log. Adapters and the simulation implement them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from tierwise.api.modeldeployment import ModelDeploymentStatus
from tierwise.api.modelrollout import ModelRolloutStatus
from tierwise.api.monitoringdataset import MonitoringDatasetSpec
from tierwise.api.reasons import Reason
from tierwise.monitoring.counts.model import Block, Cells, Dataset, Distributions, Invalid, PodCounts, Scope
from tierwise.monitoring.query.quality.arrivals import Received, Sources
from tierwise.monitoring.query.stored.performance_table import Origin
from tierwise.rollout.record.verdicts import VerdictRecord
from tierwise.rollout.state.actions import Action, Event
from tierwise.rollout.state.observation import Claim, DeploymentView, RolloutView, TierView


class Clock(Protocol):
    """The only source of the time."""

    def now(self) -> datetime:
        """The present time, UTC-aware."""
        ...


class Fleet(Protocol):
    """Objects and workloads of a cluster. Reads are fresh, or from a watch cache as new as our last write."""

    def get_deployment(self, namespace: str, name: str) -> DeploymentView | None:
        """The ModelDeployment; None when it does not exist. Raises SpecError when the stored object is not valid."""
        ...

    def list_rollouts(self, deployment: DeploymentView) -> tuple[RolloutView, ...]:
        """The rollouts with this owner uid, ordered by revision."""
        ...

    def list_tiers(self, deployment: DeploymentView) -> tuple[TierView, ...]:
        """The tiers in spec order. Workloads are found by selector, without twins; twins are found by label."""
        ...

    def list_claims(self, deployment: DeploymentView) -> tuple[Claim, ...]:
        """Workloads that other ModelDeployments of the namespace select."""
        ...

    def list_namesakes(self, deployment: DeploymentView) -> tuple[str, ...]:
        """Names of other ModelDeployments of the namespace with the same `spec.model`, sorted."""
        ...

    def report_invalid(self, namespace: str, name: str, reason: Reason, message: str) -> None:
        """Report in the status and an Event that the stored object cannot be read. It does not repeat a report."""
        ...

    def get_dataset(self, namespace: str, name: str) -> MonitoringDatasetSpec | None:
        """The dataset's spec; None when it does not exist. Raises SpecError when the stored object is not valid."""
        ...

    def get_secret(self, namespace: str, name: str, key: str) -> str | None:
        """A Secret's value; None when it or the key does not exist. Never logged."""
        ...

    def apply(self, deployment: DeploymentView, action: Action) -> None:
        """Carry out the action; idempotent.

        Raises:
            ConflictError: its precondition fails.
            SpecError: a person has to change something.
        """
        ...

    def replace_deployment_status(self, deployment: DeploymentView, status: ModelDeploymentStatus) -> None:
        """Send one PUT with the observed resourceVersion; ConflictError on 409."""
        ...

    def replace_rollout_status(self, rollout: RolloutView, namespace: str, status: ModelRolloutStatus) -> None:
        """Send one PUT with the observed resourceVersion; ConflictError on 409."""
        ...

    def emit(self, deployment: DeploymentView, rollout: RolloutView | None, events: Sequence[Event]) -> None:
        """Write the Events. An Event that cannot be written is only logged."""
        ...


class PredictionStore(Protocol):
    """The prediction log. Every method may raise StoreError (hold) or SpecError (stalled); none returns NaN."""

    def check(self, dataset: Dataset) -> None:
        """Raises when the dataset cannot be read: an unknown table or column (it lists the known ones), refused SQL."""
        ...

    def watermark(self, dataset: Dataset, scope: Scope, now: datetime) -> datetime | None:
        """The newest prediction time of the scope's model that is not after `now`; None without rows."""
        ...

    def read_cells(self, dataset: Dataset, scope: Scope, blocks: Sequence[Block]) -> Cells:
        """Counts by block, slice, arm, label and answer, by one query. The whole is the first slice, then by key."""
        ...

    def read_distributions(self, dataset: Dataset, scope: Scope, block: Block) -> Distributions:
        """Counts by bin, by one query."""
        ...

    def read_halves(self, dataset: Dataset, scope: Scope, blocks: Sequence[Block]) -> Cells | None:
        """As `read_cells`, but of the baseline only: instead of the arms, its pods in two halves by a stable hash.

        None if the dataset names no pods.
        """
        ...

    def read_units(self, dataset: Dataset, scope: Scope, window: Block) -> Cells | None:
        """As `read_cells`, of the baseline's rows that name their unit: buckets of units in place of blocks, one arm.

        A unit's rows are in one bucket. None where the dataset names no units.
        """
        ...

    def read_pods(self, dataset: Dataset, scope: Scope, window: Block) -> PodCounts | None:
        """Counts of the baseline's rows by pod, ordered by name; None if the dataset names no pods."""
        ...

    def count_invalid(self, dataset: Dataset, scope: Scope, window: Block, now: datetime) -> Invalid:
        """Count the rows that are in none of the other counts."""
        ...

    def read_untimed(self, dataset: Dataset, scope: Scope, now: datetime) -> tuple[int, int]:
        """Rows of the baseline and of the candidate without a time or with one after `now`, in the whole log."""
        ...

    def read_received(self, dataset: Dataset, scope: Scope, window: Block) -> Received:
        """Rows of both versions in the window, labels that count, and rows that were logged twice."""
        ...

    def read_sources(self, dataset: Dataset, scope: Scope, window: Block) -> Sources | None:
        """How many labels each source has in the window and how often two sources differ; None for one source."""
        ...

    def write_performance(self, origin: Origin, dataset: Dataset, scope: Scope, distributions: Distributions) -> None:
        """Store a block's distributions in `ml_performance`. Writing a block twice changes nothing."""
        ...

    def write_verdicts(self, record: VerdictRecord) -> None:
        """Store a decision with its verdicts in `ml_verdicts`; writing one twice changes nothing."""
        ...
