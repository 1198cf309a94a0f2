"""The committed figures are what the code draws."""

import re

import pytest

from tests.calibration.figures import FIGURES, FOLDER

NUMBER = re.compile(r"-?\d+\.\d+")


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_drawn_as_it_is_committed(name):
    drawn, committed = FIGURES[name](), (FOLDER / name).read_text(encoding="utf-8")
    assert NUMBER.sub("#", drawn) == NUMBER.sub("#", committed), "make calibration"
    pairs = zip(map(float, NUMBER.findall(drawn)), map(float, NUMBER.findall(committed)), strict=True)
    assert all(abs(one - two) < 0.3 for one, two in pairs), "make calibration"  # another libm may round otherwise
