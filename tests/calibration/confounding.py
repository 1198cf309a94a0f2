"""What else differs between the arms than the model: places, and labels that are not there yet."""

from __future__ import annotations

import numpy as np

from tests.calibration.streams import ALPHA, LOOKS, SLICES, BettingTest, base_rates, draw, ever_rolled_back, slice_sizes
from tests.calibration.table import Row, at_most, contrast


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


SCENARIOS = [
    (tier_effect, 300, 0),
    (late_labels, 300, 0),
]
