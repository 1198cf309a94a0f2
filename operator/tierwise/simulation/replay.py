"""Two recorded versions as they were: every rule on the log's own blocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from tierwise.monitoring.analysis import runs_of
from tierwise.monitoring.cells import CANDIDATE, Block, Cells, Dataset, Scope
from tierwise.monitoring.decode import merge_cells
from tierwise.runtime.recorded import RecordedLog
from tierwise.simulation.policy import Policy

BLOCKS_AT_ONCE = 240


def read_cells(log: RecordedLog, dataset: Dataset, scope: Scope, blocks: Sequence[Block]) -> Cells:
    """All blocks of one tier and dataset.

    Raises:
        StoreError: the log cannot be read.
    """
    return merge_cells([log.read_cells(dataset, scope, run) for run in runs_of(blocks, BLOCKS_AT_ONCE)])


def with_exposures(policy: Policy, tiers: Sequence[Mapping[str, Cells]]) -> Policy:
    """The policy with the candidate's share of each tier's recorded rows as its exposure."""
    found = []
    for tier, cells in zip(policy.tiers, tiers, strict=True):
        by_arm = sum(of_dataset.counts[:, 0].sum(axis=(0, 2, 3)) for of_dataset in cells.values())
        share = float(by_arm[CANDIDATE] / by_arm.sum()) if by_arm.sum() else tier.exposure
        found.append(replace(tier, exposure=share))
    return replace(policy, tiers=tuple(found))


class ReplayStream:
    """The recorded counts, the same for every run; as in `analyze`, plans are made of the window itself."""

    def __init__(self, policy: Policy, tiers: Sequence[Mapping[str, Cells]]) -> None:
        self._policy = policy
        self._tiers = tiers

    def history(self, tier: int) -> tuple[Mapping[str, Cells], float]:
        """The window itself, taken as what is expected until maxDuration."""
        return self._tiers[tier], self._policy.tiers[tier].max_duration

    def looks(self, tier: int) -> int:
        """All blocks of the window."""
        return min(len(cells.blocks) for cells in self._tiers[tier].values())

    def slices(self) -> Mapping[str, int]:
        """How many slices each dataset has, in the tier with most."""
        return {name: max(len(cells[name].slices) for cells in self._tiers) for name in self._tiers[0]}

    def counts(self, seed: Sequence[int], tier: int, looks: Sequence[int], *, worse: bool) -> Mapping[str, Cells]:  # noqa: ARG002  # the log has no luck
        """The blocks as they were."""
        return {
            name: Cells(cells.blocks[looks[0] : looks[-1] + 1], cells.slices, cells.counts[looks[0] : looks[-1] + 1])
            for name, cells in self._tiers[tier].items()
        }
