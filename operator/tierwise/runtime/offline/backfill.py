"""Computes a metric for the past: from the distributions that looks have stored, else from the rows of the log.

The store is an argument, so that the command and tests run the same code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from typing import Literal, Protocol

import numpy as np

from tierwise.api.common import Margin
from tierwise.api.modeldeployment import DatasetAnalysis, MetricSpec
from tierwise.api.monitoringdataset import MonitoringDatasetSpec
from tierwise.api.reasons import Reason
from tierwise.arrays import FloatArray
from tierwise.errors import NothingStoredError, SpecError, StoreError
from tierwise.metrics.metric import Estimated, Metric, Proportion, Shift
from tierwise.metrics.tally import Tally
from tierwise.metrics.weighted import WEIGHED, weighted
from tierwise.monitoring.counts.measures import counted, engine_of, metric_for
from tierwise.monitoring.counts.model import Block, Cells, Dataset, Reads, Scope
from tierwise.monitoring.planning.required_reads import reads_of
from tierwise.monitoring.query.log.config import config_of
from tierwise.monitoring.query.log.config_diff import differences, groupings_difference, parts_of
from tierwise.monitoring.query.look.decode import merge_cells
from tierwise.monitoring.query.look.memory_limits import blocks_per_query
from tierwise.monitoring.query.stored.decode import StoredPast, joined, past_of_cells
from tierwise.monitoring.query.stored.distributions import StoredConfig, Wanted
from tierwise.plurals import plural
from tierwise.runtime.recorded_log import VersionRows

Origin = Literal["auto", "stored", "rows"]
NO_VERSION = ""  # a version that no row has: the other arm of a single version


_NOTHING_STORED = "no block of it is stored in this window"


class PastStore(Protocol):
    """What a backfill reads. adapters/prediction_logs/stored.py implements it for ClickHouse."""

    def configs(self, wanted: Wanted) -> tuple[StoredConfig, ...]:
        """The configurations of the stored blocks, oldest first."""
        ...

    def complete(self, wanted: Wanted, config: StoredConfig) -> tuple[Mapping[str, float], float]:
        """The share of stored blocks that have each sum, and of rows that have weights."""
        ...

    def past(self, wanted: Wanted, config: StoredConfig, spec: MonitoringDatasetSpec) -> StoredPast | None:
        """The stored distributions, added up; None if there are none. ValueError if they do not fit the spec."""
        ...

    def survey(
        self, dataset: Dataset, scope: Scope, window: tuple[datetime | None, datetime]
    ) -> Mapping[str, VersionRows]:
        """Every version of the log with its rows in the window."""
        ...

    def read_cells(self, dataset: Dataset, scope: Scope, blocks: Sequence[Block]) -> Cells:
        """As PredictionStore."""
        ...


@dataclass(frozen=True, slots=True)
class Request:
    """`dataset` has its present manifest and groupings. `config` is the hash of a chosen stored configuration."""

    metric: str
    dataset: Dataset
    wanted: Wanted
    origin: Origin = "auto"
    config: int | None = None


@dataclass(frozen=True, slots=True)
class PastValue:
    """A metric's value in one window, slice and version.

    A counted proportion has `n` and `bad`. A weighted proportion or an estimate has `error`, its standard error.
    """

    start: datetime
    end: datetime
    slice: str
    version: str
    value: float | None
    n: int | None = None
    bad: int | None = None
    error: float | None = None


@dataclass(frozen=True, slots=True)
class Backfill:
    """What was found, and its source: ``stored`` or ``rows``. `why` says why the rows had to be counted."""

    origin: Literal["stored", "rows"]
    why: str
    config: int | None
    values: tuple[PastValue, ...]


def backfill(request: Request, store: PastStore, on_progress: Callable[[int, int], None] = lambda *_: None) -> Backfill:
    """Compute the metric. Windows, slices and versions without rows are left out.

    Raises:
        SpecError: the metric is unknown, not supported, or a shift; or the chosen configuration is not stored; or the
            configuration changed in the window, or differs from the manifest.
        NothingStoredError: with origin `stored`: nothing is stored in the window.
        StoreError: the store cannot be read; or, with origin `stored`, what is stored is not enough.
        MetricFailedError: a metric's code failed.
    """
    metric = _metric(request.metric, request.dataset.spec)
    reads = _reads(request, request.dataset.spec)
    why = "--from rows was given"
    if request.origin != "rows":
        found, why, spec, config = _stored(request, reads, store)
        if found is not None and config is not None:
            on_progress(1, 1)
            values = values_of(_metric(request.metric, spec), found, _reads(request, spec))
            return Backfill("stored", "", config.hash, values)
        if request.origin == "stored":
            error = NothingStoredError if why == _NOTHING_STORED else StoreError
            raise error(
                f"dataset {request.dataset.name!r}: {why}",
                "count the rows again with --from rows",
                reason=Reason.NO_ROWS,
            )
    past = _counted(replace(request, dataset=replace(request.dataset, reads=reads)), store, on_progress)
    values = () if past is None else values_of(metric, past, reads)
    return Backfill("rows", why, None, values)


def values_of(metric: Metric, past: StoredPast, reads: Reads) -> tuple[PastValue, ...]:
    """The metric of every window, slice and version with rows."""
    tally = past.tally
    rows = tally.counts.sum(axis=(-1, -2))
    places = [tuple(map(int, at)) for at in np.argwhere(rows > 0)]
    named = [(*past.windows[w], past.slices[s], past.versions[v]) for w, s, v in places]
    if engine_of(metric, reads) == "mixture":
        values, errors = _estimates(metric, tally)
        return tuple(
            PastValue(*name, _finite(values[at]), error=_finite(errors[at]))
            for name, at in zip(named, places, strict=True)
        )
    n, bad = counted(metric, tally)
    return tuple(
        PastValue(*name, metric.value(int(n[at]), int(bad[at])), int(n[at]), int(bad[at]))
        for name, at in zip(named, places, strict=True)
    )


def _estimates(metric: Metric, tally: Tally) -> tuple[FloatArray, FloatArray]:
    measure = metric.measure
    assert not isinstance(measure, Shift)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        found = measure.estimate(tally) if isinstance(measure, Estimated) else weighted(measure, tally)
        value = found.value
        if isinstance(measure, Proportion) and metric.direction == "HigherIsBetter":
            value = 1 - value
        return np.asarray(value), np.sqrt(found.variance)


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _metric(name: str, spec: MonitoringDatasetSpec) -> Metric:
    metric = metric_for(name, spec)
    if isinstance(metric.measure, Shift):
        raise SpecError(
            f"metric {name!r} compares two versions: it has no value of one",
            "compare them with `tierwise analyze`",
            reason=Reason.NOT_SUPPORTED,
        )
    return metric


def _reads(request: Request, spec: MonitoringDatasetSpec) -> Reads:
    metric = metric_for(request.metric, spec)
    chosen = [MetricSpec.model_construct(name=request.metric, margin=Margin(absolute=0.01))]
    item = DatasetAnalysis.model_construct(name=request.dataset.name, metrics=chosen, slices=None, expect=[])
    found = reads_of(item, spec)
    # Only new rows are checked for missing weights: stored blocks do not have this count.
    sums = tuple(one for one in found.sums if one != WEIGHED)
    return replace(found, bins=found.bins or metric.needs.bins, sums=sums)


def _stored(
    request: Request, reads: Reads, store: PastStore
) -> tuple[StoredPast | None, str, MonitoringDatasetSpec, StoredConfig | None]:
    """The stored past, or why it cannot be used, and the spec that it was stored with."""
    name, spec, wanted = request.dataset.name, request.dataset.spec, request.wanted
    configs = store.configs(wanted)
    if request.config is not None:
        chosen = [config for config in configs if config.hash == request.config]
        if not chosen:
            there = ", ".join(f"{config.hash:016x}" for config in configs) or "none"
            raise SpecError(
                f"dataset {name!r}: no block of configuration {request.config:016x} is stored (there: {there})",
                "give one of these with --config",
                reason=Reason.NO_ROWS,
            )
        configs = tuple(chosen)
    if not configs:
        return None, _NOTHING_STORED, spec, None
    if len(configs) > 1:
        raise _several(name, configs)
    (config,) = configs
    if request.config is not None and config.config:
        spec = MonitoringDatasetSpec.model_validate(parts_of(config.config)[1])
        reads = _reads(request, spec)
    elif config.config and (changed := _changed(config, request.dataset)):
        raise SpecError(
            f"dataset {name!r}: the manifest is not what blocks were stored with: {'; '.join(changed)}",
            f"read them as they were stored with --config {config.hash:016x}, or count the rows again with --from rows",
            reason=Reason.DATASET_INVALID,
        )
    if not config.edges and spec.scale.kind != "Classes":
        return None, "what its blocks were stored with is not known: an earlier release stored them", spec, None
    if reads.sums or reads.weights:
        summed, weights = store.complete(wanted, config)
        for one in reads.sums:
            if summed.get(one.name, 0.0) < 1:
                return (
                    None,
                    f"the sum {one.name!r} is stored in {summed.get(one.name, 0.0):.0%} of its blocks",
                    spec,
                    None,
                )
        if reads.weights and weights < 1:
            return None, f"sample weights are stored in {weights:.0%} of its rows", spec, None
        if reads.weights and reads.bins:
            return None, "its blocks hold sample weights by answer, and this metric needs them by bin", spec, None
    if reads.bins and spec.scale.kind == "None":
        return None, "scale None stores no distribution", spec, None
    try:
        return store.past(wanted, config, spec), _NOTHING_STORED, spec, config
    except ValueError as error:
        return None, str(error), spec, None


def _changed(config: StoredConfig, dataset: Dataset) -> tuple[str, ...]:
    """How the manifest differs. The list of slices is not compared, because it does not change a slice's counts."""
    return differences(parts_of(config.config)[1], parts_of(config_of(dataset))[1])


