"""Metrics of other packages: found by their entry point, kept apart from what is built in, never a silent pass."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.support.plug_in import COUNTS, START, metric
from tierwise.errors import UnknownMetricError
from tierwise.metrics.definitions import wrong
from tierwise.metrics.metric import Estimated, Needs, Proportion, Shift
from tierwise.metrics.plugins import GROUP
from tierwise.metrics.registry import BUILT_IN, get
from tierwise.metrics.tally import Tally

HOW_TO = Path(__file__).parents[3] / "docs/how-to/add-a-metric.md"


def example() -> str:
    """The module that the how-to shows."""
    blocks = re.findall(r"```python\n(.*?)```", HOW_TO.read_text(encoding="utf-8"), re.S)
    assert len(blocks) == 1
    return blocks[0]


def test_the_package_of_the_how_to_works(install):
    registry = install("acme-metrics", example())
    assert {"acme-disagreement", "acme-cost", "acme-slow@MS"} <= set(registry.names())
    assert registry.broken == ()
    assert registry.distributions["acme-cost"] == "acme-metrics"
    n, bad = registry.get("acme-disagreement").n_bad(COUNTS)
    builtin = registry.get("error-rate").n_bad(COUNTS)
    assert (int(n), int(bad)) == tuple(int(x) for x in builtin)
    found = registry.get("acme-cost").measure.estimate(Tally(COUNTS))
    rows = np.repeat([0.0, 1.0, 10.0, 0.0], COUNTS[:2, :2].ravel())
    assert found.value == pytest.approx(rows.mean())
    assert found.variance == pytest.approx(rows.var() / len(rows))
    slow = registry.get("acme-slow@300")
    assert "> 300" in slow.needs.sums[1].expression
    assert registry.get("acme-slow@300") is slow


def test_the_how_tos_entry_point_is_that_of_the_group():
    assert f'[project.entry-points."{GROUP}"]\nacme = "acme_metrics:METRICS"' in HOW_TO.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("source", "cause"),
    [
        ("import no_such_package\n", "ModuleNotFoundError: No module named 'no_such_package'"),
        ("raise RuntimeError('no licence')\n", "RuntimeError: no licence"),
        ("OTHER = 1\n", "AttributeError"),
        ("METRICS = 7\n", "TypeError: 'int' object is not iterable"),
        ("METRICS = ['auc']\n", "odd:METRICS holds a str, expected a Metric, a Family or a sequence of them"),
        (START + f"METRICS = {metric('Not A Name', 'Proportion(len)')}\n", "'Not A Name' is no name of a metric"),
        (
            START + f"METRICS = {metric('accuracy', 'Proportion(len)')}\n",
            "the name is built in already; give it another one",
        ),
    ],
)
def test_a_plug_in_that_cannot_be_used_is_named_and_leaves_the_others(install, source, cause):
    registry = install("odd", source)
    (broken,) = registry.broken
    assert broken.distribution == "odd"
    assert cause in broken.cause
    assert registry.get("accuracy").n_bad(COUNTS)[0] > 0
    with pytest.raises(
        UnknownMetricError, match=r"'mine' is unknown; .*`tierwise metrics` lists all .*of odd is not available"
    ):
        registry.get("mine")


def test_of_two_packages_with_the_same_name_the_second_is_refused(install):
    install("a-first", START + f"METRICS = [{metric('mine', 'Proportion(lambda t: (t.counts[..., 0, 0],) * 2)')}]\n")
    registry = install("b-second", START + f"METRICS = [{metric('mine', 'Proportion(len)')}]\n")
    assert registry.distributions["mine"] == "a-first"
    assert "b-second" in str(registry.broken[0])
    assert "that of a metric of a-first" in str(registry.broken[0])


FAMILY = "METRICS = Family('kin', 'X', '1', build)\n"
BUILT = metric("kin@1", "Proportion(len)")


@pytest.mark.parametrize(
    ("build", "cause"),
    [
        ("exit()", "its example '1': odd cannot build it: SystemExit"),
        ("1 / 0", "its example '1': odd cannot build it: ZeroDivisionError"),
        ("int('one')", "its example '1': invalid literal for int"),
        ("7", "its example '1': odd cannot build it: it is a int, expected a Metric"),
        (BUILT.replace("kin@1", "auc"), "it is called 'auc', expected 'kin@1'"),
    ],
)
def test_a_family_that_cannot_build_its_example_is_named(install, build, cause):
    source = f"from tierwise.metrics.family import Family\ndef build(x):\n    return {build}\n"
    (broken,) = install("odd", START + source + FAMILY).broken
    assert (broken.name, broken.distribution) == ("kin", "odd")
    assert cause in broken.cause


def test_a_family_that_fails_for_a_parameter_says_so(install):
    source = f"from tierwise.metrics.family import Family\ndef build(x):\n    return x == '1' and {BUILT} or exit(3)\n"
    registry = install("odd", START + source + FAMILY)
    assert registry.get("kin@1").name == "kin@1"
    with pytest.raises(UnknownMetricError, match="metric 'kin@2': odd cannot build it: SystemExit: 3; write kin@X"):
        registry.get("kin@2")


@pytest.mark.parametrize(
    ("field", "value", "cause"),
    [
        ("measure", 7, "its measure is a int"),
        ("measure", Proportion(None), "computes with a NoneType, expected a function"),
        ("measure", Estimated(len, taus=(-1.0,)), "its taus are"),
        ("measure", Shift(len, points=0), "its points are 0"),
        ("direction", "Sideways", "its direction is 'Sideways', expected one of HigherIsBetter"),
        ("kinds", "Binary", "its kinds are 'Binary', expected a tuple"),
        ("default_margin", 0.1, "its default_margin is a float, expected a Margin"),
        ("needs", None, "its needs are a NoneType"),
        ("needs", Needs(sums=("n",)), "its needs.sums are"),
        ("needs", Needs(columns="latency"), "its needs.columns are 'latency', expected a tuple of str"),
        ("unit", "", "its unit or description is empty"),
        ("scale", "Round", "its scale is 'Round'"),
    ],
)
def test_what_is_no_metric_is_told_by_its_field(field, value, cause):
    assert cause in wrong(replace(get("accuracy"), **{field: value}))


def test_what_is_built_in_is_right_by_the_same_rules():
    assert {entry.name: cause for entry in BUILT_IN if (cause := wrong(entry)) is not None} == {}
