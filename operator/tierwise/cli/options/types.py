"""Types of options: times, durations, metrics with margins."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from tierwise.api.common import Margin, duration_seconds
from tierwise.api.modeldeployment import MetricSpec
from tierwise.errors import UnknownMetricError
from tierwise.metrics import registry
from tierwise.metrics.metric import Proportion

LONGEST_SECONDS = 100 * 366 * 86_400  # longest duration: every log is younger, and times end in the year 9999


class Moment(click.ParamType[datetime | timedelta]):
    """A time (RFC 3339; UTC when it has no zone) or a duration before now."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime | timedelta:  # noqa: ANN401
        """A datetime, or a timedelta before now."""
        if isinstance(value, datetime | timedelta):
            return value
        try:
            seconds = duration_seconds(value)
        except ValueError:
            seconds = None
        if seconds is not None:
            if seconds > LONGEST_SECONDS:
                self.fail(f"{value!r} is more than a hundred years; give a shorter one such as 24h", param, ctx)
            return timedelta(seconds=seconds)
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is neither a time such as 2026-03-01T12:00:00Z nor a duration such as 2h", param, ctx)
        try:
            return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
        except OverflowError:
            self.fail(f"{value!r} is not within the years 1 to 9999 in UTC; give a time in them", param, ctx)


class Span(click.ParamType[float | int]):
    """A duration (float seconds) or a number of rows (int)."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float | int:  # noqa: ANN401
        """Seconds as float, rows as int."""
        if isinstance(value, float | int):
            return value
        if re.fullmatch(r"[1-9][0-9]*", value):
            return int(value)
        try:
            seconds = duration_seconds(value)
        except ValueError as error:
            self.fail(f"{error}, nor a number of rows", param, ctx)
        if seconds <= 0:
            self.fail(f"{value!r} has no length; give 1s or more", param, ctx)
        if seconds > LONGEST_SECONDS:
            self.fail(f"{value!r} is more than a hundred years; give a shorter one such as 24h", param, ctx)
        return float(seconds)


class NamedFile(click.ParamType[tuple[str, str]]):
    """``research=labels.parquet``: a name and the path of a file."""

    name = "name=file"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:  # noqa: ANN401
        """(name, path)."""
        if isinstance(value, tuple):
            return value
        name, equals, path = str(value).partition("=")
        if not (equals and name.strip() and path.strip()):
            self.fail(f"{value!r} is not NAME=FILE, for instance research=labels.parquet", param, ctx)
        return name.strip(), path.strip()


class MetricName(click.ParamType[str]):
    """The name of a metric that exists."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:  # noqa: ANN401
        """The name."""
        try:
            registry.get(str(value))
        except UnknownMetricError as error:
            self.fail(str(error), param, ctx)
        return str(value)


class Margins(click.ParamType[MetricSpec]):
    """``accuracy:0.01`` (absolute), ``latency-over@200:25%`` (relative), or a name alone: the metric's own margin."""

    name = "metric"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> MetricSpec:  # noqa: ANN401
        """A MetricSpec; the metric must exist."""
        if isinstance(value, MetricSpec):
            return value
        name, _, text = value.partition(":")
        try:
            metric = registry.get(name)
        except UnknownMetricError as error:
            self.fail(str(error), param, ctx)
        if not text:
            return MetricSpec(name=name, margin=metric.default_margin)
        try:
            amount = float(text.removesuffix("%"))
            margin = Margin(relative=amount / 100) if text.endswith("%") else Margin(absolute=amount)
        except ValueError:
            self.fail(
                f"margin {text!r} of {name} is neither absolute (0.01, not negative) nor relative (25%)", param, ctx
            )
        if isinstance(metric.measure, Proportion) and (margin.absolute or 0.0) > 1:
            self.fail(
                f"margin {text!r} of {name} is more than 1, and it is a share of rows; give 0.01 or 25%", param, ctx
            )
        return MetricSpec(name=name, margin=margin)
