"""Compares two versions in different places, within strata of declared confounders.

The null of a hypothesis is "within tolerance in **every** stratum": μa(s) ≤ R·μb(s) + Δ for all s. Given the blocks
before it, each stratum's bet of a block (stats/betting) has expectation at most one under that null. There are two
valid ways to make one e-process of them:

- the *mean* over strata of each stratum's own e-process, for any dependence between strata;
- the *product*. Within one block the strata are different rows, so given the past their bets are independent, like the
  rows of a block. The expectation of a product of independent bets, each with expectation at most one, is at most one.
  The bets of the next block depend on the past alone, so the product over strata and blocks is an e-process.

The product is used. If the candidate is worse by a common step, the product combines the evidence of the strata: its
logarithm grows by the sum of their growth rates. The mean would have to win in one stratum alone and would lose
ln(strata) for the choice. The product has a cost: for a regression in one stratum of many, the lost bets in the others
reduce the evidence. Such a stratum should be a slice to judge, not a confounder. The mean over the alternatives is
taken *outside* the product: each alternative, one step of the log-odds for all strata, is an e-process of its own.

A stratum in which an arm has no rows adds no evidence, and its rows are never imputed.

All arrays are over hypotheses and strata, shape (H, S); counts are (4, H, S): candidate n, bad, baseline n, bad.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tierwise.arrays import FloatArray
from tierwise.stats import betting


@dataclass(frozen=True, slots=True, eq=False)
class Stratified:
    """The e-processes so far. `logs` is (7, H): per alternative, the log of the product over strata and blocks."""

    past: FloatArray  # (4, H, S), consumed by bets
    pending: FloatArray  # (4, H, S), waiting for five observations in both arms of the stratum
    logs: FloatArray

    @property
    def counts(self) -> FloatArray:
        """All rows folded, (4, H, S)."""
        return self.past + self.pending

    @property
    def log_e(self) -> FloatArray:
        """Log e-values (H,) of "worse than the tolerance in some stratum"."""
        return betting.log_mean(self.logs, betting.REGRESSION_LOG_WEIGHTS)


def begin(hypotheses: int, strata: int) -> Stratified:
    """The evidence before the first block."""
    empty = np.zeros((4, hypotheses, strata))
    return Stratified(empty, empty, np.zeros((betting.REGRESSION_ALTERNATIVES, hypotheses)))


def fold(
    evidence: Stratified,
    block: FloatArray,
    null: betting.Boundary,
    prior: FloatArray,
    *,
    phi: float = 1.0,
) -> Stratified:
    """The evidence after a block (4, H, S); `prior` (H,) is the usual rate of bad.

    A block may have more strata than before, with new strata at the end. Exact for φ = 1.
    """
    strata = block.shape[2]
    past, pending = _widened(evidence.past, strata), _widened(evidence.pending, strata) + block
    ready = (pending[0] >= betting.MIN_BLOCK) & (pending[2] >= betting.MIN_BLOCK)  # (H, S), decided on n alone
    if not ready.any():
        return Stratified(past, pending, evidence.logs)
    rows, _ = np.nonzero(ready)
    chosen, before = pending[:, ready], past[:, ready]
    here, p = null.part(rows), prior[rows]
    eta = betting.regression_alternatives(before, here, p)
    increments = betting.log_increment(chosen, before, here, eta, p, phi=phi)
    logs = evidence.logs.copy()
    for alternative in range(len(logs)):
        # bincount adds in the order of the strata, so the same blocks give the same bits.
        logs[alternative] += np.bincount(rows, weights=increments[alternative], minlength=logs.shape[1])
    past, pending = past.copy(), pending.copy()
    past[:, ready] += chosen
    pending[:, ready] = 0.0
    return Stratified(past, pending, logs)


def _widened(counts: FloatArray, strata: int) -> FloatArray:
    missing = strata - counts.shape[2]
    return counts if missing <= 0 else np.concatenate([counts, np.zeros((*counts.shape[:2], missing))], axis=2)
