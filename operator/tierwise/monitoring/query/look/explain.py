"""Queries for people to read and run: with literals, and with the meaning of each column. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from tierwise.metrics.counts import ANSWERS, LABELS
from tierwise.monitoring.counts.model import ARMS, Block, Scope
from tierwise.monitoring.query.look.counts import (
    MOST_PODS,
    OTHER,
    Kept,
    Log,
    Query,
    cells_query,
    distributions_query,
    halves_of,
    pods_query,
)
from tierwise.monitoring.query.look.lookups import invalid_query, watermark_query
from tierwise.monitoring.query.look.versions import survey_query

_PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*):([^{}]+)\}")


@dataclass(frozen=True, slots=True)
class Asked:
    """One query with its purpose. `columns` has the meaning of each of its columns."""

    kind: str
    purpose: str
    query: Query
    columns: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Asking:
    """The consecutive blocks of a log for the queries. `kept` are the values of dimensions that have too many."""

    log: Log
    scope: Scope
    blocks: Sequence[Block]
    now: datetime
    kept: Kept

    @property
    def window(self) -> Block:
        """From the first block's start to the last one's end."""
        return Block(self.blocks[0].start, self.blocks[-1].end)


def asked(at: Asking, kinds: Sequence[str]) -> tuple[Asked, ...]:
    """The queries of these kinds.

    Raises:
        RefusedError: for the same reasons as the queries themselves.
    """
    return tuple(KINDS[kind](at) for kind in kinds)


def inlined(query: Query) -> str:
    """The SQL with its parameters as literals, to paste into any client."""

    def literal(found: re.Match[str]) -> str:
        name, kind = found.groups()
        return _literal(query.parameters[name], kind) if name in query.parameters else found[0]

    return _PLACEHOLDER.sub(literal, query.sql)


def parameters_of(query: Query) -> dict[str, str]:
    """The parameters that the SQL names, as texts for ``SET param_NAME = 'TEXT'``."""
    named = dict(_PLACEHOLDER.findall(query.sql))
    return {name: _text(query.parameters[name]) for name in named if name in query.parameters}


def quoted(text: str) -> str:
    """A string literal."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n") + "'"


def _literal(value: object, kind: str) -> str:
    match value:
        case str() if kind.startswith("DateTime64"):
            return f"toDateTime64({quoted(value)}, 6, 'UTC')"
        case str():
            return quoted(value)
        case list():
            return f"[{', '.join(quoted(str(item)) for item in value)}]"
        case _:
            return str(value)


def _text(value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join(quoted(str(item)) for item in value)}]"
    return str(value)


def _look(at: Asking) -> Asked:
    query = cells_query(at.log, at.scope, at.blocks, at.kept)
    count = len(at.blocks)
    block = f"{LABELS * ANSWERS * ARMS} * block + " if count > 1 else ""
    columns = {
        **_keys(query),
        "h": f"rows: h[1 + {block}{LABELS * ANSWERS} * arm + {ANSWERS} * label + answer], arm 0 the baseline and 1 the "
        "candidate, label 0 negative, 1 positive, 2 unknown, answer 0 negative, 1 positive, 2 invalid",
    }
    if query.bins is not None:
        labels, bins = query.bins
        before = f"{ARMS * labels * bins} * block + " if count > 1 else ""
        columns["b"] = f"rows: b[1 + {before}{labels * bins} * arm + {bins} * label + bin], the last bin invalid"
    return Asked("look", "counts by slice, version, label and answer", query, columns | _more(query, count))


def _distribution(at: Asking) -> Asked:
    query = distributions_query(at.log, at.scope, at.window, at.kept)
    assert query.bins is not None  # every distribution has a layout
    labels, bins = query.bins
    columns = {
        **_keys(query),
        "h": f"rows: h[1 + {labels * bins} * arm + {bins} * label + bin], the last bin invalid",
    }
    return Asked("distribution", "what ml_performance stores", query, columns | _more(query, 1))


