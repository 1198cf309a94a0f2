"""The form of each key of a dataset's description. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tierwise.errors import RefusedError


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_list(value: object) -> bool:
    """Whether it is a list of names."""
    return isinstance(value, list) and all(isinstance(item, str | int) for item in value)


def _is_columns(value: object) -> bool:
    return (isinstance(value, Mapping) and bool(value)) or (is_list(value) and bool(value))


def _is_thresholds(value: object) -> bool:
    return isinstance(value, Mapping) and all(_is_number(item) for item in value.values())


def shortly(value: object) -> str:
    """A value for a message: a text or number itself; of others only the kind and size."""
    if isinstance(value, Mapping):
        return f"an object with {len(value)} {'key' if len(value) == 1 else 'keys'}"
    if isinstance(value, list):
        odd = next((item for item in value if not isinstance(item, str)), None)
        held = "" if odd is None else f", one of them {_kind(odd)}"
        return f"a list of {len(value)}{held}"
    return repr(value) if not isinstance(value, str) else repr(value[:100])


def _kind(value: object) -> str:
    if isinstance(value, Mapping):
        return "an object"
    return "a list" if isinstance(value, list) else repr(value)[:100]


def _is_domain(value: object) -> bool:
    return isinstance(value, Mapping) and set(value) == {"min", "max"} and all(map(_is_number, value.values()))


ROLES = ("label", "score", "time", "version", "model", "tier", "weight", "latency", "status", "top")
_FORMS: dict[str, tuple[Callable[[object], bool], str]] = {
    "columns": (_is_columns, "give a list of names, or name to type"),
    "slices": (is_list, "give a list of columns"),
    "classes": (is_list, "give a list of names"),
    "threshold": (_is_number, "give a number such as 0.5"),
    "domain": (_is_domain, "give the smallest and largest valid score, such as {min: 0, max: 500}"),
    "thresholds": (_is_thresholds, "give metric to number, such as recall: 0.7"),
    **dict.fromkeys((*ROLES, "labelledAt", "requestId"), (_is_text, "give the name of a column")),
    **dict.fromkeys(("name", "table", "where", "target"), (_is_text, "give a text")),
}


def require_forms(data: Mapping[str, Any]) -> None:
    """Check that every key has its form. A key with null counts as absent.

    Raises:
        RefusedError: a key has another form.
    """
    for key, (is_right, remedy) in _FORMS.items():
        if (data.get(key) is not None or key == "columns") and not is_right(data.get(key)):
            raise RefusedError(f"{key} is {shortly(data.get(key))}", remedy)
