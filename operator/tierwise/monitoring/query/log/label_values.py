"""SQL for the label of a row, from any sources: a code, a class or a number. Pure."""

from __future__ import annotations

from tierwise.monitoring.query.log.columns import Log
from tierwise.monitoring.query.log.labels import first_known, given


def label_code(log: Log) -> str:
    """0 negative, 1 positive, 2 unknown: null, late, not counted by `where`, or neither 0 nor 1.

    With several sources, the first that has a label of the row counts. If labels are numbers, every known one is 1.
    """
    if log.spec.target == "Number":
        return f"if(isFinite({label_number(log)}), 1, 2)"
    return first_known([one.binary() for one in given(log)], "2")


def label_class(log: Log) -> str:
    """0-based index of the true class in the parameter `classes`; the number of classes when it is unknown."""
    size = len(log.spec.classes)
    return first_known([one.class_index(size) for one in given(log)], str(size))


def label_number(log: Log) -> str:
    """The label as Float64, NaN when unknown."""
    *others, last = (one.number() for one in given(log))
    cases = "".join(f"NOT isNaN({number}), {number}, " for number in others)
    return f"multiIf({cases}{last})" if others else last


def is_invalid_label(log: Log) -> str:
    """Whether a source that judges gives the row a label that is not valid."""
    counts = log.counts()
    kind = "Classes" if log.spec.scale.kind == "Classes" else log.spec.target
    wrong = " OR ".join(f"({one.is_no(kind)})" for one in given(log))
    return wrong if counts is None else f"{counts} AND ({wrong})"
