"""Estimates while the split of the traffic moves with the hour, and the metric does too."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy import stats

from tests.calibration.table import Row, at_least, at_most, contrast
from tierwise.metrics import registry
from tierwise.metrics.tally import Tally
from tierwise.monitoring.counts.matching import MatchedTallies, fold_tallies
from tierwise.monitoring.counts.measures import compared, worse_sign
from tierwise.monitoring.evidence.mixture import log_better, log_worse
from tierwise.monitoring.planning.bounds import Bounds

_ALPHA = 0.015
_LOOKS, _ROWS, _BINS = 480, 600, 40
_SHARES = (1 / 6, 1 / 3)  # the candidate's: two pods beside ten by day, one beside two at night
_MARGIN, _TOLERANCE = 1.05, 1.025
Draw = Callable[[np.random.Generator, int, bool], Tally]


def equal_versions(replicates: int) -> list[Row]:
    """Equal versions: ever rolled back."""
    rows = []
    for seed, name, draw, what, reference in (
        (70, "mae", _losses(1.0), "MAE is 1.3 times as large at night", "40/40"),
        (71, "auc", _scores, "AUC is .86 by day and .80 at night", "17/20"),
    ):
        matched, totals = _ever(seed, replicates, name, draw, tolerance=1.0)
        about = f"Equal versions; a sixth of the traffic by day, a third at night; {what}: ever rolled back, α = 1.5 %."
        rows.append(at_most(f"Moving split, {name}", matched[0], replicates, _ALPHA, reference, about=about))
        about = "The same, by the totals of both versions."
        rows.append(contrast(f"Moving split, {name}, totals", totals, replicates, 0.3, reference, about=about))
    return rows


def worse_errors(replicates: int) -> list[Row]:
    """A MAE that is 6 % worse where the margin is 5 %."""
    matched, _ = _ever(72, replicates, "mae", _losses(1.06), tolerance=_TOLERANCE)
    about = "The same split, MAE 6 % worse, margin 5 %: promoted."
    rows = [at_most("Moving split, worse, promoted", matched[1], replicates, 0.05, "35–43 %", about=about)]
    about = "The same: rolled back (tolerance 2.5 %)."
    return [*rows, at_least("Moving split, worse, found", matched[0], replicates, 0.95, "40/40", about=about)]


def sparse_bottoms(replicates: int) -> list[Row]:
    """Ratios whose bottom is 0 in most rows."""
    rows = []
    for share, reference in ((0.02, "16 %"), (0.005, "37 %")):
        rng, metric = np.random.default_rng([73, round(1000 * share)]), registry.get("ratio@x/y")
        total: Tally | None = None
        fallen = np.zeros(replicates, dtype=bool)
        for _ in range(60):
            block = _ratios(rng, replicates, share)
            total = block if total is None else total + block
            found = compared(metric, total)
            fallen |= log_worse(found, -1, Bounds.equal(replicates), np.ones(replicates)) >= math.log(1 / _ALPHA)
        about = (
            f"Equal versions, one slice, 60 rows a look and arm, the bottom above 0 in {100 * share:g} % of the rows."
        )
        rows.append(
            at_most(f"Ratio, {share:.1%} bottoms", int(fallen.sum()), replicates, _ALPHA, reference, about=about)
        )
    return rows


def _ever(seed: int, replicates: int, name: str, draw: Draw, *, tolerance: float) -> tuple[tuple[int, int], int]:
    """How many are ever (rolled back, shown within the margin) when matched, and rolled back by totals."""
    rng, metric = np.random.default_rng(seed), registry.get(name)
    sign, ones = worse_sign(metric), np.ones(replicates)
    ratio = 1 + sign * (tolerance - 1)
    within = Bounds(ratio * ones, np.zeros(replicates), np.nan * ones, np.nan * ones)
    margin = Bounds((1 + sign * (_MARGIN - 1)) * ones, np.zeros(replicates), np.nan * ones, np.nan * ones)
    worse, better, by_totals = (np.zeros(replicates, dtype=bool) for _ in range(3))
    matched: MatchedTallies | None = None
    total: Tally | None = None
    for look in range(_LOOKS):
        block = draw(rng, replicates, look >= _LOOKS // 2)
        matched = fold_tallies(matched, (block,))
        total = block if total is None else total + block
        if look % 10 == 9:
            found = compared(metric, matched.effective[0])
            worse |= log_worse(found, sign, within, ones) >= math.log(1 / _ALPHA)
            better |= ~worse & (log_better(found, sign, margin, ones) >= math.log(20))
            by_totals |= log_worse(compared(metric, total), sign, within, ones) >= math.log(1 / _ALPHA)
    return (int(worse.sum()), int((better & ~worse).sum())), int(by_totals.sum())


def _sizes(rng: np.random.Generator, streams: int, is_night: bool) -> np.ndarray:
    share = _SHARES[is_night]
    return rng.poisson(_ROWS * np.array([1 - share, share]), (streams, 2))


def _losses(worse: float) -> Draw:
    def draw(rng: np.random.Generator, streams: int, is_night: bool) -> Tally:
        n = _sizes(rng, streams, is_night)
        scale = np.array([1.0, worse]) * (1.3 if is_night else 1.0)
        # Sums of n half-normal errors: the mean √(2/π), and Σx² a χ² that goes with it.
        owner = np.repeat(np.arange(n.size), n.ravel())
        x = np.abs(rng.standard_normal(len(owner))) * np.tile(scale, streams)[owner]
        sums = [np.bincount(owner, weights=w, minlength=n.size).reshape(n.shape) for w in (np.ones(len(x)), x, x * x)]
        counts = np.zeros((streams, 2, 3, 3), dtype=np.int64)
        counts[..., 0, 0] = n
        return Tally(counts=counts, sums=dict(zip(("mae:n", "mae:x", "mae:xx"), sums, strict=True)))

    return draw


def _scores(rng: np.random.Generator, streams: int, is_night: bool) -> Tally:
    n = _sizes(rng, streams, is_night)
    edges = np.linspace(-5, 5, _BINS + 1)
    cuts = np.concatenate([[-np.inf], edges[1:-1], [np.inf]])
    apart = stats.norm.ppf(0.80 if is_night else 0.86) * math.sqrt(2)
    positives = rng.binomial(n, 0.3)
    bins = np.zeros((streams, 2, 3, _BINS + 1), dtype=np.int64)
    bins[:, :, 0, :-1] = rng.multinomial(n - positives, np.diff(stats.norm.cdf(cuts, -apart / 2)))
    bins[:, :, 1, :-1] = rng.multinomial(positives, np.diff(stats.norm.cdf(cuts, apart / 2)))
    counts = np.zeros((streams, 2, 3, 3), dtype=np.int64)
    above = bins[..., _BINS // 2 : -1].sum(axis=-1)
    counts[..., 1], counts[..., 0] = above, bins[..., :-1].sum(axis=-1) - above
    return Tally(counts=counts, bins=bins, edges=1 / (1 + np.exp(-edges)))


def _ratios(rng: np.random.Generator, streams: int, share: float) -> Tally:
    y = (rng.random((streams, 2, 60)) < share) * rng.lognormal(0, 1, (streams, 2, 60))
    x = y * rng.lognormal(0, 0.5, y.shape)
    terms = {"n": np.ones_like(x), "x": x, "y": y, "xx": x * x, "xy": x * y, "yy": y * y}
    counts = np.zeros((streams, 2, 3, 3), dtype=np.int64)
    counts[..., 0, 0] = 60
    return Tally(counts=counts, sums={f"ratio@x/y:{key}": values.sum(axis=-1) for key, values in terms.items()})


SCENARIOS = [(equal_versions, 200, 0), (worse_errors, 200, 0), (sparse_bottoms, 3000, 0)]
