"""Tables at every width of a terminal: names keep their text, and what is left out is said."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from rich.console import Console, RenderableType

import tierwise
from tests.unit.cli.bot_score import NOW, judging, rolled_back
from tests.unit.rollout.world import a_result
from tierwise.api.names import Verdict
from tierwise.cli.commands.look.explain import print_explanation
from tierwise.report.columns import NAME, Column, FittedTable
from tierwise.report.rollout.advice import advice_of
from tierwise.report.rollout.tree import render_view
from tierwise.report.rollout.view import view_of
from tierwise.report.verdict_rows import of_result
from tierwise.report.verdict_table import verdict_table, whole_file_table

WIDTHS = (60, 80, 100, 120, 200)
LONG = a_result(slice={"carrier": "HA", "origin": "JFK"}, metric="false-positive-rate")
OPEN = a_result(Verdict.INSUFFICIENT_DATA, slice={"asn_type": "residential"}, metric="latency-over@200")


def printed(shown: RenderableType, width: int) -> str:
    console = Console(width=width, no_color=True)
    with console.capture() as captured:
        console.print(shown)
    return captured.get()


def explained(scene, width: int) -> str:
    console = Console(width=width, no_color=True)
    view = view_of(*scene, NOW)
    with console.capture() as captured:
        print_explanation(console, view, advice_of(view))
    return captured.get()


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("table", [verdict_table, whole_file_table])
def test_slices_and_metrics_keep_their_text(table, width):
    text = printed(table([of_result(LONG), of_result(OPEN)]), width)
    lines = text.splitlines()
    assert max(map(len, lines)) <= width
    for names in (r"carrier=HA, origin=JFK +false-positive-rate", r"asn_type=residential +latency-over@200"):
        assert sum(bool(re.match(names, line)) for line in lines) == 1
    assert "-1.10 pp" in text


@pytest.mark.parametrize("width", WIDTHS)
def test_verdicts_stand_beside_both_bounds(width):
    text = printed(verdict_table([of_result(LONG), of_result(OPEN)]), width)
    for column in ("DIFFERENCE", "TOLERANCE", "MARGIN", "VERDICT"):
        assert text.count(column) == 1
    assert re.search(r"-1\.10 pp .*\b1 pp +2 pp .*InsufficientData", text)


@pytest.mark.parametrize("width", WIDTHS)
def test_the_whole_file_has_both_values_at_every_width(width):
    text = printed(whole_file_table([of_result(LONG)]), width)
    assert "95.0 %  3800/4000" in text
    assert "93.9 %  939/1000" in text
    assert "left out" not in text


def test_columns_of_less_use_go_first_and_are_named():
    table = verdict_table([of_result(LONG), of_result(OPEN)])
    assert "left out" not in printed(table, 200)
    assert "left out at this width: BASELINE, INTERVAL, E (-o json has all)" in printed(table, 120)
    assert "left out at this width: BASELINE, CANDIDATE, INTERVAL, E (-o json has all)" in " ".join(
        printed(table, 60).split()
    )


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scene", [judging, rolled_back])
def test_explain_keeps_names(scene, width):
    assert re.search(r"^all traffic +false-positive-rate", explained(scene(), width), re.MULTILINE)


@pytest.mark.parametrize("width", WIDTHS)
def test_the_tree_keeps_the_names_of_workloads(width):
    text = printed(render_view(view_of(*judging(), NOW)), width)
    assert "├─ Deployment/bot-ams-candidate" in text
    assert "6/6 v7+v8" in text
    assert ("KIND, EVIDENCE" in text) == (width <= 80)


def test_a_sentence_takes_several_lines_and_is_never_cut():
    table = FittedTable([Column("RULE", NAME), Column("STOPPED"), Column("WHAT IT DOES", 2, wraps=True)])
    table.add_row("a-rule-with-a-name", "5.0%", "compares two means with a test at every look and stops at once")
    for width in (60, 80):
        assert " ".join(printed(table, width).split()).count("once") == 1
    assert "WHAT IT DOES (" in printed(table, 40)


def test_a_name_longer_than_the_line_goes_on_in_the_next():
    table = FittedTable([Column("SLICE", NAME), Column("VERDICT")])
    table.add_row("query=" + "x" * 90, "Regressed")
    text = printed(table, 60)
    assert "".join(text.split()).count("x") == 90
    assert "Regressed" in text


def test_values_that_look_like_markup_are_text():
    table = FittedTable([Column("SLICE", NAME)])
    table.add_row("carrier=[/b]")
    assert "carrier=[/b]" in printed(table, 60)


def test_there_is_one_kind_of_table():
    package = Path(tierwise.__file__).parent
    using = {path.name for path in package.rglob("*.py") if "rich.table" in path.read_text()}
    assert using == {"columns.py"}
