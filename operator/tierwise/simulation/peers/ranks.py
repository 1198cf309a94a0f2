"""The Mann–Whitney statistic for many pairs of series at once."""

from __future__ import annotations

import numpy as np

from tierwise.arrays import FloatArray


def mann_whitney_z(x: FloatArray, y: FloatArray) -> FloatArray:
    """The z of "x is larger than y" per row, corrected for ties and continuity; 0 without enough points.

    `x` and `y` are (streams, points); NaN is not a point. The result is that of R's asymptotic ``wilcox.test`` and of
    scipy's ``mannwhitneyu(method="asymptotic")``.
    """
    both = np.concatenate([x, y], axis=1)
    present = np.isfinite(both)
    n_x, n_y = present[:, : x.shape[1]].sum(axis=1), present[:, x.shape[1] :].sum(axis=1)
    n = n_x + n_y
    ranks, ties = _ranks(np.where(present, both, np.inf))
    of_x = np.where(present, ranks, 0.0)[:, : x.shape[1]].sum(axis=1)
    excess = of_x - n_x * (n_x + 1) / 2 - n_x * n_y / 2
    tied = np.where(present, ties * ties - 1.0, 0.0).sum(axis=1)  # Σ over groups of t³ − t
    variance = n_x * n_y / 12 * (n + 1 - tied / np.maximum(n * (n - 1), 1))
    some = (n_x > 0) & (n_y > 0) & (variance > 1e-12)
    z = (excess - 0.5 * np.sign(excess)) / np.sqrt(np.where(some, variance, 1.0))
    return np.asarray(np.where(some, z, 0.0))


def _ranks(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Average ranks within each row, from 1, and how many values share each one."""
    order = np.argsort(values, axis=1, kind="stable")
    ordered = np.take_along_axis(values, order, axis=1)
    position = np.broadcast_to(np.arange(values.shape[1]), values.shape)
    changes = np.ones(values.shape, dtype=np.bool_)
    changes[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    first = np.maximum.accumulate(np.where(changes, position, 0), axis=1)
    ends = np.ones(values.shape, dtype=np.bool_)
    ends[:, :-1] = changes[:, 1:]
    behind = np.where(ends, position, values.shape[1])[:, ::-1]
    last = np.minimum.accumulate(behind, axis=1)[:, ::-1]
    ranks, ties = np.empty(values.shape), np.empty(values.shape)
    np.put_along_axis(ranks, order, (first + last) / 2 + 1, axis=1)
    np.put_along_axis(ties, order, (last - first + 1).astype(np.float64), axis=1)
    return ranks, ties
