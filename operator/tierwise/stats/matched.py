"""Shares of windows that are compared at the same times, with equal weights in every block, whatever the traffic was.

If rates and traffic both change by the hour, the totals of two windows differ although each hour is equal (Simpson's
paradox). So the shares of the C windows are means over blocks with common weights, which depend only on the numbers of
rows:

    p(c) = Σ w·k(c)/n(c) / Σ w,      w = 1/Σ_c 1/n(c).

With these weights equal rates in each block give equal shares, and nearly no information is lost. Blocks are joined
until each window has `MIN_ROWS` rows. A window's variance is Σ w²·p̂(1 − p̂)/(n − 1)/(Σ w)², but at least that of Kish's
number of rows, (Σ w)²/Σ (w²/n). The result is given as counts of as many independent rows as have this variance.

Source: Mantel and Haenszel, JNCI 1959 (weights of two windows); Kish, Survey Sampling, 1965 (effective rows).
Arrays are over windows and hypotheses, (C, H).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tierwise.arrays import BoolArray, FloatArray

MIN_ROWS = 10.0


@dataclass(frozen=True, slots=True, eq=False)
class Matched:
    """Sums over blocks so far. `pending` (2, C, H) are n and bad that wait for enough rows."""

    pending: FloatArray
    weight: FloatArray  # (H,) Σ w
    shares: FloatArray  # (C, H) Σ w·p
    spread: FloatArray  # (C, H) Σ w²·Var(p)
    inverse: FloatArray  # (C, H) Σ w²/n

    @property
    def effective(self) -> FloatArray:
        """(2, C, H): n and bad of as many independent rows as have the same variance; 0 before there are any."""
        with np.errstate(divide="ignore", invalid="ignore"):
            share = self.shares / self.weight
            n = share * (1 - share) * np.square(self.weight) / self.spread
            n = np.nan_to_num(np.fmin(n, np.square(self.weight) / self.inverse), posinf=0.0)
        return np.stack([n, n * np.nan_to_num(share)])

    @property
    def share(self) -> FloatArray:
        """(C, H): the windows' shares; NaN before there are enough rows."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(self.shares / self.weight)

    @property
    def snapshot(self) -> FloatArray:
        """(1 + 2·C, H): what `joined` needs of the blocks so far."""
        return np.concatenate([self.weight[np.newaxis], self.shares, self.inverse])


def joined(snapshots: FloatArray) -> FloatArray:
    """Counts (T, 2·C, H), n and bad of each window in turn, of the blocks between snapshots (T, 1 + 2·C, H).

    Of several blocks that are one they are those of Kish's number of rows with the matched shares; of one block alone
    they are its own.
    """
    parts = np.diff(snapshots, axis=0, prepend=np.zeros_like(snapshots[:1]))
    windows = (parts.shape[1] - 1) // 2
    weight, shares, inverse = parts[:, :1], parts[:, 1 : 1 + windows], parts[:, 1 + windows :]
    with np.errstate(divide="ignore", invalid="ignore"):
        n = np.where(weight > 0, np.square(weight) / inverse, 0.0)
        bad = np.where(weight > 0, n * shares / weight, 0.0)
    return np.stack([n, np.clip(bad, 0.0, n)], axis=2).reshape(len(parts), 2 * windows, -1)


def begin(windows: int, hypotheses: int) -> Matched:
    """The sums before the first block."""
    nothing = np.zeros((windows, hypotheses))
    return Matched(np.zeros((2, windows, hypotheses)), np.zeros(hypotheses), nothing, nothing, nothing)


def fold(matched: Matched, block: FloatArray) -> Matched:
    """The sums after a block, n and bad (2, C, H)."""
    pending = matched.pending + block
    n, bad = pending
    ready, weight, scale = weights(n)
    rate = bad * scale / np.where(ready, weight, 1.0)
    spread = np.square(weight) * rate * (1 - rate) / np.where(ready, n - 1, 1.0)
    return Matched(
        pending=np.where(ready, 0.0, pending),
        weight=matched.weight + weight,
        shares=matched.shares + weight * rate,
        spread=matched.spread + spread,
        inverse=matched.inverse + weight * scale,
    )


def weights(n: FloatArray) -> tuple[BoolArray, FloatArray, FloatArray]:
    """Which hypotheses have enough rows (H,), their weight w (H,) and each window's w/n (C, H); 0 without enough."""
    ready: BoolArray = np.asarray((n >= MIN_ROWS).all(axis=0))  # decided on n alone
    rows = np.where(ready, n, 1.0)
    weight: FloatArray = np.where(ready, 1 / (1 / rows).sum(axis=0), 0.0)
    return ready, weight, weight / rows
