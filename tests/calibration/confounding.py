"""What else differs between the arms than the model: places, and labels that are not there yet."""

from __future__ import annotations

import numpy as np

from tests.calibration.streams import (
    ALPHA,
    LOOKS,
    SLICES,
    THRESHOLD,
    BettingTest,
    base_rates,
    draw,
    ever_rolled_back,
    slice_sizes,
)
from tests.calibration.table import Row, at_least, at_most, contrast
from tierwise.stats import history, stratified
from tierwise.stats.betting import Boundary


def tier_effect(replicates: int) -> list[Row]:
    """Something that nobody recorded makes the tier's sites worse, more at some hours than at others."""
    rows = []
    for control in ("in-tier", "other tiers"):
        rng = np.random.default_rng(50)
        sizes = np.tile(slice_sizes(), replicates)
        elsewhere = base_rates(rng, (replicates * SLICES,))
        test = BettingTest("regression", elsewhere, ratio=1.125)

        def counts(look: int, rng=rng, control=control, elsewhere=elsewhere, sizes=sizes) -> np.ndarray:
            here = np.minimum(elsewhere * (1.5 + 0.5 * np.sin(look / 40)), 1)
            return draw(rng, sizes, here, sizes, here if control == "in-tier" else elsewhere)

        hits = ever_rolled_back(test, counts, replicates)
        if control == "in-tier":
            about = (
                "The tier's sites are up to twice as bad with either model; candidate twins against pods beside them."
            )
            rows.append(at_most("Unobserved tier effect", hits, replicates, ALPHA, "≤ 5 %", about=about))
        else:
            about = "The same, but against the pods of other tiers."
            rows.append(contrast("Control in other tiers", hits, replicates, 0.5, about=about))
    return rows


_HORIZON = 120  # minutes after which a label that is not there counts as unknown
_BAD_ARRIVES, _GOOD_ARRIVES = 1 / 5, 1 / 60  # per minute: complaints are quick, confirmations slow


def late_labels(replicates: int) -> list[Row]:
    """Bad outcomes are known sooner than good ones, and the candidate's predictions are the younger ones."""
    mature, immature = _late_labels(replicates, mature=True), _late_labels(replicates, mature=False)
    about = "Bad labels take 5 minutes, good ones an hour, the split is ramped; only what had 2 hours counts."
    rows = [at_most("Late labels, mature window", mature, replicates, ALPHA, "≤ 5 %", about=about)]
    return [
        *rows,
        contrast("Labels as they arrive", immature, replicates, 0.5, about="The same, every label counted at once."),
    ]


def _late_labels(replicates: int, *, mature: bool) -> int:
    rng = np.random.default_rng(51)
    sizes = np.tile(slice_sizes(), replicates)
    rates = base_rates(rng, (replicates * SLICES,))
    seen_rates = (1 - (1 - _BAD_ARRIVES) ** _HORIZON, 1 - (1 - _GOOD_ARRIVES) ** _HORIZON)
    waiting = np.zeros((4, len(sizes)), dtype=np.int64)  # bad and good of the candidate, of the baseline

    def counts(look: int) -> np.ndarray:
        nonlocal waiting
        share = 0.05 + 0.45 * look / LOOKS
        block = draw(rng, 2 * sizes * share, rates, 2 * sizes * (1 - share), rates).astype(np.int64)
        na, ka, nb, kb = block
        fresh = np.stack([ka, na - ka, kb, nb - kb])
        if mature:  # read two hours later; what has come by then is a binomial part of the block
            known = np.stack([rng.binomial(x, seen_rates[i % 2]) for i, x in enumerate(fresh)])
        else:  # whatever arrived in this minute, of all predictions so far; waiting has no memory
            waiting += fresh
            arrives = (_BAD_ARRIVES, _GOOD_ARRIVES)
            known = np.stack([rng.binomial(x, arrives[i % 2]) for i, x in enumerate(waiting)])
            waiting = waiting - known
        bad_a, good_a, bad_b, good_b = known.astype(float)
        return np.stack([bad_a + good_a, bad_a, bad_b + good_b, bad_b])

    return ever_rolled_back(BettingTest("regression", rates), counts, replicates)


_STRATA = np.array([0.5, 1.0, 2.0, 4.0])  # how bad each stratum is, as a factor on the slice's rate
_MIX = np.array([[0.1, 0.2, 0.3, 0.4], [0.4, 0.3, 0.2, 0.1]])  # the candidate's tiers have more of the bad ones


