"""A line chart as SVG: axes, ticks, lines, points and bands. Readable without colour, in light and in dark. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Literal

_WIDTH, _HEIGHT = 720, 380
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 150, 40, 52
_DASHES = ("", "7 4", "2 4", "10 3 2 3", "1 2")
_COLOURS = ("#1f6feb", "#d1242f", "#1a7f37", "#9a6700", "#8250df")
_STYLE = (
    "<style>text{font:12px system-ui,sans-serif;fill:#1f2328}.t{font-weight:600;font-size:14px}.a{stroke:#59636e}"
    ".g{stroke:#d1d9e0}@media(prefers-color-scheme:dark){text{fill:#e6edf3}.a{stroke:#9198a1}.g{stroke:#3d444d}}</style>"
)


@dataclass(frozen=True, slots=True)
class Line:
    """One line: its name stands at its end. `low` and `high` make a band, `is_rule` a thin straight line."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] | None = None
    high: Sequence[float] | None = None
    is_rule: bool = False
    has_points: bool = False


@dataclass(frozen=True, slots=True)
class Axis:
    """What an axis shows, from where to where. Ticks are chosen by themselves: round numbers, or powers of ten."""

    label: str
    low: float
    high: float
    scale: Literal["linear", "log"] = "linear"

    def place(self, value: float) -> float:
        """0 at `low`, 1 at `high`; values outside are cut."""
        low, high, at = (math.log10(v) if self.scale == "log" else v for v in (self.low, self.high, self._kept(value)))
        return (at - low) / (high - low)

    def ticks(self) -> list[float]:
        """Between five and ten round numbers."""
        if self.scale == "log":
            first, last = math.ceil(math.log10(self.low) - 1e-9), math.floor(math.log10(self.high) + 1e-9)
            return [10.0**power for power in range(first, last + 1)]
        rough = (self.high - self.low) / 6
        step = next(
            s * 10 ** math.floor(math.log10(rough))
            for s in (1, 2, 5, 10)
            if s * 10 ** math.floor(math.log10(rough)) >= rough
        )
        first = math.ceil(self.low / step - 1e-9)
        return [step * i for i in range(first, math.floor(self.high / step + 1e-9) + 1)]

    def _kept(self, value: float) -> float:
        return min(max(value, self.low), self.high)


def line_chart(title: str, x: Axis, y: Axis, lines: Sequence[Line]) -> str:
    """The chart as an SVG document. `title` is also its text for those who cannot see it."""
    size = f'viewBox="0 0 {_WIDTH} {_HEIGHT}"'
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{escape(title)}">', _STYLE]
    parts.append(f'<text class="t" x="{_LEFT}" y="20">{escape(title)}</text>')
    parts += _axes(x, y)
    for number, line in enumerate(lines):
        parts += _line(x, y, line, number)
    parts += _names(y, lines)
    return "\n".join(parts) + "\n</svg>\n"


def _across(axis: Axis, value: float) -> float:
    return round(_LEFT + axis.place(value) * (_WIDTH - _LEFT - _RIGHT), 1)


def _up(axis: Axis, value: float) -> float:
    return round(_HEIGHT - _BOTTOM - axis.place(value) * (_HEIGHT - _TOP - _BOTTOM), 1)


def _axes(x: Axis, y: Axis) -> list[str]:
    bottom, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
    parts = []
    for value in y.ticks():
        at = _up(y, value)
        parts.append(f'<line class="g" x1="{_LEFT}" y1="{at}" x2="{right}" y2="{at}"/>')
        parts.append(f'<text x="{_LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{_number(value)}</text>')
    for value in x.ticks():
        at = _across(x, value)
        parts.append(f'<line class="a" x1="{at}" y1="{bottom}" x2="{at}" y2="{bottom + 5}"/>')
        parts.append(f'<text x="{at}" y="{bottom + 19}" text-anchor="middle">{_number(value)}</text>')
    parts.append(f'<path class="a" fill="none" d="M{_LEFT} {_TOP}V{bottom}H{right}"/>')
    middle = (_LEFT + right) / 2
    parts.append(f'<text x="{middle}" y="{_HEIGHT - 12}" text-anchor="middle">{escape(x.label)}</text>')
    parts.append(f'<text x="{_LEFT}" y="{_TOP - 6}">{escape(y.label)}</text>')
    return parts


def _line(x: Axis, y: Axis, line: Line, number: int) -> list[str]:
    colour = _COLOURS[number % len(_COLOURS)]
    points = [(_across(x, a), _up(y, b)) for a, b in zip(line.x, line.y, strict=True)]
    parts = []
    if line.low is not None and line.high is not None:
        upper = [(_across(x, a), _up(y, b)) for a, b in zip(line.x, line.high, strict=True)]
        lower = [(_across(x, a), _up(y, b)) for a, b in zip(line.x, line.low, strict=True)]
        parts.append(f'<path fill="{colour}" fill-opacity=".15" d="{_path(upper + lower[::-1])}Z"/>')
    dash = _DASHES[number % len(_DASHES)]
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    width = 1 if line.is_rule else 2
    parts.append(f'<path fill="none" stroke="{colour}" stroke-width="{width}"{dashed} d="{_path(points)}"/>')
    if line.has_points:
        parts += [f'<circle cx="{a}" cy="{b}" r="4" fill="{colour}"/>' for a, b in points]
    return parts


def _names(y: Axis, lines: Sequence[Line]) -> list[str]:
    """At the ends of the lines, moved apart where they would cover each other."""
    wanted = sorted((_up(y, line.y[-1]), number, line) for number, line in enumerate(lines))
    parts, lowest = [], -math.inf
    for at, number, line in wanted:
        lowest = max(at, lowest + 15)
        colour = _COLOURS[number % len(_COLOURS)]
        parts.append(
            f'<text x="{_WIDTH - _RIGHT + 8}" y="{lowest + 4:.1f}" style="fill:{colour}">{escape(line.name)}</text>'
        )
    return parts


def _path(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{a} {b}" for a, b in points)


def _number(value: float) -> str:
    if value and (abs(value) >= 100_000 or abs(value) < 0.001):
        power = math.floor(math.log10(abs(value)) + 1e-9)
        return f"10^{power}" if math.isclose(value, 10.0**power) else f"{value:.0e}"
    return f"{round(value, 6):,g}"
