"""Whether rows of one kind are more of one arm than of the other, of all rows at once. Pure."""

from __future__ import annotations

import numpy as np

from tierwise.monitoring.cells import BASELINE, CANDIDATE
from tierwise.monitoring.guards import PRESENCE_TOLERANCE
from tierwise.stats import betting

_PRIORS = np.array([0.001, 0.01, 0.05, 0.2])  # shares that the bets expect: nothing was seen before


def log_more(rows: tuple[int, int], of_kind: tuple[int, int]) -> tuple[float, float]:
    """Log e-values against "the baseline's share of rows of the kind is no larger", and against "the candidate's".

    The bets of `tierwise.stats.betting` on one block, half a percentage point beyond the other arm's share. Each is a
    valid e-value of these rows, not a process: asked again with more rows it is another one.

    Args:
        rows: All rows, baseline and candidate.
        of_kind: Those of the kind among them.
    """
    found = []
    for more, other in ((BASELINE, CANDIDATE), (CANDIDATE, BASELINE)):
        if not rows[BASELINE] or not rows[CANDIDATE]:
            found.append(0.0)
            continue
        counts = np.array([rows[more], of_kind[more], rows[other], of_kind[other]], dtype=np.float64)
        size = len(_PRIORS)
        logs = np.zeros((6, size))
        block, past = np.repeat(counts[:, np.newaxis], size, axis=1), np.zeros((4, size))
        betting.add_regression(logs, block, past, np.ones(size), np.full(size, PRESENCE_TOLERANCE), _PRIORS)
        mean = betting.log_mean(logs, betting.REGRESSION_LOG_WEIGHTS)
        found.append(float(betting.log_mean(mean, np.full(size, -np.log(size)))))
    return found[0], found[1]
