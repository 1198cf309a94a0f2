"""`tierwise metrics`, and that no metric is undocumented."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from tierwise.api.common import METRIC_PATTERN
from tierwise.cli.commands.offline.metrics import command, facts_of
from tierwise.metrics.metric import Metric
from tierwise.metrics.registry import BUILT_IN, installed

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "metrics.md"


def run(*arguments):
    return CliRunner().invoke(command, arguments)


@pytest.mark.parametrize("entry", BUILT_IN, ids=lambda entry: entry.name)
def test_every_metric_says_what_it_is_in_what_unit_and_when_not_to_use_it(entry):
    metric = entry if isinstance(entry, Metric) else entry.instance
    assert min(len(metric.description), len(metric.unit), len(metric.not_for)) > 1
    assert metric.description.endswith(".")
    assert metric.not_for.endswith(".")
    assert metric.kinds
    margin = metric.default_margin
    assert (margin.absolute or margin.relative or 0) > 0, "a margin of zero can never be shown to be kept"
    assert re.fullmatch(METRIC_PATTERN, metric.name), "the API takes the name"


@pytest.mark.parametrize("entry", BUILT_IN, ids=lambda entry: entry.name)
def test_every_metric_is_in_the_reference(entry):
    page = PAGE.read_text(encoding="utf-8")
    facts = facts_of(entry)
    section = page.split(f"### {facts['name']}\n", 1)[1].split("\n###", 1)[0]
    for text in (facts["description"], facts["unit"], facts["test"], facts["not_for"]):
        assert text in section, "run `make generated`"


def test_the_list_names_every_metric_once():
    names = [line.split()[0] for line in run().output.splitlines()[1:] if not line.startswith("warning")]
    assert sorted(names) == sorted(installed().names())


def test_json_has_all_facts():
    facts = json.loads(run("-o", "json").output)
    assert [metric["name"] for metric in facts["metrics"]] == [facts_of(e)["name"] for e in installed().entries]
    one = json.loads(run("latency-over@200", "-o", "json").output)["metrics"][0]
    assert one == {
        "name": "latency-over@200",
        "example": "latency-over@200",
        "description": "Requests that took longer than 200 ms, out of all requests with a latency.",
        "unit": "share of requests",
        "direction": "LowerIsBetter",
        "test": "block-betting",
        "default_margin": {"relative": 0.25},
        "needs": ["columns.latency"],
        "answers": ["Binary", "Classes", "Number"],
        "scale": "None",
        "weights": True,
        "not_for": one["not_for"],
        "package": None,
    }


@pytest.mark.parametrize("name", ["latency-over", "latency-over@MS", "recall@CLASS"])
def test_a_family_is_shown_by_its_example(name):
    result = run(name)
    assert result.exit_code == 0
    assert ", for instance " in result.output


def test_an_unknown_metric_is_wrong_usage_and_told_what_there_is():
    result = run("acuracy")
    assert result.exit_code == 2
    assert "metric 'acuracy' is unknown; did you mean accuracy" in result.output
    assert "needs a parameter; write latency-over@MS" not in result.output
