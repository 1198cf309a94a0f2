"""Makes one decision from many e-values, and names the hypotheses."""

from __future__ import annotations

import numpy as np

from tierwise.arrays import BoolArray, FloatArray, IntArray

SUSPECT_PART = 1 / 50
SUSPECT_AT = 3.0  # at least, also with few slices


def log_decision_threshold(hypotheses: int, alpha: float) -> float:
    """ln(K/α): roll back when log E + log w reaches it in any hypothesis.

    With weights of mean one, P(ever reached if all nulls are true) ≤ α by Ville's inequality and the union bound. This
    holds for any dependence between hypotheses and for any times of their blocks.
    """
    return float(np.log(hypotheses / alpha))


def log_suspect_bound(hypotheses: int) -> float:
    """Ln of the w·E from which a slice is suspect: what was not waited for holds a promotion from there on.

    Among K slices of equal versions some look worse by chance. With this share of K as the bound, suspects delay
    half of the promotions of equal versions by at most a minute (calibrated for 40 to 1,000 slices).
    """
    return float(np.log(max(SUSPECT_AT, hypotheses * SUSPECT_PART)))


def holm(log_sup: FloatArray, log_weights: FloatArray, alpha: float, *, hypotheses: int) -> BoolArray:
    """Holm's procedure on p = 1/sup E with weights: which hypotheses are named; P(any true null ever is) ≤ α.

    In order of w·sup E, each is compared with the weight that is left over α: for the first that is the decision's own
    K/α. Hypotheses of log weight −inf are never named, and their weight stays in what is left. As sup E only grows, a
    name stays. It holds whatever made the bets stop, so also where a slice's rows still wait for enough to be bet on.

    Source: Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 1979,
    weighted as in its section 5; P(sup E ≥ 1/p) ≤ p (Ville).
    """
    weighted = log_sup + log_weights
    order = np.argsort(-weighted, kind="stable")
    weights = np.exp(log_weights[order])
    left = hypotheses - np.concatenate([[0.0], np.cumsum(weights)[:-1]])
    passing = weighted[order] >= np.log(np.maximum(left, 1e-300) / alpha)
    named = np.zeros(len(order), dtype=np.bool_)
    first_miss = int(np.argmin(passing)) if not passing.all() else len(order)
    named[order[:first_miss]] = True
    return named


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
