"""The SQL of one look: dataset + scope + blocks → a parameterised query. Pure.

There is one scan. Every row becomes one small integer (block, arm, label, answer), and `countResample` counts it once
per grouping set. The same scan adds up what metrics need beyond counts: bins, sums, weights. Values are bound as
parameters. Identifiers are checked against the table's columns and quoted.
"""

# ruff: noqa: S608  # all SQL is put together here: from quoted identifiers, guarded expressions and bound parameters

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from tierwise.arrays import FloatArray
from tierwise.metrics.counts import ANSWERS, LABELS
from tierwise.monitoring.counts.model import ARMS, CELLS, Block, Scope
from tierwise.monitoring.query.log.arms import Arms as Arms
from tierwise.monitoring.query.log.arms import halves_of as halves_of
from tierwise.monitoring.query.log.arms import units_of as units_of
from tierwise.monitoring.query.log.arms import versions_of as versions_of
from tierwise.monitoring.query.log.binning import Binning, bin_sql, binning_of, number_sql
from tierwise.monitoring.query.log.columns import Log as Log
from tierwise.monitoring.query.log.columns import Source as Source
from tierwise.monitoring.query.log.columns import source_sql as source_sql
from tierwise.monitoring.query.log.expressions import answer, answer_class, class_parameters, label, sum_sql, weight
from tierwise.monitoring.query.log.label_values import label_class, label_code
from tierwise.monitoring.query.log.rows import rows_sql
from tierwise.monitoring.query.log.window import block_number, stretch_conditions, window_conditions
from tierwise.monitoring.query.look.group_hashing import combinations_of, hash_sql
from tierwise.monitoring.query.look.memory_limits import is_sparse
from tierwise.monitoring.query.look.sparse_cells import aggregates_of, keys_of
from tierwise.monitoring.sqlguard.refusals import not_supported

OTHER = "other"  # the value that stands for all values beyond a dimension's maxValues


@dataclass(frozen=True, slots=True)
class Query:
    """SQL with its bound parameters and the layout that decoding needs.

    `bins` is (labels, bins + 1) of a distribution, `edges` are its edges. `sums` are names in the order of columns.
    `hashed` are the groupings that are grouped by a hash; then the result also has each dimension alone. `sparse`: the
    result has a row per slice and cell that occurs, instead of a row per slice with all its cells. An arm has `per_arm`
    cells. `bin_weights`: the sums of weights are also by bin.
    """

    sql: str
    parameters: Mapping[str, object]
    dimensions: tuple[str, ...] = ()
    groupings: tuple[tuple[str, ...], ...] = ()
    bins: tuple[int, int] | None = None
    edges: FloatArray | None = field(default=None, compare=False)
    sums: tuple[str, ...] = ()
    weights: bool = False
    bin_weights: bool = False
    hashed: tuple[tuple[str, ...], ...] = ()
    sparse: bool = False
    per_arm: int = LABELS * ANSWERS


MOST_PODS = 10_000  # most pods of the baseline; the spread between pods needs no more


@dataclass(frozen=True, slots=True)
class Kept:
    """The values of a dimension that are counted by name. All others are counted as `other`."""

    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Select:
    """The parts of a query: SQL for the numbers of a row, the aggregates, and the conditions on rows."""

    columns: list[str]
    aggregates: list[str]
    conditions: tuple[str, ...] = ()


def cells_query(
    log: Log,
    scope: Scope,
    blocks: Sequence[Block],
    kept: Kept | None = None,
    arms: Arms | None = None,
    *,
    as_texts: bool = False,
) -> Query:
    """Counts by block, slice, arm, label and answer, and the data that `reads` need; decode with `decode.decode_cells`.

    `as_texts`: do not group by hashes, also if there are many combinations of dimensions.
    """
    query, select = measured(log, scope, blocks, arms := arms or versions_of(log))
    query = replace(query, sparse=is_sparse(log.dataset))
    rows = numbered_rows(log, scope, arms, select, kept or Kept())
    return _grouped(log, query, select, rows, as_texts=as_texts)


