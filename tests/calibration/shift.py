"""Bets on a moved score, without labels: nine deciles of the past, both sides, averaged."""

from __future__ import annotations

import math

import numpy as np
from scipy import stats

from tests.calibration.streams import ALPHA, BettingTest, slice_sizes
from tests.calibration.table import Row, at_least, at_most
from tierwise.metrics import registry
from tierwise.metrics.kinds.shift import deciles
from tierwise.metrics.metric import Shift
from tierwise.metrics.tally import Tally
from tierwise.stats import betting

_SLICES, _LOOKS, _BINS = 20, 200, 40
_TOLERANCE = 0.025
_THRESHOLD = math.log(_SLICES / ALPHA)


def score_shift(replicates: int) -> list[Row]:
    """Scores that move by exactly what is tolerated, and by four times as much."""
    # The median moves most: by the density there times the shift.
    at_the_edge = float(stats.norm.ppf(0.5 + _TOLERANCE))
    about = "Scores move until the median's share is off by the tolerance (.025), 20 slices, 200 looks: rolled back."
    rows = [at_most("Score shift at tolerance", _ever(48, replicates, at_the_edge), replicates, ALPHA, about=about)]
    far = float(stats.norm.ppf(0.5 + 4 * _TOLERANCE))
    about = "They move four times as far, up or down: rolled back."
    up, down = (_ever(seed, replicates, shift) for seed, shift in ((49, far), (49, -far)))
    return [*rows, at_least("Score shift found", up + down, 2 * replicates, 0.95, about=about)]


def _ever(seed: int, replicates: int, shift: float) -> int:
    rng = np.random.default_rng(seed)
    measure = registry.get("score-shift").measure
    assert isinstance(measure, Shift)
    cuts = np.concatenate([[-np.inf], np.linspace(-3, 3, _BINS - 1), [np.inf]])
    shares = [np.diff(stats.norm.cdf(cuts, centre)) for centre in (0.0, shift)]  # baseline, candidate
    past = np.zeros((3, _BINS + 1), dtype=np.int64)
    past[2, :-1] = rng.multinomial(100_000, shares[0])
    at = deciles(past, measure.points)
    streams, sides = replicates * _SLICES, 2 * measure.points
    sizes = np.tile(slice_sizes(_SLICES), replicates)
    prior = np.concatenate([np.arange(1, measure.points + 1), np.arange(measure.points, 0, -1)]) / (measure.points + 1)
    test = BettingTest("regression", np.repeat(prior, streams), delta=_TOLERANCE)
    fallen = np.zeros(streams, dtype=bool)
    for _ in range(_LOOKS):
        bins = np.zeros((streams, 2, 3, _BINS + 1), dtype=np.int64)
        for arm in (0, 1):
            bins[:, arm, 2, :-1] = rng.multinomial(rng.poisson(sizes), shares[arm])
        n, below = measure.count(Tally(counts=np.zeros((streams, 2, 3, 3), dtype=np.int64), bins=bins), at)
        n = np.broadcast_to(n[..., None], below.shape)
        under, over = (np.stack([n[:, 1], x[:, 1], n[:, 0], x[:, 0]]) for x in (below, n - below))
        counts = np.concatenate([under, over], axis=2).transpose(0, 2, 1).reshape(4, -1).astype(float)
        log_e = test.add(counts).reshape(sides, streams)
        fallen |= betting.log_mean(log_e, np.full(sides, -math.log(sides))) >= _THRESHOLD
    return int(fallen.reshape(replicates, _SLICES).any(axis=1).sum())


SCENARIOS = [(score_shift, 60, 0)]
