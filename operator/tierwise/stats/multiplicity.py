"""From many e-values to one decision and to names."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


def log_decision_threshold(hypotheses: int, alpha: float) -> float:
    """ln(K/α): roll back when log E + log w reaches it in any hypothesis.

    With weights of mean one, P(ever reached when all nulls hold) ≤ α by Ville and the union bound, whatever the
    dependence between hypotheses and whatever the rhythm of their blocks.
    """
    return float(np.log(hypotheses / alpha))


def e_bh(log_e: FloatArray, log_weights: FloatArray, alpha: float, *, hypotheses: int) -> BoolArray:
    """Weighted e-BH: which hypotheses are named, at false discovery rate ≤ α under any dependence.

    The k largest weighted e-values, k the largest number for which the k-th is ≥ K/(αk).
    Hypotheses that can never be named have log weight −inf.

    Source: Wang and Ramdas, "False discovery rate control with e-values", JRSS-B 2022.
    """
    weighted = log_e + log_weights
    order = np.argsort(-weighted, kind="stable")
    needed = log_decision_threshold(hypotheses, alpha) - np.log(np.arange(1, len(order) + 1))
    passing = np.flatnonzero(weighted[order] >= needed)
    named = np.zeros(len(order), dtype=np.bool_)
    if len(passing):
        named[order[: passing[-1] + 1]] = True
    return named


def level_weights(levels: npt.NDArray[np.int64], reserved: int) -> FloatArray:
    """Weights of mean one for slices (count,) by number of dimensions, then `reserved` unnamed slots of weight one.

    The whole gets a tenth of what the slices have together, single dimensions .4, pairs .3, triples .2, renormalised
    over the levels there are: the many pairs cannot drown the few single dimensions.
    """
    shares = np.array([0.1, 0.4, 0.3, 0.2])
    bounded = np.minimum(levels, 3)
    counts = np.bincount(bounded, minlength=4)
    mass = np.where(counts > 0, shares, 0.0)
    mass = mass / mass.sum() * len(levels)
    return np.concatenate([mass[bounded] / counts[bounded], np.ones(reserved)])
