"""A log read by a look through ClickHouse, and the same rows as metrics mean them: what both say must be equal."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np

from tests.support.predictions import T0
from tests.support.wide_log import CLASSES, TABLE, WideLog
from tierwise.adapters.clickhouse.store import ClickHouseStore, open_store
from tierwise.api.monitoringdataset import Columns, Dimension, MonitoringDatasetSpec, Value
from tierwise.metrics import registry
from tierwise.metrics.tally import Tally
from tierwise.metrics.weighted import sums_of
from tierwise.monitoring.counts.model import Block, Dataset, Reads, Scope

WINDOW = Block(T0, T0 + timedelta(minutes=30))
SCOPE = Scope(None, "v1", "v2")
VALUES = {
    "clicks": "clicks",
    "impressions": "impressions",
    "revenue": "clicks * 2",
    "issued": "status = 200",
    "solved": "clicks",
}


class Rows:
    """The raw rows of one slice and arm, as a metric means them."""

    def __init__(self, log: WideLog, mask: np.ndarray, edges: np.ndarray | None = None) -> None:
        def numbers(values: np.ndarray) -> np.ndarray:
            return np.array([np.nan if value is None else value for value in values], dtype=float)[mask]

        self.edges, self.score = edges, log.score.astype(float)[mask]
        self.valid = (self.score >= 0) & (self.score <= 1) & (self.score != 0.25)
        self.answer = self.score >= 0.5
        self.label = log.labels()[mask]
        self.known = self.valid & (self.label < 2)
        in_time = (log.late <= 300)[mask]
        self.target = np.where(in_time, numbers(log.label), np.nan)
        self.number = self.valid & np.isfinite(self.target)
        self.latency, self.status = numbers(log.latency), log.status[mask]
        self.clicks, self.impressions = numbers(log.clicks), log.impressions[mask]
        self.truth = np.where(in_time, log.classes_of(log.truth)[mask], len(CLASSES))
        self.found, self.top = log.classes_of(log.found)[mask], log.top[mask]
        self.named = (self.truth < len(CLASSES)) & (self.found < len(CLASSES))
        self.weight = numbers(log.weight)

    @property
    def y(self):
        return self.label[self.known]

    @property
    def p(self):
        return self.score[self.known]

    @property
    def a(self):
        return self.answer[self.known]

    @property
    def middle(self):
        """Scores as their bins give them: the order within a bin is not known."""
        at = np.searchsorted(self.edges.astype(np.float32), self.p.astype(np.float32), side="right") - 1
        at = np.clip(at, 0, len(self.edges) - 2)
        return (self.edges[at] + self.edges[at + 1]) / 2


def a_store(directory: Path) -> Iterator[tuple[WideLog, ClickHouseStore]]:
    """The log in a store of its own."""
    store = open_store(f"chdb://{directory / 'data'}")
    log = WideLog(6000)
    log.score[::17] = 0.25  # stands for "not computed"
    store.execute(TABLE.format(name="wide", score="Float32"))
    store._connection.insert("wide", log.table())
    yield log, store
    store.close()


def a_dataset(names, *, weight=None, **fields):
    """The dataset with all that a look reads for these metrics."""
    columns = {"model": None, "tier": None, "labelled_at": "labelled_at", "latency": "latency", "status": "status"}
    columns |= {"top": "top", "weight": weight} | fields.pop("columns", {})
    spec = MonitoringDatasetSpec(
        table="wide",
        columns=Columns(**columns),
        maturity="5m",
        dimensions=[Dimension(name=name, expression=name) for name in ("carrier", "origin")],
        values=[Value(name=name, expression=sql) for name, sql in VALUES.items()],
        **fields,
    )
    sums = {s.name: s for name in names for s in sums_of(registry.get(name), weighted=weight is not None)}
    reads = Reads(bins=True, sums=tuple(sums.values()), weights=weight is not None)
    return Dataset("wide", spec, (("carrier",), ("carrier", "origin")), reads=reads)


def tallies(store, names, **fields):
    """The tally (slices, arms) that a look gives for these metrics, and the slices' keys."""
    dataset = a_dataset(names, **fields)
    cells = store.read_cells(dataset, SCOPE, [WINDOW])
    tally = Tally(**cells.contents, classes=tuple(dataset.spec.classes)).take(0)
    return tally, cells.slices


def raw_of(log, slices, oracle, edges=None):
    masks = log.slice_masks()
    found = [[oracle(Rows(log, masks[key] & (log.arms() == arm), edges)) for arm in (0, 1)] for key in slices]
    return np.array(found)
