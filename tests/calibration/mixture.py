"""Metrics that are estimated with a variance: the Gaussian mixture, through the judge's own comparison of two arms."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from scipy import stats

from tests.calibration.streams import ALPHA, BettingTest, slice_sizes
from tests.calibration.table import Row, at_least, at_most, contrast
from tierwise.metrics import registry
from tierwise.metrics.metric import Estimated
from tierwise.metrics.tally import Tally
from tierwise.monitoring.counts.measures import compared, worse_sign
from tierwise.monitoring.counts.tallies import with_both_arms
from tierwise.monitoring.evidence.mixture import log_worse
from tierwise.monitoring.planning.bounds import Bounds
from tierwise.stats.mixture import log_mixture

_SLICES, _LOOKS, _BINS = 20, 100, 60
_EDGES = 1 / (1 + np.exp(-np.linspace(-7, 7, _BINS + 1)))
_THRESHOLD = math.log(_SLICES / ALPHA)
Draw = Callable[[np.random.Generator, int], Tally]  # one look of (streams, 2 arms), baseline first


def rankings(replicates: int) -> list[Row]:
    """Equal models whose score tells positives from negatives: AUC, average precision, Kolmogorov–Smirnov."""
    rows = []
    for seed, name, note in ((80, "auc", ""), (81, "average-precision", ""), (82, "ks", "")):
        hits = _ever(seed, name, replicates, _scores(1.5, 1.5))
        about = f"Equal models, 20 slices, 100 looks, Δ = 0, 5 to 50 % positives{note}: ever rolled back."
        rows.append(at_most(f"A/A, {name}", hits, replicates, ALPHA, about=about))
    hits = _ever(83, "auc", replicates, _scores(1.5, 1.2))
    about = "Positives score lower (.983 → .972): rolled back within 100 looks."
    return [*rows, at_least("AUC falls", hits, replicates, 0.95, about=about)]


def tables(replicates: int) -> list[Row]:
    """Equal models judged by their answers: balanced accuracy, MCC, macro-F1, and F1, which is exact."""
    rows = []
    for seed, name in ((84, "balanced-accuracy"), (85, "mcc")):
        hits = _ever(seed, name, replicates, _answers(0.5))
        about = "Equal models, 20 slices, 100 looks, Δ = 0, 10 % of the answers wrong: ever rolled back."
        rows.append(at_most(f"A/A, {name}", hits, replicates, ALPHA, about=about))
    hits = _ever(86, "macro-f1", replicates, _classes)
    about = "Equal models of four classes, the rarest 5 % of the rows: ever rolled back."
    rows.append(at_most("A/A, macro-f1", hits, replicates, ALPHA, about=about))
    about = "Equal models, F1 as the exact test on TP/(TP + FP + FN): ever rolled back."
    return [*rows, at_most("A/A, f1", _ever_f1(87, replicates), replicates, ALPHA, about=about)]


def calibration_error(replicates: int) -> list[Row]:
    """Equal models, calibrated and not, with rare positives, with equal and with unequal arms."""
    rows = []
    of = ((88, 0.0, 0.5, "calibrated"), (89, 0.4, 0.5, "not calibrated"), (94, -4.0, 0.5, "rare positives"))
    for seed, bend, share, name in (*of, (92, 0.4, 0.1, "")):
        hits = _ever(seed, "ece", replicates, _probabilities(bend, share))
        kind = name or "not calibrated, a tenth of the rows the candidate's"
        kind = "2 % of the rows positive and scores far too high" if bend < 0 else kind
        about = f"Equal models, {kind}; debiased squared ECE: ever rolled back."
        rows.append(at_most(f"A/A, ece, {name or 'split 10 %'}", hits, replicates, ALPHA, about=about))
    return rows


def losses(replicates: int) -> list[Row]:
    """Equal models judged by a mean with a long tail."""
    hits = _ever(93, "log-loss", replicates, _losses)
    about = "Equal models, log-losses with a long tail (skewness 8), scales from the data: ever rolled back."
    return [at_most("A/A, log-loss", hits, replicates, ALPHA, about=about)]


def tails(replicates: int) -> list[Row]:
    """How often the evidence reaches 1,000 in one slice: the tail that 200 slices live on."""
    rows = []
    for seed, share, alone in ((90, 0.05, "pooled"), (91, 0.95, "own")):
        reached = _tails(seed, replicates, share, alone)
        rows_of_it = f"{100 * share:.0f} % of 200 rows a look"
        about = f"Balanced accuracy, equal models, 2 % wrong, the candidate has {rows_of_it}: E ≥ 1,000."
        hits = reached["larger"]
        rows.append(at_most(f"Tail, split {100 * share:.0f} %", hits, replicates, 1e-3, "thinnest", about=about))
        name, about = f"Tail, split {100 * share:.0f} %, {alone}", f"The same with the {alone} variance alone."
        rows.append(contrast(name, reached[alone], replicates, 1e-3, "27–257 times", about=about))
    return rows


def _ever(seed: int, name: str, replicates: int, draw: Draw) -> int:
    """How many of the replicates are ever rolled back at Δ = 0."""
    rng = np.random.default_rng(seed)
    metric = registry.get(name)
    streams = replicates * _SLICES
    fallen = np.zeros(streams, dtype=bool)
    total: Tally | None = None
    for _ in range(_LOOKS):
        block = draw(rng, streams)
        total = block if total is None else total + block
        log_e = log_worse(compared(metric, total), worse_sign(metric), Bounds.equal(streams), np.ones(streams))
        fallen |= log_e >= _THRESHOLD
    return int(fallen.reshape(replicates, _SLICES).any(axis=1).sum())


def _ever_f1(seed: int, replicates: int) -> int:
    rng = np.random.default_rng(seed)
    metric = registry.get("f1")
    streams = replicates * _SLICES
    test = BettingTest("regression", np.full(streams, 0.3))
    fallen = np.zeros(streams, dtype=bool)
    draw = _answers(0.5)
    for _ in range(_LOOKS):
        n, bad = metric.n_bad_of(draw(rng, streams))
        counts = np.stack([n[:, 1], bad[:, 1], n[:, 0], bad[:, 0]]).astype(float)
        fallen |= test.add(counts) >= _THRESHOLD
    return int(fallen.reshape(replicates, _SLICES).any(axis=1).sum())


def _tails(seed: int, replicates: int, share: float, alone: str) -> dict[str, int]:
    rng = np.random.default_rng(seed)
    metric = registry.get("balanced-accuracy")
    assert isinstance(metric.measure, Estimated)
    draw = _answers(share, wrong=0.02, labels=np.full(replicates, 200.0))
    reached = {which: np.zeros(replicates, dtype=bool) for which in ("larger", alone)}
    total: Tally | None = None
    for _ in range(_LOOKS):
        block = draw(rng, replicates)
        total = block if total is None else total + block
        found = compared(metric, total)
        reached["larger"] |= log_worse(found, -1, Bounds.equal(replicates), np.ones(replicates)) >= math.log(1000)
        each = metric.measure.estimate(with_both_arms(total))
        spread, units = np.broadcast_arrays(each.spread, each.units)
        with np.errstate(divide="ignore", invalid="ignore"):
            arms = [(spread[:, 2 if alone == "pooled" else arm] / units[:, arm]).sum(axis=-1) for arm in (0, 1)]
        worse = np.where(found.enough, found.baseline - found.candidate, np.nan)
        reached[alone] |= log_mixture(worse, arms[0] + arms[1], 0.0, found.taus) >= math.log(1000)
    return {which: int(runs.sum()) for which, runs in reached.items()}


def _labels(rng: np.random.Generator, streams: int, share: float = 0.5) -> np.ndarray:
    """Numbers of negatives and positives (streams, 2 arms, 2) of one look: the share of positives goes by slice."""
    sizes = np.resize(slice_sizes(_SLICES, 1000.0), streams)
    positive = np.resize([0.05, 0.2, 0.5], streams)
    expected = sizes[:, None] * np.stack([1 - positive, positive], axis=-1)
    return rng.poisson(expected[:, None] * 2 * np.array([1 - share, share])[:, None])


def _scores(baseline: float, candidate: float) -> Draw:
    """Log-odds scores, normal around −1.5 for negatives and around `baseline` or `candidate` for positives."""
    inner = np.linspace(-7, 7, _BINS + 1)[1:-1]
    cuts = np.concatenate([[-np.inf], inner, [np.inf]])
    shares = {centre: np.diff(stats.norm.cdf(cuts, centre)) for centre in (-1.5, baseline, candidate)}

    def draw(rng: np.random.Generator, streams: int) -> Tally:
        n = _labels(rng, streams)
        bins = np.zeros((streams, 2, 3, _BINS + 1), dtype=np.int64)
        for arm, positive in enumerate((baseline, candidate)):
            bins[:, arm, 0, :-1] = rng.multinomial(n[:, arm, 0], shares[-1.5])
            bins[:, arm, 1, :-1] = rng.multinomial(n[:, arm, 1], shares[positive])
        return _with_bins(bins)

    return draw


def _probabilities(bend: float, share_of_candidate: float) -> Draw:
    """Scores spread over all bins; positives as often as the score says, its log-odds off by `bend`."""
    middle = (_EDGES[:-1] + _EDGES[1:]) / 2
    share = np.diff(stats.norm.cdf(np.linspace(-7, 7, _BINS + 1), -1, 1.5))
    odds = middle / (1 - middle) * np.exp(bend)
    truth = odds / (1 + odds)

    def draw(rng: np.random.Generator, streams: int) -> Tally:
        n = _labels(rng, streams, share_of_candidate).sum(axis=-1)
        rows = rng.multinomial(n, share / share.sum())
        positives = rng.binomial(rows, truth)
        bins = np.zeros((streams, 2, 3, _BINS + 1), dtype=np.int64)
        bins[:, :, 0, :-1], bins[:, :, 1, :-1] = rows - positives, positives
        return _with_bins(bins)

    return draw


def _with_bins(bins: np.ndarray) -> Tally:
    counts = np.zeros((*bins.shape[:2], 3, 3), dtype=np.int64)
    above = bins[..., _BINS // 2 : -1].sum(axis=-1)
    counts[..., 1], counts[..., 0] = above, bins[..., :-1].sum(axis=-1) - above
    return Tally(counts=counts, bins=bins, edges=_EDGES)


def _answers(candidate_share: float, *, wrong: float = 0.1, labels: np.ndarray | None = None) -> Draw:
    """Answers by label; `labels` (streams,) rows a look, a quarter of them positive."""

    def draw(rng: np.random.Generator, streams: int) -> Tally:
        if labels is None:
            n = _labels(rng, streams)
        else:
            arms = np.array([1 - candidate_share, candidate_share])[:, None] * np.array([0.75, 0.25])
            n = rng.poisson(labels[:, None, None] * arms)
        bad = rng.binomial(n, wrong)
        counts = np.zeros((streams, 2, 3, 3), dtype=np.int64)
        counts[..., 0, 0], counts[..., 0, 1] = n[..., 0] - bad[..., 0], bad[..., 0]
        counts[..., 1, 1], counts[..., 1, 0] = n[..., 1] - bad[..., 1], bad[..., 1]
        return Tally(counts=counts)

    return draw


def _losses(rng: np.random.Generator, streams: int) -> Tally:
    """Losses exp(N(−2, 1.1²)), summed by stream and arm."""
    n = _labels(rng, streams)
    counts = np.zeros((streams, 2, 3, 3), dtype=np.int64)
    counts[..., :2, 0] = n
    rows = n.sum(axis=-1).ravel()
    x = rng.lognormal(-2, 1.1, int(rows.sum()))
    owner = np.repeat(np.arange(len(rows)), rows)
    sums = [np.bincount(owner, weights=w, minlength=len(rows)).reshape(streams, 2) for w in (np.ones(len(x)), x, x * x)]
    return Tally(counts=counts, sums=dict(zip(("log-loss:n", "log-loss:x", "log-loss:xx"), sums, strict=True)))


_CLASS_SHARES = np.array([0.5, 0.3, 0.15, 0.05])
_CONFUSION = 0.8 * np.eye(4) + 0.05 * np.ones((4, 4))  # 85 % right


def _classes(rng: np.random.Generator, streams: int) -> Tally:
    n = _labels(rng, streams).sum(axis=-1)
    table = rng.multinomial(n, (_CLASS_SHARES[:, None] * _CONFUSION).ravel()).reshape(streams, 2, 4, 4)
    bins = np.zeros((streams, 2, 5, 5), dtype=np.int64)
    bins[..., :4, :4] = table
    right = np.trace(table, axis1=-2, axis2=-1)
    counts = np.zeros((streams, 2, 3, 3), dtype=np.int64)
    counts[..., 1, 1], counts[..., 1, 0] = right, n - right
    return replace(Tally(counts=counts, bins=bins), classes=("a", "b", "c", "d"))


SCENARIOS = [
    (rankings, 250, 0),
    (tables, 400, 0),
    (calibration_error, 150, 0),
    (losses, 200, 0),
    (tails, 10_000, 4000),
]
