"""Makes one decision from many e-values, and names the hypotheses."""

from __future__ import annotations

import numpy as np

from tierwise.arrays import BoolArray, FloatArray, IntArray


def log_decision_threshold(hypotheses: int, alpha: float) -> float:
    """ln(K/α): roll back when log E + log w reaches it in any hypothesis.

    With weights of mean one, P(ever reached if all nulls are true) ≤ α by Ville's inequality and the union bound. This
    holds for any dependence between hypotheses and for any times of their blocks.
    """
    return float(np.log(hypotheses / alpha))


def e_bh(log_e: FloatArray, log_weights: FloatArray, alpha: float, *, hypotheses: int) -> BoolArray:
    """Weighted e-BH: which hypotheses are named, at false discovery rate ≤ α under any dependence.

    It names the k largest weighted e-values, where k is the largest number for which the k-th is ≥ K/(αk). Hypotheses
    that can never be named have log weight −inf.

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


def holm(log_sup: FloatArray, log_weights: FloatArray, alpha: float, *, hypotheses: int) -> BoolArray:
    """Holm's procedure on p = 1/sup E with weights: which hypotheses are flagged; P(any true null ever is) ≤ α.

    In order of w·sup E, each is compared with (remaining weight)/α. For the first this is K/α, the threshold of the
    decision. Hypotheses of log weight −inf are never flagged, and their weight stays in the remaining weight. As sup E
    only grows, a flag is permanent.

    Source: Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 1979,
    weighted as in its section 5; P(sup E ≥ 1/p) ≤ p (Ville).
    """
    weighted = log_sup + log_weights
    order = np.argsort(-weighted, kind="stable")
    weights = np.exp(log_weights[order])
    left = hypotheses - np.concatenate([[0.0], np.cumsum(weights)[:-1]])
    passing = weighted[order] >= np.log(np.maximum(left, 1e-300) / alpha)
    flagged = np.zeros(len(order), dtype=np.bool_)
    first_miss = int(np.argmin(passing)) if not passing.all() else len(order)
    flagged[order[:first_miss]] = True
    return flagged


def level_weights(levels: IntArray, reserved: int) -> FloatArray:
    """Weights of mean one for slices (count,) by number of dimensions, then `reserved` unnamed slots of weight one.

    The whole gets a tenth of the slices' total weight, single dimensions .4, pairs .3, triples .2. The weights are
    renormalised over the existing levels. So the many pairs do not take the weight of the few single dimensions.
    """
    shares = np.array([0.1, 0.4, 0.3, 0.2])
    bounded = np.minimum(levels, 3)
    counts = np.bincount(bounded, minlength=4)
    mass = np.where(counts > 0, shares, 0.0)
    mass = mass / mass.sum() * len(levels)
    return np.concatenate([mass[bounded] / counts[bounded], np.ones(reserved)])
