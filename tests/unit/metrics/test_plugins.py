"""Metrics of other packages: found by their entry point, kept apart from what is built in, never a silent pass."""

from __future__ import annotations

import importlib
import re
import sys
from dataclasses import replace
from importlib.metadata import distributions
from pathlib import Path

import numpy as np
import pytest

from tierwise.metrics.definitions import wrong
from tierwise.metrics.failed import MetricFailedError
from tierwise.metrics.metric import Estimated, Needs, Proportion, Shift
from tierwise.metrics.plugins import GROUP
from tierwise.metrics.registry import BUILT_IN, Registry, UnknownMetricError, get
from tierwise.metrics.tally import Tally

HOW_TO = Path(__file__).parents[3] / "docs/how-to/add-a-metric.md"
COUNTS = np.arange(1, 10).reshape(3, 3) * 50
START = "from tierwise.api.common import Margin\nfrom tierwise.metrics.metric import *\nimport numpy as np\n"


def metric(name: str, measure: str) -> str:
    return f"Metric({name!r}, 'LowerIsBetter', {measure}, Margin(absolute=0.01), Needs(), 'What it is.')"


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Puts a package with one module into a folder on sys.path, as pip would; gives the registry with all of them."""
    monkeypatch.syspath_prepend(tmp_path)

    def put(name: str, source: str, value: str = "METRICS") -> Registry:
        module = name.replace("-", "_")
        monkeypatch.delitem(sys.modules, module, raising=False)  # of an earlier test's package
        importlib.invalidate_caches()
        (tmp_path / f"{module}.py").write_text(source)
        info = tmp_path / f"{module}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[{GROUP}]\n{module} = {module}:{value}\n")
        found = [point for d in distributions(path=[str(tmp_path)]) for point in d.entry_points if point.group == GROUP]
        return Registry(found)

    return put


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


N = "t.counts.sum((-2, -1))"


def estimate(value="np.zeros(2)", spread="np.ones((2, 1))", units="np.ones((2, 1))", enough="np.full(2, True)"):
    return f"Estimated(lambda t: Estimate({value}, {spread}, {units}, {enough}))"


@pytest.mark.parametrize(
    ("measure", "cause"),
    [
        ("Proportion(lambda t: 1 / 0)", "ZeroDivisionError: division by zero"),
        ("Proportion(lambda t: exit())", "SystemExit"),
        ("Proportion(lambda t: t.counts.fill(0))", "ValueError: .*read-only"),
        ("Proportion(lambda t: None)", r"count gave a NoneType; expected \(n, bad\)"),
        ("Proportion(lambda t: (1, 2, 3))", r"count gave 3 values; expected \(n, bad\)"),
        ("Proportion(lambda t: ('many', 'few'))", "count gave n as <U4; expected an array of numbers"),
        ("Proportion(lambda t: (t.counts.sum(), 0))", r"arrays of shapes \(\), \(\); expected \(2,\), \(2,\)"),
        ("Proportion(lambda t: (t.counts[..., 0, 0], t.counts.sum((-1, -2))))", "bad = 2250 of n = 50; expected .*≤ n"),
        (f"Proportion(lambda t: ({N} + 1, {N}))", "n = 2251 of 2250 rows; expected .* n ≤ rows"),
        (f"Proportion(lambda t: ({N}, -{N}))", "bad = -2250; expected .*0 ≤ bad"),
        (f"Proportion(lambda t: (-{N}, -{N}))", "bad = -2250; expected .*0 ≤ bad"),
        (f"Proportion(lambda t: ({N} - 0.5, {N} - 1))", "not whole, n = 2249.5; expected"),
        (f"Proportion(lambda t: ({N}, {N} - 0.5))", "2249.5 bad rows; expected whole numbers"),
        (
            "Proportion(lambda t: (t.counts[..., 0, 0] * np.nan, t.counts[..., 0, 0]))",
            "count gave nan; expected finite",
        ),
        (f"Proportion(lambda t: ({N}, {N} * -np.inf))", "count gave -inf; expected finite"),
        (f"Proportion(lambda t: ({N} * 1e300, {N} * 1e300))", "n = 2.25e.303 of 2250 rows"),
        ("Estimated(lambda t: 0.5)", "estimate gave a float; expected an Estimate"),
        ("Estimated(lambda t: exit())", "SystemExit"),
        ("Estimated(lambda t: Estimate(*[np.zeros(2)] * 4))", "`enough` as float64; expected an array of bool"),
        (estimate(spread="np.ones(2)"), r"a spread of shape \(2,\); expected \(2, 'k'\)"),
        (estimate(units="np.ones((2, 2))"), r"shapes .*\(2, 2\); expected"),
        (estimate(value="np.zeros(3)"), r"shapes \(3,\), .*; expected \(2,\)"),
        (estimate(value="np.full(2, np.nan)"), "value nan; expected a finite one, or `enough` false"),
        (estimate(value="np.full(2, 1e200)"), r"value 1e\+200; expected a finite one"),
        (estimate(spread="-np.ones((2, 1))"), "spread -1; expected .*never below 0"),
        (estimate(spread="-np.ones((2, 1))", enough="np.full(2, False)"), "spread -1; expected .*never below 0"),
        (estimate(spread="np.full((2, 1), np.nan)"), "spread nan; expected a variance"),
        (estimate(spread="np.full((2, 1), np.inf)"), "spread inf; expected a variance"),
        (estimate(units="-np.ones((2, 1))"), "units -1; expected above 0"),
        (estimate(units="np.zeros((2, 1))"), "units 0; expected above 0"),
        (estimate(units="np.full((2, 1), np.nan)"), "units nan; expected above 0"),
        (estimate(units="np.full((2, 1), np.inf)"), "units inf; expected at most the rows there are, 2250"),
        (estimate(units="np.full((2, 1), 3000)"), "units 3000; expected at most the rows there are, 2250"),
    ],
)
def test_a_metric_that_fails_says_whose_it_is_and_why(install, measure, cause):
    found = install("odd", START + f"METRICS = {metric('mine', measure)}\n").get("mine")
    use = found.measure.count if measure.startswith("Proportion") else found.measure.estimate
    with pytest.raises(MetricFailedError, match=f"metric 'mine' of odd failed: .*{cause}") as error:
        use(Tally(np.stack([COUNTS, COUNTS])))
    assert (error.value.name, error.value.distribution) == ("mine", "odd")


@pytest.mark.parametrize(
    ("counted", "cause"),
    [
        ("t.counts[..., 0, 0], t.counts[..., 0, 0]", r"expected \(\), \(9,\)"),
        ("t.counts.sum(), np.full(9, 3000)", "below = 3000 of n = 2250"),
        ("t.counts.sum() + 1, np.zeros(9)", "n = 2251 of 2250 rows"),
        ("t.counts.sum(), np.full(9, 0.5)", "below = 0.5; expected whole numbers"),
        ("t.counts.sum(), np.full(9, -1)", "below = -1; expected"),
    ],
)
def test_a_shift_of_another_package_is_checked_too(install, counted, cause):
    found = install("odd", START + f"METRICS = {metric('mine', f'Shift(lambda t, at: ({counted}))')}\n").get("mine")
    with pytest.raises(MetricFailedError, match=cause):
        found.measure.count(Tally(COUNTS), np.arange(9))


def test_a_variance_that_rounds_below_zero_is_none(install):
    measure = estimate(value="np.full(2, 0.3)", spread="np.full((2, 1), -1e-17)")
    found = install("odd", START + f"METRICS = {metric('mine', measure)}\n").get("mine")
    assert (found.measure.estimate(Tally(np.stack([COUNTS, COUNTS]))).spread == 0).all()


def test_what_a_share_is_shown_as_is_checked_too(install):
    measure = "Proportion(lambda t: (t.counts[..., 0, 0], t.counts[..., 0, 0]), shown=lambda bad: 1 / (1 - bad))"
    found = install("odd", START + f"METRICS = {metric('mine', measure)}\n").get("mine")
    assert found.value(4, 2) == 2.0
    with pytest.raises(MetricFailedError, match="ZeroDivisionError"):
        found.value(4, 4)


def test_an_interrupt_passes_through_a_plug_in(install):
    source = "def stop(tally):\n    raise KeyboardInterrupt\n"
    found = install("odd", START + source + f"METRICS = {metric('mine', 'Proportion(stop)')}\n").get("mine")
    with pytest.raises(KeyboardInterrupt):
        found.measure.count(Tally(COUNTS))


def test_sums_of_weights_may_be_no_whole_numbers_and_are_held_against_the_weights_there_are(install):
    measure = "Proportion(lambda t: (t.counts.sum((-2, -1)) * FACTOR, t.counts[..., 1, 0]))"
    weights = COUNTS * 0.37
    found = install("fine", START + f"FACTOR = 1\nMETRICS = {metric('mine', measure)}\n").get("mine")
    n, bad = found.measure.count(Tally(weights))
    assert (n, bad) == (pytest.approx(weights.sum()), weights[1, 0])
    lying = metric("other", measure)
    found = install("lying", START + f"FACTOR = 1.1\nMETRICS = {lying}\n").get("other")
    with pytest.raises(MetricFailedError, match=r"n = 915.75 of 832.5 rows"):
        found.measure.count(Tally(weights))


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
