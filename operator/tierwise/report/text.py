"""Formats numbers and names for people, in the same way in the tree, `explain`, `analyze` and the HTML report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tierwise.api.common import Margin
from tierwise.metrics.units import is_share, rows_of_value


def duration_text(seconds: float, *, short: bool = False) -> str:
    """``734`` → ``12m14s``, short: ``12m``. Negative durations (clock skew) read as 0s."""
    total = max(0, round(seconds))
    parts = [(total // 86400, "d"), (total // 3600 % 24, "h"), (total // 60 % 60, "m"), (total % 60, "s")]
    shown = [(value, unit) for value, unit in parts if value] or [(0, "s")]
    first = parts.index(shown[0]) if shown[0] in parts else 3
    kept = parts[first : first + (1 if short else 2)]
    return "".join(f"{value}{unit}" for value, unit in kept if value or unit == kept[0][1])


YEAR_SECONDS = 365 * 86_400.0
NEVER = "not with this traffic"


def wait_text(seconds: float | None) -> str:
    """A wait that is expected; in words where nobody can wait so long, or where it cannot end."""
    if seconds is None:
        return NEVER
    return "longer than a year" if seconds > YEAR_SECONDS else duration_text(seconds)


def count_text(count: int) -> str:
    """``12345`` → ``12k``; exact below 10,000."""
    if count < 10_000:
        return str(count)
    if count < 1_000_000:
        return f"{count // 1000}k"
    return f"{count / 1e6:.1f}M"


def rate_text(rate: float | None) -> str:
    """A fraction as a percentage with two significant digits below 10 %; ``–`` when it can't be computed."""
    if rate is None:
        return "–"
    percent = rate * 100
    digits = 0 if abs(percent) >= 99.95 or percent == 0 else 1 if abs(percent) >= 0.1 else 3
    return f"{percent:.{digits}f} %"


def points_text(difference: float | None) -> str:
    """A difference of fractions in percentage points, signed."""
    return "–" if difference is None else f"{difference * 100:+.2f} pp"


def coverage_text(whole: float | None, traffic: float | None) -> str:
    """The coverage in words: whether labels are enough for all traffic together, and the share in judged slices."""
    if traffic == 0:
        none = "slice of at least one dimension"
        if whole is None:
            return f"no {none}"
        return f"the whole, and for no {none}" if whole else f"neither the whole nor any {none}"
    slices = f"slices that hold {rate_text(traffic)} of the traffic in the dimension where they hold least"
    if whole is None:
        return slices
    return f"the whole and {slices}" if whole else f"{slices}, not for the whole"


def value_text(metric: str, value: float | None) -> str:
    """A metric's value: a share of rows in percent, anything else with four digits."""
    return rate_text(value) if value is None or is_share(metric) else f"{value:.4g}"


def difference_text(metric: str, difference: float | None) -> str:
    """A difference of a metric's values, signed."""
    return points_text(difference) if difference is None or is_share(metric) else f"{difference:+.4g}"


def interval_text(metric: str, interval: Sequence[float] | None) -> str:
    """``−0.12 … +0.34`` in points, or in the metric's unit."""
    if not interval:
        return "–"
    if is_share(metric):
        return f"{interval[0] * 100:+.2f} … {interval[1] * 100:+.2f}"
    return f"{interval[0]:+.3g} … {interval[1]:+.3g}"


def counts_text(value: float | None, n: int, bad: int | None) -> str:
    """``12/3400``: the rows that make up the value, of all rows; only all rows if the value is not a share of them."""
    rows = rows_of_value(value, n, bad)
    return count_text(n) if rows is None else f"{rows}/{n}"


def slice_text(values: Mapping[str, str]) -> str:
    """``carrier=HA, origin=JFK``; the whole is ``all traffic``. Clients choose the values, so they are escaped."""
    return ", ".join(f"{dimension}={printable(value)}" for dimension, value in sorted(values.items())) or "all traffic"


def printable(text: str) -> str:
    """The text in which control characters for a terminal are shown as escapes (``\\x1b[31m``)."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def bounds_text(metric: str, tolerance: Margin, margin: Margin) -> str:
    """``accuracy: rolls back beyond 2.5 pp (tolerance), promoted within 5 pp (margin)``."""
    back, on = (margin_text(bound, metric) for bound in (tolerance, margin))
    return f"{metric}: rolls back beyond {back} (tolerance), promoted within {on} (margin)"


def margin_text(margin: Margin, metric: str = "") -> str:
    """``+25 %`` of the baseline's rate, ``1 pp``, or ``0.02`` for a metric that is not a share."""
    if margin.relative is not None:
        return f"+{margin.relative * 100:g} %"
    absolute = margin.absolute or 0.0
    return f"{absolute * 100:g} pp" if not metric or is_share(metric) else f"{absolute:g}"
