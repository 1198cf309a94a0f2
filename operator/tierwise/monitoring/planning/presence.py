"""How much the arms may differ in the share of labelled rows before the judgement of them is in doubt. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tierwise.api.common import Margin
from tierwise.metrics.metric import Proportion
from tierwise.monitoring.counts.measures import counted, metric_for
from tierwise.monitoring.counts.model import BASELINE, Dataset
from tierwise.monitoring.planning.history import TierHistory
from tierwise.monitoring.planning.power import absolute_gap
from tierwise.stats.split import PRESENCE_TOLERANCE

_SMALLEST = 1e-4  # a difference that no log is free of
_PART = 0.5  # of a tolerance: what missing labels alone may do to a rate


def presence_tolerance(dataset: Dataset, past: TierHistory, tolerances: Mapping[str, Margin]) -> float:
    """The difference in the share of labelled rows that moves no metric by more than half its tolerance.

    Were all labels that one arm has more those of errors, they would be so many errors more: of an error rate of 1 %
    with a tolerance of an eighth, a sixteenth of a percent of the rows. Never above `PRESENCE_TOLERANCE`.
    """
    whole = past.window.counts[0, BASELINE].astype(np.float64)
    rows = whole.sum()
    if rows == 0 or past.window.weights is not None:
        return PRESENCE_TOLERANCE
    found = [PRESENCE_TOLERANCE]
    for name, tolerance in tolerances.items():
        metric = metric_for(name, dataset.spec)
        if not metric.needs_labels or not isinstance(metric.measure, Proportion):
            continue
        n, bad = (float(x[0, BASELINE]) for x in counted(metric, past.window))
        if n > 0:
            gap = float(absolute_gap(tolerance, np.array([(bad + 0.5) / (n + 1)]))[0])
            found.append(_PART * gap * n / rows)
    return float(f"{max(min(found), _SMALLEST):.3g}")
