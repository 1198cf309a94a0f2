"""Which answers are valid, and how many answers of a window are valid, for the check of a dataset. Pure."""

# ruff: noqa: S608  # all SQL is put together here: from quoted identifiers, guarded expressions and bound parameters

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tierwise.api.monitoringdataset import MonitoringDatasetSpec
from tierwise.metrics.counts import ANSWER_INVALID
from tierwise.monitoring.counts.model import Block, Scope
from tierwise.monitoring.query.log.columns import Log
from tierwise.monitoring.query.log.expressions import answer, class_parameters
from tierwise.monitoring.query.log.rows import rows_sql
from tierwise.monitoring.query.log.window import window_conditions
from tierwise.monitoring.query.look.counts import Query

_MOST_NAMED = 6


@dataclass(frozen=True, slots=True)
class Answers:
    """Rows of a window, those without a valid answer, and the range of finite scores (None for classes or no score)."""

    rows: int
    invalid: int
    lowest: float | None = None
    highest: float | None = None


def valid_of(spec: MonitoringDatasetSpec) -> str:
    """The valid answers in words: ``spec.domain, 0 … 1 without 0.5``, or ``spec.classes (cat, dog)``."""
    if spec.scale.kind == "Classes":
        more = f" and {len(spec.classes) - _MOST_NAMED} more" if len(spec.classes) > _MOST_NAMED else ""
        return f"spec.classes ({', '.join(spec.classes[:_MOST_NAMED])}{more})"
    without = f" without {', '.join(f'{x:g}' for x in spec.domain.exclude)}" if spec.domain.exclude else ""
    return f"spec.domain, {spec.domain.min:g} … {spec.domain.max:g}{without}"


def answers_query(log: Log, scope: Scope, window: Block) -> Query:
    """One row: rows, invalid, lowest and highest, of the scope's two versions."""
    conditions, parameters = window_conditions(log, window.start, window.end)
    rows = rows_sql(log, [*conditions, *log.scope_conditions(scope), log.versions()])
    # With classes the score is a text.
    score = "nan" if log.spec.scale.kind == "Classes" else f"toFloat64({log.score()})"
    columns = f"{answer(log)} AS tierwise_answer, {score} AS tierwise_score"
    counted = f"count() AS rows, countIf(tierwise_answer = {ANSWER_INVALID}) AS invalid"
    range_ = ", ".join(
        f"{function}OrNullIf(tierwise_score, isFinite(tierwise_score)) AS {name}"
        for function, name in (("min", "lowest"), ("max", "highest"))
    )
    parameters = {**log.scope_parameters(scope), **parameters, **class_parameters(log)}
    return Query(f"SELECT {counted}, {range_} FROM (SELECT {columns} FROM {rows})", parameters)


def answers_of(row: Mapping[str, int | float | None]) -> Answers:
    """The result of `answers_query`."""
    return Answers(int(row["rows"] or 0), int(row["invalid"] or 0), row["lowest"], row["highest"])


def invalid_text(spec: MonitoringDatasetSpec, found: Answers) -> str:
    """A text: how many answers are invalid, which would be valid, and the range of the scores."""
    seen = "" if found.lowest is None else f", and scores are {found.lowest:g} … {found.highest:g}"
    return f"{found.invalid} of {found.rows} rows have no valid answer: it is one within {valid_of(spec)}{seen}"
