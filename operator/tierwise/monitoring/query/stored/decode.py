"""Distributions of the past as tallies by window, slice and version: stored ones, or rows counted now. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import pyarrow as pa

from tierwise.api.monitoringdataset import MonitoringDatasetSpec
from tierwise.api.slices import WHOLE
from tierwise.arrays import AnyArray, BoolArray, FloatArray, IntArray
from tierwise.metrics.counts import ANSWERS, LABELS, Counts
from tierwise.metrics.tally import Tally
from tierwise.monitoring.counts.merge import common_slices
from tierwise.monitoring.counts.model import Cells
from tierwise.monitoring.counts.tallies import tally_of
from tierwise.monitoring.counts.thresholds import answers_at, confusion_answers
from tierwise.monitoring.query.look.decode import texts
from tierwise.monitoring.query.stored.distributions import Wanted, plain
from tierwise.monitoring.query.stored.performance_table import ALL_LABELS


@dataclass(frozen=True, slots=True, eq=False)
class StoredPast:
    """Tallies of shape (windows, slices, versions). Data that was not read is None or absent."""

    windows: tuple[tuple[datetime, datetime], ...]
    slices: tuple[str, ...]
    versions: tuple[str, ...]
    tally: Tally


def decode_past(table: pa.Table, wanted: Wanted, spec: MonitoringDatasetSpec, edges: FloatArray) -> StoredPast | None:
    """Decode the result of a `past_query`; None if no block has a row. `edges` are the stored edges.

    Raises:
        ValueError: the stored bins are not those of the edges.
    """
    if not table.num_rows:
        return None
    place = _Place.of(table)
    is_classes = spec.scale.kind == "Classes"
    labels, bins = (len(spec.classes) + 1,) * 2 if is_classes else (LABELS, len(edges))
    counted = place.label < ALL_LABELS
    out: IntArray = np.zeros((*place.shape(wanted), labels, bins), dtype=np.int64)
    found = table.column("bins").to_pylist()
    if any(len(found[i]) != bins - 1 for i in np.flatnonzero(counted)):
        raise ValueError(f"stored distributions have not {bins - 1} bins")
    at = place.index(counted, place.label)
    out[..., :-1][at] = np.array([found[i] for i in np.flatnonzero(counted)], dtype=np.int64).reshape(-1, bins - 1)
    out[..., -1][at] = table.column("invalid").to_numpy()[counted]
    counts = confusion_answers(out) if is_classes else answers_at(out, edges, spec.threshold, spec.positive)
    if counts is None:
        raise ValueError("the threshold is the domain's maximum: only the rows can tell the answers")
    tally = tally_of(spec, Counts(counts, out, None if is_classes else edges))
    if "sums" in table.column_names:
        tally = _with_sums(table, place, place.shape(wanted), tally)
    return StoredPast(wanted.windows, place.slices, place.versions, tally)


def past_of_cells(cells: Cells, versions: Sequence[str], spec: MonitoringDatasetSpec) -> StoredPast:
    """The counted rows of two versions, in the same form as a stored past."""
    arms = range(len(versions))
    tally = tally_of(spec, cells).map_arrays(lambda values, first: np.take(values, arms, axis=first + 2))
    windows = tuple((block.start, block.end) for block in cells.blocks)
    return StoredPast(windows, cells.slices, tuple(versions), tally)


@dataclass(frozen=True, slots=True, eq=False)
class _Place:
    """The window, slice and version of each row of a result."""

    slices: tuple[str, ...]
    versions: tuple[str, ...]
    window: IntArray
    slice: IntArray
    version: IntArray
    label: IntArray

    @classmethod
    def of(cls, table: pa.Table) -> _Place:
        keys, versions = texts(table.column("value")), texts(table.column("model_version"))
        slices = (WHOLE, *sorted(set(keys) - {WHOLE}))
        names = tuple(sorted(set(versions)))
        by_key, by_name = {key: i for i, key in enumerate(slices)}, {name: i for i, name in enumerate(names)}
        return cls(
            slices,
            names,
            table.column("w").to_numpy().astype(np.int64),
            np.array([by_key[key] for key in keys]),
            np.array([by_name[name] for name in versions]),
            table.column("label").to_numpy().astype(np.int64),
        )

    def shape(self, wanted: Wanted) -> tuple[int, int, int]:
        return (len(wanted.windows), len(self.slices), len(self.versions))

    def index(self, rows: BoolArray, *more: IntArray) -> tuple[IntArray, ...]:
        return tuple(part[rows] for part in (self.window, self.slice, self.version, *more))


def _with_sums(table: pa.Table, place: _Place, shape: tuple[int, int, int], tally: Tally) -> Tally:
    """The tally with the sums and weights that were stored."""
    sums: dict[str, FloatArray] = {}
    for row, values in enumerate(table.column("sums").to_pylist()):
        for name, value in dict(values).items():
            sums.setdefault(plain(name), np.zeros(shape))[place.window[row], place.slice[row], place.version[row]] = (
                value
            )
    weights = None
    found = table.column("weights").to_pylist()
    if any(found):
        weights = np.zeros((2, *shape, LABELS, ANSWERS))
        for row in map(int, np.flatnonzero(place.label < ALL_LABELS)):
            if found[row]:
                at = (place.window[row], place.slice[row], place.version[row], place.label[row])
                weights[(0, *at)], weights[(1, *at)] = found[row][:ANSWERS], found[row][ANSWERS:]
    return replace(tally, sums=sums, weights=weights)


def joined(pasts: Iterable[StoredPast]) -> StoredPast | None:
    """Join the pasts of different versions and the same windows."""
    parts = list(pasts)
    if not parts:
        return None
    slices, places = common_slices(parts)
    versions = tuple(name for part in parts for name in part.versions)

    def side_by_side(arrays: Sequence[AnyArray], first: int) -> AnyArray:
        out = []
        for array, place in zip(arrays, places, strict=True):
            shape = list(array.shape)
            shape[first + 1] = len(slices)
            wide = np.zeros(shape, dtype=array.dtype)
            wide[(slice(None),) * (first + 1) + (place,)] = array
            out.append(wide)
        return np.concatenate(out, axis=first + 2)

    tally = parts[0].tally.zip_arrays([part.tally for part in parts[1:]], side_by_side)
    return StoredPast(parts[0].windows, slices, versions, tally)