def measured(log: Log, scope: Scope, blocks: Sequence[Block], arms: Arms) -> tuple[Query, Select]:
    """A query without its SQL, and its parts."""
    window, parameters = window_conditions(log, blocks[0].start, blocks[-1].end)
    stretches, times = stretch_conditions(log, blocks)
    block = arms.block or block_number(log, blocks)
    inner = f"{label(log)} * {ANSWERS} + {answer(log)}"
    columns = [f"{_cell(arms, inner, LABELS * ANSWERS, block)} AS tierwise_cell"]
    query = Query("", {**log.scope_parameters(scope), **parameters, **times, **class_parameters(log)})
    aggregates = [_counts("tierwise_cell", CELLS * len(blocks), "h")]
    if log.dataset.reads.bins:
        query, per_arm, found = _bins(log, query)
        columns.append(f"{_cell(arms, found, per_arm, block)} AS tierwise_bin")
        aggregates.append(_counts("tierwise_bin", ARMS * per_arm * len(blocks), "b"))
    select = Select(columns, aggregates, (*window, *stretches))
    query = _sums(log, query, select, arms, block, len(blocks))
    if log.dataset.reads.weights:
        query = _weights(log, query, columns, aggregates, CELLS * len(blocks))
        if query.bins is not None:
            query = _bin_weights(query, aggregates, len(blocks), by="tierwise_bin")
    return query, select


def distributions_query(
    log: Log, scope: Scope, block: Block, kept: Kept | None = None, *, as_texts: bool = False
) -> Query:
    """Counts by slice, arm, label and bin in one scan; the last bin counts invalid scores."""
    arms = versions_of(log)
    conditions, parameters = window_conditions(log, block.start, block.end)
    query = Query("", {**log.scope_parameters(scope), **parameters, **class_parameters(log)})
    query, per_arm, found = _bins(log, query)
    columns = [f"{_cell(arms, found, per_arm, None)} AS tierwise_cell"]
    aggregates = [_counts("tierwise_cell", ARMS * per_arm, "h")]
    select = Select(columns, aggregates, tuple(conditions))
    query = _sums(log, query, select, arms, None, 1)
    if log.dataset.reads.weights:
        inner = f"{label(log)} * {ANSWERS} + {answer(log)}"
        columns.append(f"{_cell(arms, inner, LABELS * ANSWERS, None)} AS tierwise_answer")
        query = _weights(log, query, columns, aggregates, CELLS, by="tierwise_answer")
        if log.dataset.reads.bins:
            query = _bin_weights(query, aggregates, 1, by="tierwise_cell")
    distributed = replace(log.dataset, reads=replace(log.dataset.reads, bins=True))
    query = replace(query, sparse=is_sparse(distributed), per_arm=per_arm)
    rows = numbered_rows(log, scope, arms, select, kept or Kept())
    return _grouped(log, query, select, rows, as_texts=as_texts)


def pods_query(log: Log, scope: Scope, window: Block, most: int) -> Query:
    """Rows of the baseline by pod, label and answer, for the `most` pods with most rows, in columns pod and h."""
    conditions, parameters = window_conditions(log, window.start, window.end)
    rows = rows_sql(log, [*conditions, *log.scope_conditions(scope), halves_of(log).condition])
    cell = f"toUInt16({label(log)} * {ANSWERS} + {answer(log)}) AS tierwise_cell"
    pod = f"ifNull(toString({log.column('pod')}), '') AS tierwise_pod"
    return Query(
        f"SELECT tierwise_pod, {_counts('tierwise_cell', LABELS * ANSWERS, 'h')} "
        f"FROM (SELECT {pod}, {cell} FROM {rows}) "
        f"GROUP BY tierwise_pod ORDER BY count() DESC, tierwise_pod LIMIT {most}",
        {**log.scope_parameters(scope), **parameters, **class_parameters(log)},
    )


def _counts(cell: str, cells: int, name: str) -> str:
    return f"CAST(countResample(0, {cells}, 1)({cell}), 'Array(UInt32)') AS {name}"