def _several(name: str, configs: Sequence[StoredConfig]) -> SpecError:
    """The error that says what changed and when, because rows of different configurations are never compared."""
    told = []
    for before, after in pairwise(configs):
        changed: tuple[str, ...] = ("it is not known what changed: an earlier release stored one of the two",)
        if before.config and after.config:
            (_, old, sliced), (_, new, now) = parts_of(before.config), parts_of(after.config)
            changed = (*differences(old, new), *groupings_difference(sliced, now))
        told.append(f"{after.first:%Y-%m-%d %H:%M} {'; '.join(changed)}")
    hashes = ", ".join(
        f"{config.hash:016x} ({plural(config.blocks, 'block')} from {config.first:%Y-%m-%d %H:%M})"
        for config in configs
    )
    return SpecError(
        f"dataset {name!r}: its configuration changed in this window, and values are never compared across that: "
        + " | ".join(told),
        f"narrow --since and --until, choose with --config one of {hashes}, or count the rows again with --from rows",
        reason=Reason.DATASET_INVALID,
    )


def _counted(request: Request, store: PastStore, on_progress: Callable[[int, int], None]) -> StoredPast | None:
    """Count the rows of the log, two versions at a time."""
    dataset, wanted = request.dataset, request.wanted
    model = wanted.model if dataset.spec.columns.model is not None else None
    scope = Scope(model, NO_VERSION, NO_VERSION, wanted.tiers)
    seen = store.survey(dataset, scope, (wanted.since, wanted.until))
    versions = sorted(name for name in seen if not wanted.versions or name in wanted.versions)
    if not versions:
        return None
    blocks = tuple(Block(start, end) for start, end in wanted.windows)
    size = blocks_per_query(dataset)
    runs = [blocks[at : at + size] for at in range(0, len(blocks), size)]
    pairs = [[*versions[i : i + 2], NO_VERSION][:2] for i in range(0, len(versions), 2)]
    parts: list[tuple[Cells, list[str]]] = []
    for number, pair in enumerate(pairs):
        read = []
        for done, run in enumerate(runs):
            read.append(store.read_cells(dataset, replace(scope, baseline=pair[0], candidate=pair[1]), run))
            on_progress(number * len(runs) + done + 1, len(pairs) * len(runs))
        parts.append((merge_cells(read), [name for name in pair if name != NO_VERSION]))
    return joined(past_of_cells(cells, names, dataset.spec) for cells, names in parts)
