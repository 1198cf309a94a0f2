"""How far two days of a tier's baseline may be apart by themselves, metric by metric, from the days before. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tierwise.arrays import IntArray
from tierwise.metrics.kinds.shift import deciles
from tierwise.metrics.metric import Estimated, Metric, Shift
from tierwise.metrics.tally import Tally
from tierwise.metrics.weighted import weighted
from tierwise.monitoring.counts.measures import counted, is_read, metric_for
from tierwise.monitoring.counts.model import BASELINE, Cells, Dataset
from tierwise.monitoring.counts.tallies import block_tally
from tierwise.stats.days import two_days_apart
from tierwise.stats.estimated import Moments
from tierwise.stats.history import log_odds_of

MOST_DIMENSIONS = 3  # slices of more are taken with these


def days_apart(dataset: Dataset, days: Cells, metrics: Sequence[str], tail: float) -> dict[str, list[float]]:
    """By metric, for slices of 0, 1, 2 and 3 dimensions: how far two days may be apart, exceeded as rarely as `tail`.

    `days` has a block for each past day. In log-odds, or in the unit of an estimate; 0 where nothing is known.

    Raises:
        MetricFailedError: a metric's code failed.
    """
    levels = np.array([min(key.count("="), MOST_DIMENSIONS) for key in days.slices], dtype=np.intp)
    tally = block_tally(dataset, days, slice(None))
    found = {}
    for name in metrics:
        each = [two_days_apart(one, levels, tail) for one in _by_day(metric_for(name, dataset.spec), tally)]
        most = np.max(each, axis=0) if each else np.zeros(len(levels))
        # All slices of a level have the same, but those that move far more than the others.
        usual = [most[(levels == level) & (most > 0)] for level in range(MOST_DIMENSIONS + 1)]
        found[name] = [round(float(np.median(some)), 6) if len(some) else 0.0 for some in usual]
    return found


def _by_day(metric: Metric, tally: Tally) -> list[Moments]:
    """What each day has of the baseline, (days, slices); of a shift at each of its edges."""
    if not is_read(metric, tally) or not tally.counts.shape[1]:
        return []
    measure = metric.measure
    if isinstance(measure, Shift):
        if tally.bins is None:
            return []
        at = deciles(tally.bins[:, 0].sum(axis=(0, 1)), measure.points)
        n, below = measure.count(tally, at)
        return [_log_odds(n[..., BASELINE], below[..., BASELINE, point]) for point in range(len(at))]
    if isinstance(measure, Estimated) or tally.weights is not None:
        with np.errstate(divide="ignore", invalid="ignore"):
            found = measure.estimate(tally) if isinstance(measure, Estimated) else weighted(measure, tally)
        enough = found.enough[..., BASELINE]
        return [
            Moments(
                np.where(enough, found.value[..., BASELINE], np.nan),
                np.where(enough, found.variance[..., BASELINE], np.nan),
            )
        ]
    n, bad = counted(metric, tally)
    return [_log_odds(n[..., BASELINE], bad[..., BASELINE])]


def _log_odds(n: IntArray, bad: IntArray) -> Moments:
    return log_odds_of(np.stack([n, bad], axis=1).astype(np.float64))
