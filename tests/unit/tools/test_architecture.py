"""The picture of the house is the house: its floors are import-linter's, and the way of one look can be walked."""

from __future__ import annotations

import importlib
import re
import tomllib

import pytest

from tierwise.tools.generate import ROOT

PAGE = (ROOT / "docs/concepts/architecture.md").read_text(encoding="utf-8")
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
LAYERS = {
    (contract.get("containers") or ["tierwise"])[0]: [layer.replace("tierwise.", "") for layer in contract["layers"]]
    for contract in CONTRACTS
    if contract["type"] == "layers"
}
DRAWN = dict(re.findall(r"<!-- layers: ([\w.]+) -->\n```\n(.*?)```", PAGE, re.DOTALL))
STEPS = re.findall(r"\| \d+\. .*? \| `([\w.]+)` \|", PAGE)


def floors(picture: str) -> list[str]:
    """The rooms of each line: what stands before two spaces."""
    return [re.split(r"\s{2,}", line)[0] for line in picture.splitlines()]


@pytest.mark.parametrize("house", DRAWN)
def test_the_floors_of_the_picture_are_those_that_are_checked(house: str):
    assert floors(DRAWN[house]) == LAYERS[house]


def test_the_whole_house_and_the_rooms_that_judge_are_drawn():
    assert {"tierwise", "tierwise.monitoring", "tierwise.rollout", "tierwise.runtime"} == set(DRAWN)


@pytest.mark.parametrize("step", STEPS)
def test_every_step_of_a_look_exists(step: str):
    parts = step.split(".")
    at = next(i for i in range(len(parts), 0, -1) if _module(parts[:i]) is not None)
    found = _module(parts[:at])
    for name in parts[at:]:
        found = getattr(found, name)
    assert callable(found)


def test_a_look_is_told_in_ten_steps():
    assert len(STEPS) == 10


def _module(parts: list[str]):
    try:
        return importlib.import_module("tierwise." + ".".join(parts))
    except ModuleNotFoundError:
        return None