def _cell(arms: Arms, inner: str, per_arm: int, block: str | None) -> str:
    """SQL of the cell number: block, arm, then the value of `inner` (one of per_arm values)."""
    cell = f"{arms.index} * {per_arm} + {inner}"
    if block is None:
        return f"toUInt16({cell})"
    # A row between blocks gets a negative number, which countResample drops.
    return f"toInt32({block} * {ARMS * per_arm} + {cell})"


def _bins(log: Log, query: Query) -> tuple[Query, int, str]:
    """The query with its layout of bins, an arm's number of bins, and SQL of a row's label and bin in one number."""
    if log.spec.scale.kind == "Classes":
        size = len(log.spec.classes) + 1
        found = f"{label_class(log)} * {size} + {answer_class(log)}"
        return replace(query, bins=(size, size)), size * size, found
    if log.spec.scale.kind == "None" and log.dataset.reads.bins:
        raise not_supported(
            f"dataset {log.dataset.name!r}: a metric of the score's distribution with scale None",
            "set spec.scale.kind to Linear, or leave the metric out",
        )
    single = log.single_precision
    binning: Binning = binning_of(log.spec, single_precision=single)
    score = log.score()
    # A score outside the domain has no bin. The SQL computes with a valid score instead, and then drops the result.
    inside = f"if({log.valid_score(score)}, {score}, {number_sql(log.spec.domain.min, single_precision=single)})"
    found = bin_sql(log.spec, binning, inside, single_precision=single)
    per_label = binning.bins + 1
    inner = f"{label_code(log)} * {per_label} + if({log.valid_score(score)}, {found}, {binning.bins})"
    return replace(query, bins=(LABELS, per_label), edges=binning.edges), LABELS * per_label, inner


def _sums(log: Log, query: Query, select: Select, arms: Arms, block: str | None, blocks: int) -> Query:
    """Add the sums that the metrics need, by block and arm. A row whose number is not finite adds nothing."""
    wanted = log.dataset.reads.sums
    if not wanted:
        return query
    select.columns.append(f"{_cell(arms, '0', 1, block)} AS tierwise_arm")
    for i, one in enumerate(wanted):
        number = sum_sql(log, one)
        select.columns.append(f"if(isFinite({number}), {number}, 0.) AS tierwise_x{i}")
        select.aggregates.append(f"sumResample(0, {ARMS * blocks}, 1)(tierwise_x{i}, tierwise_arm) AS s{i}")
    return replace(query, sums=tuple(one.name for one in wanted))


def _weights(
    log: Log, query: Query, columns: list[str], aggregates: list[str], cells: int, by: str = "tierwise_cell"
) -> Query:
    """Add Σw and Σw² by block, arm, label and answer; a row whose weight is not finite adds nothing."""
    number = weight(log)
    columns.append(f"if(isFinite({number}), {number}, 0.) AS tierwise_w")
    aggregates.append(f"sumResample(0, {cells}, 1)(tierwise_w, {by}) AS w")
    aggregates.append(f"sumResample(0, {cells}, 1)(tierwise_w * tierwise_w, {by}) AS ww")
    return replace(query, weights=True)


def _bin_weights(query: Query, aggregates: list[str], blocks: int, by: str) -> Query:
    """Add the sums of weights by block, arm, label and bin. The column `by` has this number."""
    assert query.bins is not None  # the caller has read bins
    cells = ARMS * query.bins[0] * query.bins[1] * blocks
    aggregates.append(f"sumResample(0, {cells}, 1)(tierwise_w, {by}) AS bw")
    aggregates.append(f"sumResample(0, {cells}, 1)(tierwise_w * tierwise_w, {by}) AS bww")
    return replace(query, bin_weights=True)


@dataclass(frozen=True, slots=True)
class Numbered:
    """SQL of the rows with their numbers and the values of the dimensions, with these dimensions and its parameters."""

    sql: str
    dimensions: tuple[str, ...]
    parameters: Mapping[str, object]


