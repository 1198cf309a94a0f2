"""Tallies of windows that are compared at the same times: weighted alike in every block. Pure.

As stats/matched does it with shares, for what is no share: each block's rows count w/n, with the same w in all windows,
and the whole is scaled to Kish's number of rows, so that variances and what is enough are those of as many plain rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tierwise.arrays import FloatArray
from tierwise.metrics.tally import Tally
from tierwise.monitoring.counts.model import BASELINE, CANDIDATE
from tierwise.monitoring.counts.tallies import added, each_array
from tierwise.stats.matched import weights


@dataclass(frozen=True, slots=True, eq=False)
class MatchedTallies:
    """Sums over blocks so far: tallies (slots, 2 arms) of the version's place and, if there are some, of tiers to come.

    `weight` (slots,) is Σ w and `inverse` (2·tallies, slots) Σ w²/n.
    """

    pending: tuple[Tally, ...]
    sums: tuple[Tally, ...]
    weight: FloatArray
    inverse: FloatArray

    @property
    def effective(self) -> tuple[Tally, ...]:
        """The tallies scaled to as many rows as know as much."""
        factor = np.where(self.inverse > 0, self.weight / np.where(self.inverse > 0, self.inverse, 1.0), 0.0)
        return tuple(_scaled(tally, factor[2 * i : 2 * i + 2]) for i, tally in enumerate(self.sums))


def fold_tallies(matched: MatchedTallies | None, block: Sequence[Tally]) -> MatchedTallies:
    """The sums after a block; None before the first."""
    pending = tuple(block)
    if matched is not None:
        pending = tuple(added(one, two) for one, two in zip(matched.pending, block, strict=True))
    n = np.stack([_rows(tally, arm) for tally in pending for arm in (BASELINE, CANDIDATE)])
    ready, weight, scale = weights(n)
    sums = tuple(_scaled(tally, scale[2 * i : 2 * i + 2]) for i, tally in enumerate(pending))
    left = np.broadcast_to(np.where(ready, 0.0, 1.0), (2, len(ready)))
    pending, inverse = tuple(_scaled(tally, left) for tally in pending), weight * scale
    if matched is not None:
        sums = tuple(added(one, two) for one, two in zip(matched.sums, sums, strict=True))
        weight, inverse = matched.weight + weight, matched.inverse + inverse
    return MatchedTallies(pending, sums, weight, inverse)


def _rows(tally: Tally, arm: int) -> FloatArray:
    return np.asarray(tally.counts[:, arm].sum(axis=(-2, -1)), dtype=np.float64)


def _scaled(tally: Tally, factor: FloatArray) -> Tally:
    """Every slot's arms times `factor` (2 arms, slots)."""

    def scale(values: Any, axis: int) -> Any:  # noqa: ANN401  # arrays of counts or of sums
        shape = [1] * values.ndim
        shape[axis], shape[axis + 1] = values.shape[axis], 2
        return values * factor.T.reshape(shape)

    return each_array(tally, scale)
