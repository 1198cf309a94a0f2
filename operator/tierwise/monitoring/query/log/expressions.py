"""SQL for the roles in a metric's sum, such as ``{score}`` or ``{value:clicks}``. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from tierwise.api.reasons import Reason
from tierwise.errors import RefusedError
from tierwise.metrics.tally import Sum
from tierwise.monitoring.query.log.binning import number_sql
from tierwise.monitoring.query.log.columns import Log
from tierwise.monitoring.query.log.label_values import label_class, label_code, label_number
from tierwise.monitoring.query.log.labels import class_index
from tierwise.monitoring.sqlguard.guard import guard_expression

_ROLE = re.compile(r"\{(?:value:(?P<value>[^{}]+)|(?P<role>[a-z_]+))\}")


def sum_sql(log: Log, wanted: Sum) -> str:
    """SQL of one row's number as Float64. Null and invalid numbers become NaN, which the query counts and leaves out.

    Raises:
        RefusedError: the expression names an unknown role, or one that the dataset does not have.
    """

    def fill(found: re.Match[str]) -> str:
        if (name := found["value"]) is not None:
            return f"({value(log, name)})"
        role = _ROLES.get(found["role"])
        if role is None:
            raise RefusedError(
                f"dataset {log.dataset.name!r}: the sum {wanted.name!r} asks for {found[0]}, which no log has",
                f"a metric may use {', '.join(_ROLES)} and value:NAME",
                reason=Reason.NOT_SUPPORTED,
            )
        return f"({role(log)})"

    return f"ifNull(toFloat64({_ROLE.sub(fill, wanted.expression)}), nan)"


def value(log: Log, name: str) -> str:
    """A named value of the dataset as a float; null is NaN."""
    for item in log.spec.values:
        if item.name == name:
            return (
                f"ifNull(toFloat64({guard_expression(item.expression, what=f'spec.values[{name}].expression')}), nan)"
            )
    known = ", ".join(item.name for item in log.spec.values) or "none"
    raise RefusedError(
        f"dataset {log.dataset.name!r}: value {name!r} is not defined (values: {known})",
        "add it to spec.values",
        reason=Reason.UNKNOWN_COLUMN,
    )


def weight(log: Log) -> str:
    """The row's weight as a float: NaN if it is null or not above 0; 1 if the dataset has no weights."""
    if log.spec.columns.weight is None:
        return "1."
    number = f"ifNull(toFloat64({log.column('weight')}), nan)"
    return f"if({number} > 0, {number}, nan)"


def label(log: Log) -> str:
    """0 negative, 1 positive, 2 unknown. With classes every known label is 1, and a right answer is 1."""
    if log.spec.scale.kind == "Classes":
        return f"if({label_class(log)} < {len(log.spec.classes)}, 1, 2)"
    return label_code(log)


def answer(log: Log) -> str:
    """0 negative, 1 positive, 2 invalid. With classes: 1 if it is the label's class, 0 if not or if it is unknown."""
    if log.spec.scale.kind == "Classes":
        known = len(log.spec.classes)
        found = answer_class(log)
        return f"if({found} < {known}, toUInt8({found} = {label_class(log)}), 2)"
    return log.answer(log.score())


def answer_class(log: Log) -> str:
    """Index of the predicted class in spec.classes; the number of classes if it is not one of them."""
    return class_index(log.column("score"), len(log.spec.classes))


def class_parameters(log: Log) -> dict[str, object]:
    """Parameters that the classes need."""
    return {"classes": list(log.spec.classes)} if log.spec.scale.kind == "Classes" else {}


def _score(log: Log) -> str:
    if log.spec.scale.kind == "Classes":
        raise RefusedError(
            f"dataset {log.dataset.name!r}: its answers are classes, not scores", "use a metric that suits classes"
        )
    return log.score()


def _valid(log: Log) -> str:
    if log.spec.scale.kind == "Classes":
        return f"toUInt8({answer_class(log)} < {len(log.spec.classes)})"
    return f"toUInt8({log.valid_score(log.score())})"


def _probability(log: Log) -> str:
    score = _score(log)
    return score if log.spec.positive == "AtOrAbove" else f"1 - {score}"


def _excluded(log: Log) -> str:
    score = _score(log)
    numbers = [number_sql(x, single_precision=log.single_precision) for x in log.spec.domain.exclude]
    return f"toUInt8({' OR '.join(f'{score} = {number}' for number in numbers) or '0'})"


def _class_name(index: str) -> str:
    # an index after the end of the array gives the empty text
    return f"arrayElement({{classes:Array(String)}}, {index} + 1)"


def _top(log: Log) -> str:
    return f"arrayMap(name -> ifNull(toString(name), ''), {log.column('top')})"


_ROLES: Mapping[str, Callable[[Log], str]] = {
    "score": _score,
    "valid": _valid,
    "excluded": _excluded,
    "p": _probability,
    "label": label,
    "answer": answer,
    "target": label_number,
    "answer_class": lambda log: _class_name(answer_class(log)),
    "label_class": lambda log: _class_name(label_class(log)),
    "top": _top,
    "latency": lambda log: log.column("latency"),
    "status": lambda log: log.column("status"),
    "weight": weight,
}