def numbered_rows(log: Log, scope: Scope, arms: Arms, select: Select, kept: Kept) -> Numbered:
    """The rows of a scope and window, each with its numbers. Values that are not kept become `other`."""
    parameters: dict[str, object] = {}
    dimensions = tuple(sorted({name for grouping in log.dataset.groupings for name in grouping}))
    values = []
    for i, name in enumerate(dimensions):
        value = log.dimension(name)
        if name in kept.values:
            parameters[f"keep{i}"] = list(kept.values[name])
            value = f"if({value} IN {{keep{i}:Array(String)}}, {value}, '{OTHER}')"
        values.append(f"{value} AS tierwise_d{i}")
    rows = rows_sql(log, [*select.conditions, *log.scope_conditions(scope), arms.condition])
    return Numbered(f"SELECT {', '.join([*values, *select.columns])} FROM {rows}", dimensions, parameters)


def _grouped(log: Log, query: Query, select: Select, rows: Numbered, *, as_texts: bool) -> Query:
    """The query of a look: numbers per row, aggregated once per grouping set.

    The whole is a grouping set only if no dimension is grouped alone. Otherwise it is the sum over that dimension's
    values.
    """
    groupings = log.dataset.groupings
    inner, dimensions = rows.sql, rows.dimensions
    parameters = {**query.parameters, **rows.parameters}
    keys = [f"tierwise_d{i}" for i in range(len(dimensions))]
    cells = keys_of(select.columns) if query.sparse else ()
    wanted = ", ".join(
        [*cells, *(aggregates_of(len(query.sums), weights=query.weights) if cells else select.aggregates)]
    )
    if not groupings:
        sql = f"SELECT toUInt64(0) AS g, {wanted} FROM ({inner}){' GROUP BY ' + ', '.join(cells) if cells else ''}"
        return replace(query, sql=sql, parameters=parameters)
    if hashed := () if as_texts else combinations_of(log.dataset):
        query = replace(query, parameters=parameters, dimensions=dimensions, groupings=groupings, hashed=hashed)
        return _hashed(query, inner, wanted, cells)
    wholes: tuple[tuple[str, ...], ...] = () if any(len(grouping) == 1 for grouping in groupings) else ((),)
    chosen = [[keys[dimensions.index(name)] for name in grouping] for grouping in (*groupings, *wholes)]
    sets = ", ".join("(" + ", ".join([*own, *cells]) + ")" for own in chosen)
    sql = (
        f"SELECT toUInt64(grouping({', '.join(keys)})) AS g, {', '.join(keys)}, {wanted} "
        f"FROM ({inner}) GROUP BY GROUPING SETS ({sets})"
    )
    return replace(query, sql=sql, parameters=parameters, dimensions=dimensions, groupings=groupings)


def _hashed(query: Query, inner: str, wanted: str, cells: Sequence[str]) -> Query:
    """Group every dimension alone by its values, and combinations by a hash in the column `tierwise_p`."""
    hashed = query.hashed
    singles = [f"tierwise_d{i}" for i in range(len(query.dimensions))]
    places = [[query.dimensions.index(name) for name in grouping] for grouping in hashed]
    hashes = ", ".join(f"cityHash64({key}) AS tierwise_h{i}" for i, key in enumerate(singles))
    combined = ", ".join(f"{hash_sql(place)} AS tierwise_p{j}" for j, place in enumerate(places))
    keys = [*singles, *(f"tierwise_p{j}" for j in range(len(hashed)))]
    of_values = ", ".join(f"cityHash64({key}) AS k{i}" for i, key in enumerate(singles))
    # A key that is not in a row's grouping set is 0 in that row.
    one = " + ".join(f"tierwise_p{j}" for j in range(len(hashed)))
    sql = (
        f"SELECT toUInt64(grouping({', '.join(keys)})) AS g, {', '.join(singles)}, {of_values}, {one} AS tierwise_p, "
        f"{wanted} FROM (SELECT *, {combined} FROM (SELECT *, {hashes} FROM ({inner}))) "
        f"GROUP BY GROUPING SETS ({', '.join('(' + ', '.join([key, *cells]) + ')' for key in keys)})"
    )
    return replace(query, sql=sql)
