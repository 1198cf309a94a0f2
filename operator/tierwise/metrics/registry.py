"""Metrics by name."""

from __future__ import annotations

from tierwise.metrics.binary import METRICS
from tierwise.metrics.metric import Metric

_BY_NAME = {metric.name: metric for metric in METRICS}


class UnknownMetricError(ValueError):
    """A metric that does not exist; the message names those there are."""


def names() -> tuple[str, ...]:
    """All names, sorted."""
    return tuple(sorted(_BY_NAME))


def get(name: str) -> Metric:
    """The metric of that name.

    Raises:
        UnknownMetricError: there is none.
    """
    try:
        return _BY_NAME[name]
    except KeyError:
        raise UnknownMetricError(f"metric {name!r} is unknown; use one of {', '.join(names())}") from None
