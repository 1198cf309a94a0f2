"""The data for the peers' rules, look by look: counts of proportions, and point estimates of other metrics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from tierwise.arrays import FloatArray
from tierwise.metrics.counts import concatenated
from tierwise.metrics.metric import Estimated, Metric, Shift
from tierwise.metrics.tally import Tally
from tierwise.metrics.weighted import weighted
from tierwise.monitoring.counts.measures import compared, counted, worse_sign
from tierwise.monitoring.counts.model import BASELINE, CANDIDATE, Cells
from tierwise.monitoring.counts.tallies import picked, tally_of
from tierwise.monitoring.planning.tier_plan import DatasetPlan, TierPlan, absolute_gap
from tierwise.simulation.peers.registry import Judged
from tierwise.simulation.peers.rules import WINDOW, Look, Values

Drawn = Mapping[str, Cells]


def judged_by_peers(plan: TierPlan, history: Drawn) -> Judged:
    """Bounds as people would set them, from the usual rates and values in `history`, which has only the baseline.

    Raises:
        MetricFailedError: a metric's code failed.
    """
    rates = [(d, row) for d in plan.datasets for row in _rows(d, "betting")]
    values = [(d, row) for d in plan.datasets for row in _rows(d, "mixture")]
    usual = [_usual(d, row, history[d.dataset.name]) for d, row in values]
    return Judged(
        usual=_flat([d.prior_rates[row] for d, row in rates]),
        margin=_flat([absolute_gap(d.metrics[row].margin, d.prior_rates[row]) for d, row in rates]),
        tolerance=_flat([absolute_gap(d.metrics[row].tolerance, d.prior_rates[row]) for d, row in rates]),
        values=Values(
            usual=_flat(usual),
            margin=_flat(
                [absolute_gap(d.metrics[row].margin, np.abs(at)) for (d, row), at in zip(values, usual, strict=True)]
            ),
            either=_flat([np.full(len(d.slices), d.metric(row).direction == "Either") for d, row in values]) > 0,
        ),
        estimated=_names(values),
        neither=_names([(d, row) for d in plan.datasets for row in _rows(d, "shift")]),
    )


def looks_of(plan: TierPlan, chunks: Iterator[Drawn]) -> Iterator[Look]:
    """The looks of one run, from consecutive chunks of blocks, with values also over the last `WINDOW` looks.

    Raises:
        MetricFailedError: a metric's code failed.
    """
    before: dict[str, Tally] = {}
    for drawn in chunks:
        counts, values, recent = [], [], []
        looks = len(next(iter(drawn.values())).blocks)
        for dataset in plan.datasets:
            tally = _tally(dataset, drawn[dataset.dataset.name])
            for row in _rows(dataset, "betting"):
                n, bad = counted(dataset.metric(row), tally)
                arms = (n[..., CANDIDATE], bad[..., CANDIDATE], n[..., BASELINE], bad[..., BASELINE])
                counts.append(np.stack(arms, axis=1).astype(np.float64))
            estimated = _rows(dataset, "mixture")
            if not estimated:
                continue
            earlier = before.get(dataset.dataset.name)
            longer = tally if earlier is None else concatenated([earlier, tally])
            rolled = _rolled(longer).take(slice(-looks, None))
            before[dataset.dataset.name] = longer.take(slice(-(WINDOW - 1), None))
            for row in estimated:
                values.append(_worse(dataset.metric(row), tally))
                recent.append(_worse(dataset.metric(row), rolled)[..., CANDIDATE])
        for look in range(looks):
            yield Look(
                np.concatenate([part[look] for part in counts], axis=1) if counts else np.zeros((4, 0)),
                _flat([part[look][:, CANDIDATE] for part in values]),
                _flat([part[look][:, BASELINE] for part in values]),
                _flat([part[look] for part in recent]),
            )


def _rows(dataset: DatasetPlan, engine: str) -> list[int]:
    return [row for row in range(len(dataset.metrics)) if dataset.engine(row) == engine]


def _names(judged: Sequence[tuple[DatasetPlan, int]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(dataset.metrics[row].name for dataset, row in judged))


def _flat(parts: Sequence[FloatArray]) -> FloatArray:
    return np.concatenate([np.asarray(part, dtype=np.float64) for part in parts]) if parts else np.zeros(0)


def _usual(dataset: DatasetPlan, row: int, history: Cells) -> FloatArray:
    """The baseline's value in the past; larger is worse, NaN means no value."""
    metric = dataset.metric(row)
    past = _rolled(_tally(dataset, history), len(history.blocks)).take(-1)
    return np.asarray(worse_sign(metric) * compared(metric, past).baseline)


def _worse(metric: Metric, tally: Tally) -> FloatArray:
    """Point estimates; larger is worse, NaN means no estimate. No peer uses their standard errors."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        measure = metric.measure
        assert not isinstance(measure, Shift)
        found = measure.estimate(tally) if isinstance(measure, Estimated) else weighted(measure, tally)
    value = worse_sign(metric) * np.asarray(found.value, dtype=np.float64)
    return np.where(np.isfinite(value), value, np.nan)


def _tally(dataset: DatasetPlan, cells: Cells) -> Tally:
    """The tally of the plan's known slices, (looks, slices, 2 arms); zeros for a slice without rows in these looks."""
    position = {key: i for i, key in enumerate(cells.slices)}
    at = np.array([position.get(key, -1) for key in dataset.slices], dtype=np.intp)
    return picked(tally_of(dataset.dataset.spec, cells), at, axis=1)


def _rolled(tally: Tally, window: int = WINDOW) -> Tally:
    """For every look the sum over the last `window` looks."""

    def roll(values: FloatArray, axis: int) -> FloatArray:
        total = np.cumsum(values, axis=axis)
        of_looks = np.moveaxis(total, axis, 0)
        of_looks[window:] -= of_looks[:-window].copy()
        return total

    return tally.map_arrays(roll)
