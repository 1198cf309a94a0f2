"""Tallies of windows that are compared at the same times, with equal weights in every block. Pure.

`stats.matched` does this for shares. This module does it for other metrics. In each block a row counts w/n, with the
same w in every window. The sum is scaled to Kish's effective number of rows. So the variances, and the check for enough
rows, are those of that many unweighted rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tierwise.arrays import AnyArray, FloatArray
from tierwise.metrics.tally import Tally
from tierwise.monitoring.counts.model import BASELINE, CANDIDATE
from tierwise.stats.matched import weights


@dataclass(frozen=True, slots=True, eq=False)
class MatchedTallies:
    """Sums over the blocks so far: tallies (slots, 2 arms) of the version's place and, if any, of the tiers to come.

    Or of the candidate and the baseline of a tier. `weight` (slots,) is Σ w and `inverse` (2·tallies, slots) Σ w²/n.
    """

    pending: tuple[Tally, ...]
    sums: tuple[Tally, ...]
    weight: FloatArray
    inverse: FloatArray

    @property
    def effective(self) -> tuple[Tally, ...]:
        """The tallies scaled to their effective number of rows."""
        factor = np.where(self.inverse > 0, self.weight / np.where(self.inverse > 0, self.inverse, 1.0), 0.0)
        return tuple(_scaled(tally, factor[2 * i : 2 * i + 2]) for i, tally in enumerate(self.sums))

    def since(self, earlier: MatchedTallies) -> MatchedTallies:
        """The sums over the blocks after those of `earlier`."""
        sums = tuple(one - two for one, two in zip(self.sums, earlier.sums, strict=True))
        return replace(self, sums=sums, weight=self.weight - earlier.weight, inverse=self.inverse - earlier.inverse)


def fold_tallies(matched: MatchedTallies | None, block: Sequence[Tally]) -> MatchedTallies:
    """The sums after a block; None before the first."""
    pending = tuple(block)
    if matched is not None:
        pending = tuple(one + two for one, two in zip(matched.pending, block, strict=True))
    n = np.stack([_rows(tally, arm) for tally in pending for arm in (BASELINE, CANDIDATE)])
    ready, weight, scale = weights(n)
    sums = tuple(_scaled(tally, scale[2 * i : 2 * i + 2]) for i, tally in enumerate(pending))
    left = np.broadcast_to(np.where(ready, 0.0, 1.0), (2, len(ready)))
    pending, inverse = tuple(_scaled(tally, left) for tally in pending), weight * scale
    if matched is not None:
        sums = tuple(one + two for one, two in zip(matched.sums, sums, strict=True))
        weight, inverse = matched.weight + weight, matched.inverse + inverse
    return MatchedTallies(pending, sums, weight, inverse)


def _rows(tally: Tally, arm: int) -> FloatArray:
    return np.asarray(tally.counts[:, arm].sum(axis=(-2, -1)), dtype=np.float64)


def _scaled(tally: Tally, factor: FloatArray) -> Tally:
    """The tally with the arms of every slot multiplied by `factor` (2 arms, slots)."""

    def scale(values: AnyArray, axis: int) -> FloatArray:
        shape = [1] * values.ndim
        shape[axis], shape[axis + 1] = values.shape[axis], 2
        return np.asarray(values * factor.T.reshape(shape))

    return tally.map_arrays(scale)