def mix_shift(replicates: int) -> list[Row]:
    """The candidate serves tiers whose traffic is of a worse kind."""
    hits = _mix_shift(replicates, adjusted=True)
    about = (
        "The candidate's tiers have more traffic of the bad kinds; every stratum at tolerance (R = 1.125); by stratum."
    )
    rows = [at_most("Cross-tier mix shift", hits, replicates, ALPHA, "≤ 5 %", about=about)]
    hits = _mix_shift(replicates, adjusted=False)
    return [*rows, contrast("Mix shift, no strata", hits, replicates, 0.5, about="The same, all kinds in one count.")]


def _mix_shift(replicates: int, *, adjusted: bool) -> int:
    rng = np.random.default_rng(52)
    streams = replicates * SLICES
    rates = base_rates(rng, (streams,)) / 4
    ratio, delta = np.full(streams, 1.125), np.zeros(streams)
    sizes = np.tile(slice_sizes(), replicates)[:, None] * _MIX[:, None]  # (arm, streams, strata)
    baseline = rates[:, None] * _STRATA
    evidence = stratified.begin(streams, len(_STRATA) if adjusted else 1)
    fallen = np.zeros(streams, dtype=bool)
    for _ in range(LOOKS):
        block = draw(rng, sizes[0], 1.125 * baseline, sizes[1], baseline)
        counts = block if adjusted else block.sum(axis=2, keepdims=True)
        evidence = stratified.fold(evidence, counts, Boundary(ratio, delta), rates)
        fallen |= evidence.log_e >= THRESHOLD
    return int(fallen.reshape(replicates, SLICES).any(axis=1).sum())


def own_past(replicates: int) -> list[Row]:
    """No control beside the candidate: the place's own past, less the change elsewhere."""
    rows = []
    for with_elsewhere in (True, False):
        hits = _own_past(replicates, with_elsewhere=with_elsewhere)
        if with_elsewhere:
            about = (
                "Odds of errors go up by half everywhere between the past and now; the change elsewhere is taken off."
            )
            rows.append(at_most("Difference-in-differences", hits, replicates, ALPHA, about=about))
        else:
            rows.append(
                contrast("Own past alone", hits, replicates, 0.5, about="The same without the change elsewhere.")
            )
    hits = _own_past(replicates, with_elsewhere=True, worse=1.6)
    about = "Besides, one slice in four has its odds up by 60 % where the candidate runs: found."
    return [*rows, at_least("Difference-in-differences finds", hits, replicates, 0.95, about=about)]


def _own_past(replicates: int, *, with_elsewhere: bool, worse: float = 1.0) -> int:
    rng = np.random.default_rng(53)
    sizes, before = np.tile(slice_sizes(), replicates), base_rates(rng, (replicates * SLICES,))
    place = np.exp(rng.normal(0, 0.3, len(sizes)))  # elsewhere is another place
    here = np.where(np.arange(len(sizes)) % 4 == 0, worse, 1.0)
    rates = [
        _with_odds(before, factor) for factor in (1.5 * here, np.ones(len(sizes)), 1.5 * place, place)
    ]  # now, before, elsewhere now, elsewhere before
    ratio, delta = np.full(len(sizes), 1.0), np.zeros(len(sizes))
    totals = np.zeros((4, 2, len(sizes)))
    fallen = np.zeros(len(sizes), dtype=bool)
    for look in range(LOOKS):
        n = rng.poisson(sizes, (4, len(sizes)))
        totals += np.stack([n, rng.binomial(n, rates)], axis=1)
        if look % 5 == 4:  # cumulative: a look in between changes nothing but the number of chances
            now, past, elsewhere_now, elsewhere_past = totals
            found = history.change(
                now,
                past[np.newaxis],
                Boundary(ratio, delta),
                elsewhere=(elsewhere_now, elsewhere_past[np.newaxis]) if with_elsewhere else None,
            )
            fallen |= found.log_e >= THRESHOLD
    return int(fallen.reshape(replicates, SLICES).any(axis=1).sum())


def _with_odds(rates: np.ndarray, factor: np.ndarray) -> np.ndarray:
    odds = rates / (1 - rates) * factor
    return odds / (1 + odds)


SCENARIOS = [
    (tier_effect, 100, 0),
    (mix_shift, 80, 0),
    (own_past, 80, 0),
    (late_labels, 100, 60),
]
