"""A delivered version on the log, where no untouched pods are left beside it: strata, or the past. Pure.

Proportions only. Two comparisons, in order of trust: versions in different tiers within strata of declared confounders
(stats/stratified), and the tiers' own past, less the change in the tiers still to come (stats/history). Both arms are
read apart, the version in the tiers that it was delivered to, the baseline elsewhere or earlier, and come here as
cells of one arm each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

import numpy as np

from tierwise.api.common import Margin
from tierwise.api.slices import WHOLE, parse_slice_key, slice_key
from tierwise.api.strategy import DatasetAnalysis, MetricSpec
from tierwise.metrics import registry
from tierwise.metrics.metric import Proportion
from tierwise.monitoring.cells import BASELINE, Cells, Dataset, FloatArray
from tierwise.stats import history, multiplicity, stratified

Control = Literal["stratified", "history"]
Counts = tuple[FloatArray, ...]  # of a block: n and bad (2, H[, S]), per arm

MOST_STRATA = 64  # of a dataset; those with most rows of the baseline


@dataclass(frozen=True, slots=True, eq=False)
class Hypotheses:
    """What is watched, (H,): dataset by dataset, metric by metric, slice by slice. `skipped`: metrics that are not."""

    alpha: float
    datasets: tuple[Dataset, ...]
    metrics: tuple[tuple[MetricSpec, ...], ...]  # per dataset
    slices: tuple[tuple[str, ...], ...]  # per dataset, the whole first
    strata: tuple[tuple[str, ...], ...]  # per dataset: keys of the confounders' values
    ratio: FloatArray
    delta: FloatArray
    prior: FloatArray
    log_weight: FloatArray
    skipped: tuple[str, ...] = ()
    phi: float = 1.0  # overdispersion: the largest that the judgement of a tier was divided by

    @property
    def size(self) -> int:
        """H, which is K: all are known before the first block."""
        return len(self.ratio)


@dataclass(frozen=True, slots=True, eq=False)
class Watch:
    """The evidence so far: by `tables`, n and bad by arm, against the past, or by `strata`."""

    of: Hypotheses
    tables: Counts = ()  # now, before, elsewhere now, elsewhere before: (2, H)
    strata: stratified.Stratified | None = None
    log_e: FloatArray | None = None
    looks: int = 0
    until: datetime | None = None
    stopped_at: datetime | None = None


def hypotheses_of(
    analysis: Sequence[DatasetAnalysis],
    datasets: Mapping[str, Dataset],
    usual: Mapping[str, Cells],
    alpha: float,
    strata: Mapping[str, Sequence[str]] | None = None,
    phi: float = 1.0,
) -> Hypotheses:
    """Fix what is watched from the baseline's rows of a time before the first block, `usual`.

    A slice without such rows is not watched: there is nothing to compare it with.
    """
    kept, metrics, slices, parts, skipped = [], [], [], [], []
    for item in analysis:
        dataset = datasets[item.name]
        proportions = tuple(m for m in item.metrics if is_watched(m.name, dataset))
        skipped += [f"{item.name}/{m.name}" for m in item.metrics if m not in proportions]
        cells = usual[item.name]
        if not proportions or not cells.slices:
            continue
        counts = cells.counts[:, :, BASELINE].sum(axis=0)  # (slices, 3, 3)
        seen = [i for i, key in enumerate(cells.slices) if key != WHOLE and counts[i].any()]
        order = [cells.slices.index(WHOLE), *sorted(seen, key=lambda i: cells.slices[i])]
        keys = tuple(cells.slices[i] for i in order)
        levels = np.array([0 if key == WHOLE else key.count("=") for key in keys])
        weights = np.log(multiplicity.level_weights(levels, 0))
        for spec in proportions:
            n, bad = (x.astype(np.float64) for x in registry.get(spec.name).n_bad(counts[order]))
            whole = (bad[0] + 0.5) / (n[0] + 1)
            ratio, delta = _tolerance(spec)
            ignored = np.array([_is_ignored(item, spec.name, key) for key in keys])
            columns = np.empty((4, len(keys)))
            columns[0], columns[1] = ratio, delta
            columns[2] = (bad + 10 * whole) / (n + 10)
            columns[3] = np.where(ignored, -np.inf, weights)
            parts.append(columns)
        kept.append(dataset)
        metrics.append(proportions)
        slices.append(keys)
    flat = np.concatenate(parts, axis=1) if parts else np.zeros((4, 0))
    return Hypotheses(
        alpha=alpha,
        datasets=tuple(kept),
        metrics=tuple(metrics),
        slices=tuple(slices),
        strata=tuple(tuple((strata or {}).get(dataset.name, ())) for dataset in kept),
        ratio=flat[0],
        delta=flat[1],
        prior=flat[2],
        log_weight=flat[3],
        skipped=tuple(skipped),
        phi=phi,
    )


def is_watched(name: str, dataset: Dataset) -> bool:
    """Whether a metric is a proportion counted from labels and answers at the dataset's own threshold."""
    metric = registry.get(name)
    is_plain = dataset.spec.threshold_of(name) == dataset.spec.threshold and not dataset.reads.weights
    return isinstance(metric.measure, Proportion) and metric.direction != "Either" and is_plain


def counts_of(of: Hypotheses, cells: Mapping[str, Cells], block: int, arm: int) -> FloatArray:
    """Numbers n and bad (2, H) of one block and arm."""
    parts = []
    for dataset, specs, keys in zip(of.datasets, of.metrics, of.slices, strict=True):
        found = cells[dataset.name]
        position = {key: i for i, key in enumerate(found.slices)}
        counts = np.zeros((len(keys), 3, 3), dtype=np.int64)
        for row, key in enumerate(keys):
            if key in position:
                counts[row] = found.counts[block, position[key], arm]
        parts += [np.stack(registry.get(spec.name).n_bad(counts)) for spec in specs]
    return np.concatenate(parts, axis=1).astype(np.float64) if parts else np.zeros((2, 0))


