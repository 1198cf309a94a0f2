"""One look's SQL: dataset + scope + blocks → a parameterised query, and the decoding of its answer. Pure.

One scan: every row becomes one small integer (block, arm, label, answer), and `countResample` counts it once per
grouping set. Values are bound as parameters; identifiers are matched against the table's columns and quoted.
"""

# ruff: noqa: S608  # all SQL is put together here: from quoted identifiers, guarded expressions and bound parameters

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tierwise.monitoring.binning import bin_sql, binning_of, number_sql
from tierwise.monitoring.cells import Block, Dataset, Scope
from tierwise.monitoring.log import Log as Log
from tierwise.monitoring.log import Source as Source
from tierwise.monitoring.log import source_sql as source_sql
from tierwise.monitoring.window import block_number, window_conditions

OTHER = "other"  # the value that stands for all values beyond a dimension's maxValues
LABELS, ANSWERS, ARMS = 3, 3, 2
CELLS = ARMS * LABELS * ANSWERS  # cells of one block


@dataclass(frozen=True, slots=True)
class Query:
    """SQL with its bound parameters, and what decoding needs: the layout of grouping numbers."""

    sql: str
    parameters: Mapping[str, object]
    dimensions: tuple[str, ...] = ()
    groupings: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Kept:
    """Values of a dimension that are counted by name; all others are counted as `other`."""

    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def config_hash(dataset: Dataset) -> int:
    """64 bits over everything that decides what is counted; distributions of different hashes are never compared."""
    spec = dataset.spec.model_dump(mode="json", by_alias=True, exclude={"store"})
    text = json.dumps([dataset.name, spec, sorted(dataset.groupings)], sort_keys=True, separators=(",", ":"))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def _grouped(
    log: Log, scope: Scope, *, cell: str, cells: int, conditions: list[str], parameters: dict[str, object], kept: Kept
) -> Query:
    """The one query of a look: a cell number per row, counted once per grouping set.

    The whole is a set of its own only when no dimension stands alone: else it is the sum over that one's values.
    """
    groupings = log.dataset.groupings
    dimensions = tuple(sorted({name for grouping in groupings for name in grouping}))
    columns = []
    for i, name in enumerate(dimensions):
        value = log.dimension(name)
        if name in kept.values:
            parameters[f"keep{i}"] = list(kept.values[name])
            value = f"if({value} IN {{keep{i}:Array(String)}}, {value}, '{OTHER}')"
        columns.append(f"{value} AS tierwise_d{i}")
    where = " AND ".join([*conditions, *log.scope_conditions(scope), log.versions()])
    inner = f"SELECT {', '.join([*columns, f'{cell} AS tierwise_cell'])} FROM {log.source.sql} WHERE {where}"
    keys = [f"tierwise_d{i}" for i in range(len(dimensions))]
    counts = f"CAST(countResample(0, {cells}, 1)(tierwise_cell), 'Array(UInt32)') AS h"
    if not groupings:
        return Query(f"SELECT toUInt64(0) AS g, {counts} FROM ({inner})", parameters)
    sets = ", ".join("(" + ", ".join(keys[dimensions.index(name)] for name in grouping) + ")" for grouping in groupings)
    sql = (
        f"SELECT toUInt64(grouping({', '.join(keys)})) AS g, {', '.join(keys)}, {counts} "
        f"FROM ({inner}) GROUP BY GROUPING SETS ({sets}{'' if any(len(g) == 1 for g in groupings) else ', ()'})"
    )
    return Query(sql, parameters, dimensions, groupings)


def _cell(log: Log, inner: str, per_arm: int, block: str | None) -> str:
    """The cell number: block, arm, then what `inner` counts (per_arm values)."""
    cell = f"({log.text('version')} = {{candidate:String}}) * {per_arm} + {inner}"
    if block is None:
        return f"toUInt16({cell})"
    # A row between blocks gets a number that countResample drops: it is negative.
    return f"toInt32({block} * {ARMS * per_arm} + {cell})"


def cells_query(log: Log, scope: Scope, blocks: Sequence[Block], kept: Kept | None = None) -> Query:
    """Counts by block, slice, arm, label and answer in one scan; decode with `decode.decode_cells`."""
    conditions, parameters = window_conditions(log, blocks[0].start, blocks[-1].end)
    inner = f"{log.label()} * {ANSWERS} + {log.answer(log.score())}"
    return _grouped(
        log,
        scope,
        cell=_cell(log, inner, LABELS * ANSWERS, block_number(log, blocks)),
        cells=CELLS * len(blocks),
        conditions=conditions,
        parameters={**log.scope_parameters(scope), **parameters},
        kept=kept or Kept(),
    )


def distributions_query(log: Log, scope: Scope, block: Block, kept: Kept | None = None) -> Query:
    """Counts by slice, arm, label and bin in one scan; the last bin counts invalid scores."""
    single = log.single_precision
    binning = binning_of(log.spec, single_precision=single)
    conditions, parameters = window_conditions(log, block.start, block.end)
    score = log.score()
    per_label = binning.bins + 1
    found = bin_sql(log.spec, binning, score, single_precision=single)
    # A score outside the domain has no bin: compute with a valid one in its place, then drop it.
    inside = f"if({log.valid_score(score)}, {score}, {number_sql(log.spec.domain.min, single_precision=single)})"
    found = bin_sql(log.spec, binning, inside, single_precision=single)
    inner = f"{log.label()} * {per_label} + if({log.valid_score(score)}, {found}, {binning.bins})"
    return _grouped(
        log,
        scope,
        cell=_cell(log, inner, LABELS * per_label, None),
        cells=ARMS * LABELS * per_label,
        conditions=conditions,
        parameters={**log.scope_parameters(scope), **parameters},
        kept=kept or Kept(),
    )
