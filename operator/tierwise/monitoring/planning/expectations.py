"""Changes that are wanted or known in a slice: they leave slices out of the decision, or replace margins by ranges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tierwise.api.slices import parse_slice_key, slice_key
from tierwise.api.strategy import Expectation
from tierwise.metrics.metric import Metric, Proportion

_MOST = 1e6  # largest bound of a range, as for margins


def is_ignored(expect: Sequence[Expectation], metric: str, key: str) -> bool:
    """Whether a known change (``Ignore``) is of this slice, or of a slice that this slice is a part of."""
    return bool(_covering(expect, metric, parse_slice_key(key), "Ignore"))


def ignored_slots(expect: Sequence[Expectation], metric: str, keys: Sequence[str], *, known: int) -> list[bool]:
    """Which slices are left out: those with a known change, and parts of a slice with a range if they are new.

    New are slices that were first seen after the tier's start: the `keys` from index `known` on.
    """
    if not any(wish.metric == metric for wish in expect):
        return [False] * len(keys)
    out = []
    for slot, key in enumerate(keys):
        values = parse_slice_key(key)
        is_late = slot >= known and bool(_covering(expect, metric, values, "Within"))
        out.append(is_late or bool(_covering(expect, metric, values, "Ignore")))
    return out


def ranges(expect: Sequence[Expectation], metric: str, keys: Sequence[str]) -> dict[int, Expectation]:
    """The wanted range by slot. It also covers the slice's parts. Of several ranges the most specific one is used."""
    if not any(wish.metric == metric and wish.change == "Within" for wish in expect):
        return {}
    out = {}
    for slot, key in enumerate(keys):
        found = _covering(expect, metric, parse_slice_key(key), "Within")
        if found:
            out[slot] = max(found, key=lambda wish: len(wish.slice))
    return out


def range_width(wish: Expectation) -> float:
    """The width of a wanted range."""
    assert wish.within is not None
    return wish.within.max - wish.within.min


def wished_slices(expect: Sequence[Expectation]) -> tuple[str, ...]:
    """Keys of slices that must have a slot, also if they were never seen."""
    return tuple(dict.fromkeys(slice_key(wish.slice) for wish in expect if wish.change != "Ignore"))


def impossible(expect: Sequence[Expectation], index: int, metric: Metric | None) -> tuple[str, str] | None:
    """Why an expectation cannot be used, as fact and remedy; None if it can.

    `metric` is the metric that the expectation names; None if it is unknown, which is reported elsewhere.
    """
    wish = expect[index]
    if any((other.slice, other.metric) == (wish.slice, wish.metric) for other in expect[:index]):
        where = slice_key(wish.slice)
        return f"{wish.metric!r} on {where} has two expectations, and only one could count", "keep one of them"
    is_share = metric is not None and isinstance(metric.measure, Proportion)
    most = 1.0 if is_share else _MOST
    if wish.within is not None and (wish.within.min < -most or wish.within.max > most):
        shown = f"{wish.within.min:g} to {wish.within.max:g}"
        what = "more than a share of rows can change" if is_share else "more than can be computed with"
        return f"the range {shown} of {wish.metric!r} is {what}", f"give a range within {-most:,.0f} to {most:,.0f}"
    return None


def _covering(expect: Sequence[Expectation], metric: str, values: Mapping[str, str], change: str) -> list[Expectation]:
    return [
        wish
        for wish in expect
        if wish.change == change
        and wish.metric == metric
        and all(values.get(dimension) == value for dimension, value in wish.slice.items())
    ]