def strata_counts(of: Hypotheses, cells: Mapping[str, Cells], block: int, arm: int) -> FloatArray:
    """Numbers n and bad (2, H, S) of one block and arm, from cells whose slices are crossed with the strata."""
    most = max((len(strata) for strata in of.strata), default=0)
    parts = []
    for dataset, specs, keys, strata in zip(of.datasets, of.metrics, of.slices, of.strata, strict=True):
        found = cells[dataset.name]
        position = {key: i for i, key in enumerate(found.slices)}
        counts = np.zeros((len(keys), most, 3, 3), dtype=np.int64)
        for row, key in enumerate(keys):
            for column, stratum in enumerate(strata):
                joined = crossed(key, stratum)
                if joined in position:
                    counts[row, column] = found.counts[block, position[joined], arm]
        parts += [np.stack(registry.get(spec.name).n_bad(counts)) for spec in specs]
    return np.concatenate(parts, axis=1).astype(np.float64) if parts else np.zeros((2, 0, most))


def crossed(key: str, stratum: str) -> str | None:
    """The key of a slice's rows within a stratum; None where they exclude each other."""
    values, more = parse_slice_key(key), parse_slice_key(stratum)
    if any(values.get(dimension, value) != value for dimension, value in more.items()):
        return None
    return slice_key({**values, **more})


def crossed_groupings(groupings: Sequence[tuple[str, ...]], confounders: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """What the store has to group by: each grouping, and the whole, together with the confounders."""
    return tuple(dict.fromkeys(tuple(sorted({*grouping, *confounders})) for grouping in ((), *groupings)))


def strata_of(cells: Cells, confounders: Sequence[str]) -> tuple[str, ...]:
    """The confounders' values with most rows of the baseline, at most `MOST_STRATA`."""
    wanted = set(confounders)
    rows = cells.counts[:, :, BASELINE].sum(axis=(0, 2, 3))
    found = [i for i, key in enumerate(cells.slices) if set(parse_slice_key(key)) == wanted and rows[i]]
    return tuple(cells.slices[i] for i in sorted(found, key=lambda i: (-int(rows[i]), cells.slices[i]))[:MOST_STRATA])


def begin_watch(of: Hypotheses, control: Control) -> Watch:
    """Before the first block."""
    if control == "stratified":
        most = max((len(strata) for strata in of.strata), default=0)
        return Watch(of, strata=stratified.begin(of.size, most))
    empty = np.zeros((2, of.size))
    return Watch(of, tables=(empty, empty, empty, empty))


def fold_past(watch: Watch, at: datetime, now: FloatArray, before: FloatArray, *elsewhere: FloatArray) -> Watch:
    """The watch after a block and its past (2, H); `elsewhere`: the tiers still to come, now and before."""
    if watch.stopped_at is not None:
        return replace(watch, looks=watch.looks + 1, until=at)
    added = (now, before, *elsewhere)
    tables = tuple(table + added[i] if i < len(added) else table for i, table in enumerate(watch.tables))
    others = (tables[2], tables[3]) if elsewhere else (None, None)
    of = watch.of
    found = history.change(
        tables[0], tables[1], of.ratio, of.delta, elsewhere_now=others[0], elsewhere_before=others[1], phi=of.phi
    )
    return _decided(replace(watch, tables=tables, log_e=found.log_e), at)


def fold_strata(watch: Watch, at: datetime, now: FloatArray, elsewhere: FloatArray) -> Watch:
    """The watch after a block (2, H, S): the version where it was delivered, the baseline in the tiers to come."""
    if watch.stopped_at is not None:
        return replace(watch, looks=watch.looks + 1, until=at)
    assert watch.strata is not None
    of = watch.of
    strata = stratified.fold(watch.strata, np.concatenate([now, elsewhere]), of.ratio, of.delta, of.prior, phi=of.phi)
    return _decided(replace(watch, strata=strata, log_e=strata.log_e), at)


def _decided(watch: Watch, at: datetime) -> Watch:
    of = watch.of
    assert watch.log_e is not None
    threshold = multiplicity.log_decision_threshold(max(1, of.size), of.alpha)
    is_over = (watch.log_e + of.log_weight).max(initial=-np.inf) >= threshold
    return replace(watch, looks=watch.looks + 1, until=at, stopped_at=at if is_over else None)


def tolerance_of(spec: MetricSpec) -> Margin:
    """What is worse than this is a regression: half the margin where nothing is said."""
    if spec.tolerance is not None:
        return spec.tolerance
    margin = spec.margin
    return Margin(
        absolute=None if margin.absolute is None else margin.absolute / 2,
        relative=None if margin.relative is None else margin.relative / 2,
    )


def _tolerance(spec: MetricSpec) -> tuple[float, float]:
    """(R, Δ)."""
    tolerance = tolerance_of(spec)
    return 1 + (tolerance.relative or 0.0), tolerance.absolute or 0.0


def _is_ignored(item: DatasetAnalysis, metric: str, key: str) -> bool:
    """Whether a known change covers the slice; one that is judged against a range of its own is left out as well."""
    values = parse_slice_key(key)
    return any(
        e.change != "Improve" and e.metric == metric and all(values.get(d) == v for d, v in e.slice.items())
        for e in item.expect
    )
