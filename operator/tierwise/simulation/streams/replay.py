"""Replays two recorded versions as they were, with every rule on the log's own blocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from tierwise.monitoring.counts.model import CANDIDATE, CELLS, Cells
from tierwise.monitoring.query.look.row_patterns import Entries
from tierwise.simulation.policy import Policy, blocks_of
from tierwise.simulation.streams.slicing import Slicing

_PER_ARM = CELLS // 2


def with_exposures(policy: Policy, tiers: Sequence[Mapping[str, Entries]]) -> Policy:
    """The policy with the candidate's share of each tier's recorded rows as its exposure."""
    found = []
    for tier, entries in zip(policy.tiers, tiers, strict=True):
        by_arm = sum(np.bincount(each.cell // _PER_ARM, weights=each.rows, minlength=2) for each in entries.values())
        rows = np.asarray(by_arm)
        share = float(rows[CANDIDATE] / rows.sum()) if rows.sum() else tier.exposure
        found.append(replace(tier, exposure=share))
    return replace(policy, tiers=tuple(found))


class ReplayStream:
    """The recorded rows, the same for every run. As in `analyze`, plans are made from the window itself."""

    def __init__(self, policy: Policy, tiers: Sequence[Mapping[str, Entries]], blocks: int) -> None:
        self._policy = policy
        self._tiers = tiers
        self._blocks = blocks
        self._slicings = [
            {
                name: Slicing(found.dimensions, found.atoms, policy.datasets[name].groupings)
                for name, found in of_tier.items()
            }
            for of_tier in tiers
        ]

    def history(self, tier: int) -> tuple[Mapping[str, Cells], float]:
        """The window itself, as the traffic that is expected until maxDuration."""
        blocks = blocks_of(self._policy.block_seconds * self._blocks, [0, 1])
        cells = {}
        for name, found in self._tiers[tier].items():
            # A plan asks which rows are of blocks without the candidate, and adds up the rest.
            together = np.isin(found.block, np.unique(found.block[found.cell >= _PER_ARM]))
            halves = replace(found, block=together.astype(np.int64))
            cells[name] = self._slicings[tier][name].cells(blocks, 0, halves)
        return cells, self._policy.tiers[tier].max_duration

    def looks(self, tier: int) -> int:  # noqa: ARG002  # all tiers have the log's window
        """The number of blocks in the window."""
        return self._blocks

    def slices(self) -> Mapping[str, int]:
        """The number of slices of each dataset, in the tier with most slices."""
        return {name: max(len(of_tier[name].keys) for of_tier in self._slicings) for name in self._tiers[0]}

    def counts(self, seed: Sequence[int], tier: int, looks: Sequence[int], *, worse: bool) -> Mapping[str, Cells]:  # noqa: ARG002  # the log has no luck
        """The blocks as they were."""
        blocks = blocks_of(self._policy.block_seconds, looks)
        return {
            name: self._slicings[tier][name].cells(blocks, looks[0], found.between(looks[0], looks[-1] + 1))
            for name, found in self._tiers[tier].items()
        }
