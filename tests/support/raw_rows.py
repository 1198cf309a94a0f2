"""Raw rows of a log and the tally that the store would give for them, both in plain numpy."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tierwise.metrics.counts import stacked as stacked
from tierwise.metrics.tally import Tally

LINEAR = np.linspace(0, 1, 101)
FINE = np.linspace(0, 1, 4001)
_LOGITS = np.linspace(-8, 8, 401)
LOGIT = np.concatenate([[0.0], 1 / (1 + np.exp(-_LOGITS[1:-1])), [1.0]])  # as scale Logit of 400 bins

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def scored(rng: np.random.Generator, count: int, *, positives: float = 0.3, skill: float = 1.2) -> tuple[Floats, Ints]:
    """Scores that are probabilities, and labels drawn from them."""
    labels = (rng.random(count) < positives).astype(np.int64)
    logits = rng.normal(np.log(positives / (1 - positives)) + skill * (labels - positives), 1.0)
    return 1 / (1 + np.exp(-logits)), labels


def binned(scores: Floats, edges: Floats) -> Floats:
    """The middle of each score's bin: scores within a bin are ties."""
    at = np.clip(np.searchsorted(edges, scores, side="right") - 1, 0, len(edges) - 2)
    return (edges[at] + edges[at + 1]) / 2


def tally_of(scores: Floats, labels: Ints, edges: Floats = LINEAR, *, threshold: float = 0.5, **more: object) -> Tally:
    """Counts by label and answer, and by label and bin; scores are valid, a label of 2 is unknown."""
    counts = np.zeros((3, 3), dtype=np.int64)
    np.add.at(counts, (labels, (scores >= threshold).astype(int)), 1)
    bins = np.zeros((3, len(edges)), dtype=np.int64)
    at = np.clip(np.searchsorted(edges, scores, side="right") - 1, 0, len(edges) - 2)
    np.add.at(bins, (labels, at), 1)
    return Tally(counts, bins=bins, edges=edges, **more)  # type: ignore[arg-type]


def moments(name: str, x: Floats, known: npt.NDArray[np.bool_] | None = None) -> dict[str, Floats]:
    """The three sums of a mean, as numbers."""
    kept = x if known is None else x[known]
    parts = {"n": len(kept), "x": kept.sum(), "xx": (kept**2).sum()}
    return {f"{name}:{part}": np.asarray(value, dtype=np.float64) for part, value in parts.items()}


def squared_calibration_error(scores: Floats, labels: Ints, edges: Floats, weight: Floats | None = None) -> float:
    """Debiased, in 15 groups of neighbouring bins, group by group; scores are the middles of their bins."""
    if weight is None:
        weight = np.ones(len(scores))
    bins = len(edges) - 1
    first = np.arange(15) * bins // 15
    group = np.searchsorted(first, np.searchsorted(edges, scores, side="right") - 1, side="right")
    used, total = 0.0, 0.0
    for number in np.unique(group[weight > 0]):
        y, p, w = (values[group == number] for values in (labels, scores, weight))
        effective = w.sum() ** 2 / (w**2).sum()
        if effective > 2 - 1e-6:
            share = np.average(y, weights=w)
            chance = (w**2 * (y - share) ** 2).sum() / w.sum() ** 2 * effective / (effective - 1)
            used += w.sum()
            total += w.sum() * ((np.average(p, weights=w) - share) ** 2 - chance)
    return total / used
