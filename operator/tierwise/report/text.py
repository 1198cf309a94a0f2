"""Numbers and names as people read them: in the tree, `explain`, `analyze` and the HTML report alike."""

from __future__ import annotations

import math
from collections.abc import Mapping

from tierwise.api.common import Margin


def duration_text(seconds: float, *, short: bool = False) -> str:
    """``734`` → ``12m14s``, short: ``12m``. Negative durations (clock skew) read as 0s."""
    total = max(0, round(seconds))
    parts = [(total // 86400, "d"), (total // 3600 % 24, "h"), (total // 60 % 60, "m"), (total % 60, "s")]
    shown = [(value, unit) for value, unit in parts if value] or [(0, "s")]
    first = parts.index(shown[0]) if shown[0] in parts else 3
    kept = parts[first : first + (1 if short else 2)]
    return "".join(f"{value}{unit}" for value, unit in kept if value or unit == kept[0][1])


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


def slice_text(values: Mapping[str, str]) -> str:
    """``carrier=HA, origin=JFK``; the whole is ``all traffic``. Clients choose values: none may act."""
    return ", ".join(f"{dimension}={printable(value)}" for dimension, value in sorted(values.items())) or "all traffic"


def printable(text: str) -> str:
    """The text with what would act on a terminal shown as escapes (``\\x1b[31m``)."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def margin_text(margin: Margin) -> str:
    """``+25 %`` of the baseline's rate, or ``1 pp``."""
    if margin.relative is not None:
        return f"+{margin.relative * 100:g} %"
    return f"{(margin.absolute or 0.0) * 100:g} pp"


def e_value_text(log10_e: float | None) -> str:
    """``5.61`` → ``4.1e5``; small ones as plain numbers."""
    if log10_e is None:
        return "–"
    if log10_e < 3:
        return f"{10**log10_e:.2g}"
    exponent = math.floor(log10_e)
    return f"{10 ** (log10_e - exponent):.1f}e{exponent}"
