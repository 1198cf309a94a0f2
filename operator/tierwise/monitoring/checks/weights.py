"""Checks that both arms have similar sample weights. If one arm writes its weights differently, its rates shift. Pure.

The mean weight of an arm is Σw/n, with the variance (Σw²/n − (Σw/n)²)/n. By the delta method, the variance of the log
of the arms' ratio is the sum of their relative variances.
"""

from __future__ import annotations

import math

import numpy as np

from tierwise.metrics.weighted import WEIGHED
from tierwise.monitoring.counts.model import BASELINE, CANDIDATE
from tierwise.monitoring.evidence.fold import Evidence

GROSS = 2.0  # from this ratio of the mean weights on nothing is promoted
NOTED = 1.02
# Standard errors beyond the bound: by chance alone with probability 6e-7, at any look far below 1/1000.
_CLEAR = 5.0
# Weights that are all the same in each arm are two rates of sampling, which change no weighted rate.
_CONSTANT = 1e-3


def weights_differ(evidence: Evidence) -> str | None:
    """The message if the arms' mean weights differ by `GROSS` or more and vary within an arm, else None."""
    for d in range(len(evidence.plan.datasets)):
        told = _differ(evidence, d, GROSS)
        if told is not None:
            return (
                f"dataset {evidence.plan.datasets[d].dataset.name!r}: {told}; both versions' rows must be sampled "
                "and weighted alike (spec.columns.weight)"
            )
    return None


def weights_note(evidence: Evidence, d: int) -> list[str]:
    """A note if the arms' mean weights of a dataset differ clearly, also if the difference is small."""
    told = _differ(evidence, d, NOTED)
    return [] if told is None else [f"dataset {evidence.plan.datasets[d].dataset.name!r}: {told}"]


def _differ(evidence: Evidence, d: int, bound: float) -> str | None:
    tallies = evidence.mixtures.tallies
    if not tallies or (weights := tallies[d].weights) is None:
        return None
    rows = tallies[d].sums[WEIGHED.name][0]
    total, squares = weights[:, 0].sum(axis=(-2, -1))  # those of the whole, by arm
    if not (rows > 1).all() or not (total > 0).all() or not np.isfinite([total, squares]).all():
        return None
    means = total / rows
    spread = np.maximum(squares / rows / means**2 - 1, 0.0)  # squared coefficients of variation
    if spread.max() < _CONSTANT:
        return None
    distance = abs(math.log(means[CANDIDATE] / means[BASELINE]))
    if distance - _CLEAR * math.sqrt(float((spread / rows).sum())) <= math.log(bound):
        return None
    return f"the candidate's rows weigh {means[CANDIDATE]:.3g} on average and the baseline's {means[BASELINE]:.3g}"