def _halves(at: Asking) -> Asked:
    query = cells_query(at.log, at.scope, at.blocks, at.kept, halves_of(at.log))
    columns = {**_keys(query), "h": "as in look, arm 0 and 1 being two halves of the baseline's pods"}
    return Asked("halves", "the baseline against itself, for φ", query, columns | _more(query, len(at.blocks)))


def _pods(at: Asking) -> Asked:
    query = pods_query(at.log, at.scope, at.window, MOST_PODS)
    columns = {"tierwise_pod": "the pod", "h": f"rows: h[1 + {ANSWERS} * label + answer]"}
    return Asked("pods", "the baseline's rows by pod, for σ_pod", query, columns)


def _survey(at: Asking) -> Asked:
    columns = {"v": "version", "n": "rows", "first": "time of the first row, µs", "last": "time of the last row, µs"}
    query = survey_query(at.log, at.scope, at.window.start, at.window.end)
    return Asked("survey", "every version there is, with its rows and times", query, columns)


def _invalid(at: Asking) -> Asked:
    columns = {
        "score": "rows whose score is NaN or out of the domain",
        "label": "rows whose label counts and is not valid",
        "time": "rows without a time, or of the future",
        "version": "rows of a third version",
    }
    query = invalid_query(at.log, at.scope, at.window, at.now)
    return Asked("invalid", "rows that no count holds, by cause", query, columns)


def _watermark(at: Asking) -> Asked:
    query = watermark_query(at.log, at.scope, None, at.now)
    return Asked("watermark", "the newest row: what is mature follows from it", query, {"t": "its time, µs"})


KINDS: Mapping[str, Callable[[Asking], Asked]] = {
    "look": _look,
    "distribution": _distribution,
    "halves": _halves,
    "pods": _pods,
    "survey": _survey,
    "invalid": _invalid,
    "watermark": _watermark,
}


def _keys(query: Query) -> dict[str, str]:
    """The meanings of the columns of slices."""
    size = len(query.dimensions)
    columns = {"g": "which dimensions the row's slice has: a bit that is 0, the leftmost dimension the highest bit"}
    if size:
        sets = [
            f"{(1 << size) - 1 - sum(1 << (size - 1 - query.dimensions.index(name)) for name in grouping)} "
            f"{','.join(grouping)}"
            for grouping in query.groupings
        ]
        columns["g"] = f"the row's dimensions: {'; '.join(sets)}"
        if not any(len(grouping) == 1 for grouping in query.groupings):
            columns["g"] += f"; {(1 << size) - 1} the whole"
    for i, name in enumerate(query.dimensions):
        columns[f"tierwise_d{i}"] = f"value of {name}, {OTHER!r} for those beyond its maxValues"
    return columns


def _more(query: Query, blocks: int) -> dict[str, str]:
    """The meanings of the columns of sums and weights."""
    block = f"{ARMS} * block + " if blocks > 1 else ""
    columns = {f"s{i}": f"sum of {name}: s{i}[1 + {block}arm]" for i, name in enumerate(query.sums)}
    if query.weights:
        columns |= {"w": "Σ weight, by arm, label and answer", "ww": "Σ weight², by arm, label and answer"}
    if query.bin_weights:
        columns |= {"bw": "Σ weight, by arm, label and bin", "bww": "Σ weight², by arm, label and bin"}
    return columns


def commented(asked: Asked, dataset_hash: str | None, *, with_parameters: bool = False) -> str:
    """The query as a script: comments, then the SQL, ended by a semicolon."""
    of_dataset = f" (config_hash {dataset_hash})" if dataset_hash is not None else ""
    lines = [f"-- {asked.kind}: {asked.purpose}{of_dataset}"]
    lines += [f"--   {name}: {meaning}" for name, meaning in asked.columns.items()]
    if with_parameters:
        lines += [f"SET param_{name} = {quoted(text)};" for name, text in parameters_of(asked.query).items()]
    lines.append((asked.query.sql if with_parameters else inlined(asked.query)) + ";")
    return "\n".join(lines) + "\n"
