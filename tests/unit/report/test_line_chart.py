"""Charts as SVG."""

import math
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest

from tierwise.report.line_chart import Axis, Line, line_chart

SVG = "{http://www.w3.org/2000/svg}"


def chart(*lines, x=None, y=None):
    drawn = line_chart("Errors <by> hour", x or Axis("hours", 0, 24), y or Axis("%", 0, 10), lines)
    return ET.fromstring(drawn)


def texts(svg):
    return [text.text for text in svg.iter(f"{SVG}text")]


def test_a_chart_says_what_it_shows_and_names_every_line():
    svg = chart(Line("baseline", (0, 24), (1, 2)), Line("candidate", (0, 24), (1, 9)))
    assert svg.get("aria-label") == "Errors <by> hour"
    assert {"hours", "%", "baseline", "candidate"} <= set(texts(svg))
    dashes = [path.get("stroke-dasharray") for path in svg.iter(f"{SVG}path") if path.get("stroke")]
    assert len(set(dashes)) == 2, "told apart without colour"


def test_names_never_cover_each_other():
    svg = chart(*(Line(f"line {n}", (0, 24), (1, 5)) for n in range(5)))
    heights = [float(t.get("y")) for t in svg.iter(f"{SVG}text") if (t.text or "").startswith("line")]
    assert min(b - a for a, b in pairwise(heights)) >= 15


def test_what_is_outside_is_cut_and_a_band_closes():
    svg = chart(Line("a", (0, 48), (-5, 50), low=(-9, 40), high=(0, 60)))
    band, line = [path.get("d") for path in svg.iter(f"{SVG}path") if path.get("d") and "L" in path.get("d")]
    assert band.endswith("Z")
    numbers = [float(n) for point in line[1:].split("L") for n in point.split()]
    assert all(0 <= n <= 720 for n in numbers)


@pytest.mark.parametrize(
    ("axis", "ticks"),
    [
        (Axis("", 0, 24), [0, 5, 10, 15, 20]),
        (Axis("", 0, 1), [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (Axis("", 1, 1000, "log"), [1, 10, 100, 1000]),
        (Axis("", -4, 12), [0, 5, 10]),
    ],
)
def test_ticks_are_round(axis, ticks):
    assert axis.ticks() == pytest.approx(ticks)


def test_a_logarithmic_axis_places_by_ratio():
    axis = Axis("", 1, 100, "log")
    assert [axis.place(value) for value in (1, 10, 100, 0.1)] == pytest.approx([0, 0.5, 1, 0])
    assert math.isclose(Axis("", 0, 4).place(1), 0.25)
