"""Root cause through the whole judge: one culprit among some 720 overlapping slices."""

from __future__ import annotations

import itertools
from datetime import timedelta

import numpy as np

from tests.calibration.streams import ALPHA, LOOKS, SLICES, THRESHOLD, BettingTest, base_rates, draw, slice_sizes
from tests.calibration.table import Row, at_least, at_most
from tests.unit.monitoring.builders import T0, a_plan, an_analysis
from tierwise.monitoring.counts.model import Block, Cells
from tierwise.monitoring.evidence.fold import begin, fold
from tierwise.monitoring.verdicts.judge import judge
from tierwise.stats import multiplicity

_SIZES = {"carrier": 16, "hour": 16, "origin": 13}
_GROUPINGS = [(), ("carrier",), ("hour",), ("origin",), ("carrier", "hour"), ("carrier", "origin"), ("hour", "origin")]
_RATE, _WORSE = 0.05, 0.25
_ROWS = 20_000  # per look and arm


def culprit_named(replicates: int) -> list[Row]:
    """A culprit of one or two dimensions is named at the stop, and the list is short."""
    rows = []
    for dimensions in (1, 2):
        rng = np.random.default_rng(12 + dimensions)
        exact = related = 0
        for _ in range(replicates):
            wanted, keys = _one_rollout(rng, dimensions)
            exact += wanted in keys
            related += bool(keys) and len(keys) <= 3
        name = f"{dimensions}-dimensional culprit"
        about = "Among 718 overlapping slices of three dimensions, through the whole judge: named at the stop."
        rows.append(at_least(name, exact, replicates, 0.92, "≥ 92 %", about=about))
        about = "The same: the list of culprits has one to three names."
        rows.append(at_least(name + ", short list", related, replicates, 0.85, about=about))
    return rows


def _one_rollout(
    rng: np.random.Generator, dimensions: int
) -> tuple[tuple[tuple[str, str], ...], set[tuple[tuple[str, str], ...]]]:
    shares = [rng.dirichlet(np.full(size, 3.0)) for size in _SIZES.values()]
    sizes = _ROWS * np.einsum("a,b,c->abc", *shares)
    names = list(_SIZES)
    chosen = sorted(rng.choice(3, dimensions, replace=False))
    # A culprit must have traffic: one of the larger values of its dimensions.
    values = {int(d): int(rng.choice(np.argsort(-shares[d])[: _SIZES[names[d]] // 2])) for d in chosen}
    bad = np.ones(sizes.shape, dtype=bool)
    for d, v in values.items():
        bad &= np.arange(sizes.shape[d]).reshape([-1 if i == d else 1 for i in range(3)]) == v
    analysis = an_analysis(slices=[",".join(g) for g in _GROUPINGS if g])
    plan = a_plan(analysis, _cells(rng, sizes, np.full(sizes.shape, _RATE), -1, arms=(0,)))
    evidence = begin(plan)
    rates = np.where(bad, _WORSE, _RATE)
    for look in range(120):
        evidence = fold(evidence, {"flights": _cells(rng, sizes, rates, look)}, np.full(1, 0.5))
        if evidence.stopped_at is not None:
            break
    wanted = tuple(sorted((names[d], str(v)) for d, v in values.items()))
    return wanted, {tuple(sorted(c.slice.items())) for c in judge(evidence).culprits}


def _cells(rng, sizes, candidate_rates, look, arms=(0, 1)) -> Cells:
    atoms = np.zeros((*sizes.shape, 2, 2), dtype=np.int64)  # arm, wrong
    for arm in arms:
        n = rng.poisson(sizes)
        wrong = rng.binomial(n, candidate_rates if arm else _RATE)
        atoms[..., arm, 0], atoms[..., arm, 1] = n - wrong, wrong
    keys, parts = [], []
    names = list(_SIZES)
    for grouping in _GROUPINGS:
        gone = tuple(i for i, name in enumerate(names) if name not in grouping)
        sums = atoms.sum(axis=gone).reshape(-1, 2, 2)
        values = itertools.product(*(range(_SIZES[d]) for d in grouping))
        keys += [",".join(f"{d}={v}" for d, v in zip(grouping, row, strict=True)) for row in values]
        parts.append(sums)
    counts = np.zeros((1, len(keys), 2, 3, 3), dtype=np.int64)
    counts[0, :, :, 0, :2] = np.concatenate(parts)
    start = T0 + timedelta(minutes=look)
    return Cells((Block(start, start + timedelta(minutes=1)),), tuple(keys), counts)


def false_names(replicates: int) -> list[Row]:
    """Some slices regress at once: is any other slice named at the stop?"""
    rng = np.random.default_rng(15)
    rates = base_rates(rng, (replicates * SLICES,))
    bad = np.tile(np.arange(SLICES) % 10 == 0, replicates)
    arms = np.tile(slice_sizes(), replicates), np.where(bad, np.minimum(2 * rates, 1), rates), rates
    test = BettingTest("regression", rates)
    going = np.ones(replicates, dtype=bool)
    log_sup = np.zeros((replicates, SLICES))
    wrong = 0
    for _ in range(LOOKS):
        log_e = test.add(draw(rng, arms[0], arms[1], arms[0], arms[2])).reshape(replicates, SLICES)
        log_sup = np.maximum(log_sup, log_e)
        for i in np.flatnonzero(going & (log_e >= THRESHOLD).any(axis=1)):
            named = multiplicity.holm(log_sup[i], np.zeros(SLICES), ALPHA, hypotheses=SLICES)
            wrong += bool((named & ~bad[:SLICES]).any())
            going[i] = False
        if not going.any():
            break
    about = "20 of 200 slices have twice the errors: a slice that has not is named at the stop."
    return [at_most("False names", wrong, replicates, ALPHA, "≤ α", about=about)]


SCENARIOS = [
    (culprit_named, 120, 40),
    (false_names, 300, 100),
]
