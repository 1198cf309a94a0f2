"""Checks by the store's type that a value that a metric adds up is a number. Pure."""

# ruff: noqa: S608  # all SQL is put together here: from quoted identifiers and guarded expressions

from __future__ import annotations

import re
from dataclasses import dataclass

from tierwise.api.reasons import Reason
from tierwise.errors import RefusedError
from tierwise.monitoring.query.log.columns import Log
from tierwise.monitoring.sqlguard.guard import guard_expression

_VALUE = re.compile(r"\{value:([^{}]+)\}")
_WRAPPED = re.compile(r"^(?:Nullable|LowCardinality)\((.*)\)$")
_NUMBER = re.compile(r"(?:U?Int\d|B?Float\d|Decimal|Bool|Enum|Date|Nothing|Variant|Dynamic)")
_TEXT = re.compile(r"(?:String|FixedString)")


@dataclass(frozen=True, slots=True)
class Number:
    """A value that must be a number: its name for people, its text in the spec, and its SQL."""

    name: str
    written: str
    sql: str


def numbers_read(log: Log) -> tuple[Number, ...]:
    """The named values, the weight and the latency that the dataset's reads add up.

    Raises:
        RefusedError: a value's expression is not allowed, or a column does not exist.
    """
    wanted = " ".join(one.expression for one in log.dataset.reads.sums)
    names = set(_VALUE.findall(wanted))
    found = [
        Number(f"spec.values[{item.name}]", item.expression, guard_expression(item.expression, what=item.name))
        for item in log.spec.values
        if item.name in names
    ]
    columns = log.spec.columns
    if log.dataset.reads.weights and columns.weight is not None:
        found.append(Number("spec.columns.weight", columns.weight, log.column("weight")))
    if "{latency}" in wanted and columns.latency is not None:
        found.append(Number("spec.columns.latency", columns.latency, log.column("latency")))
    return tuple(found)


def type_query(log: Log, number: Number) -> str:
    """The query for the type of a value. It reads no row."""
    return f"DESCRIBE TABLE (SELECT {number.sql} AS tierwise_v FROM {log.source.sql})"


def require_number(log: Log, number: Number, kind: str) -> None:
    """Refuse a value that is not a number, also a text that may contain one.

    Raises:
        RefusedError: DatasetInvalid, with the type.
    """
    inner = plain_type(kind)
    if _NUMBER.match(inner):
        return
    remedy = f"write toFloat64OrNull({number.written})" if _TEXT.match(inner) else "write an expression of one number"
    if not number.name.startswith("spec.values"):
        remedy = "name a column of numbers, or convert it in spec.query"
    raise RefusedError(
        f"dataset {log.dataset.name!r}: {number.name} ({number.written}) is {kind}, not a number",
        remedy,
        reason=Reason.DATASET_INVALID,
    )


def plain_type(kind: str) -> str:
    """The type within Nullable and LowCardinality."""
    while (wrapped := _WRAPPED.match(kind)) is not None:
        kind = wrapped[1]
    return kind


def not_computed(log: Log, number: Number, error: str, reason: Reason) -> RefusedError:
    """The error if the store cannot compute a value: the store's message, and the types of the columns it names."""
    types = log.source.columns
    used = [f"{name} is {kind}" for name, kind in types.items() if re.search(rf"\b{re.escape(name)}\b", number.written)]
    given = f" ({', '.join(used)})" if used else ""
    return RefusedError(
        f"dataset {log.dataset.name!r}: {number.name} ({number.written}) cannot be computed{given}: {error}",
        f"write an expression that gives one number per row (columns: {', '.join(types)})",
        reason=reason,
    )
