"""Metrics of other packages: found by their entry point, kept apart from what is built in, never a silent pass."""

from __future__ import annotations

import importlib
import re
import sys
from importlib.metadata import distributions
from pathlib import Path

import numpy as np
import pytest

from tierwise.metrics.guarded import MetricFailedError
from tierwise.metrics.plugins import GROUP
from tierwise.metrics.registry import Registry, UnknownMetricError
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
        (START + f"METRICS = {metric('Not A Name', 'Proportion(None)')}\n", "'Not A Name' is no name of a metric"),
        (
            START + f"METRICS = {metric('accuracy', 'Proportion(None)')}\n",
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
    with pytest.raises(UnknownMetricError, match=r"'mine' is unknown; use one of accuracy.*of odd is not available"):
        registry.get("mine")


def test_of_two_packages_with_the_same_name_the_second_is_refused(install):
    install("a-first", START + f"METRICS = [{metric('mine', 'Proportion(lambda t: (t.counts[..., 0, 0],) * 2)')}]\n")
    registry = install("b-second", START + f"METRICS = [{metric('mine', 'Proportion(None)')}]\n")
    assert registry.distributions["mine"] == "a-first"
    assert "b-second" in str(registry.broken[0])
    assert "that of a metric of a-first" in str(registry.broken[0])


@pytest.mark.parametrize(
    ("measure", "cause"),
    [
        ("Proportion(lambda t: 1 / 0)", "ZeroDivisionError: division by zero"),
        ("Proportion(lambda t: (t.counts.sum(), 0))", r"count gave shapes \(\) and \(\), expected \(2,\)"),
        ("Proportion(lambda t: (t.counts[..., 0, 0], t.counts.sum((-1, -2))))", "not 0 ≤ bad ≤ n"),
        ("Proportion(lambda t: (t.counts[..., 0, 0] * np.nan, t.counts[..., 0, 0]))", "not 0 ≤ bad ≤ n"),
        ("Estimated(lambda t: 0.5)", "estimate gave a float, expected an Estimate"),
        ("Estimated(lambda t: Estimate(*[np.zeros(2)] * 4))", "expected .* twice, then with"),
        (
            "Estimated(lambda t: Estimate(np.full(2, np.nan), np.ones((2, 1)), np.ones((2, 1)), np.full(2, True)))",
            "gave no value",
        ),
        (
            "Estimated(lambda t: Estimate(np.ones(2), -np.ones((2, 1)), np.ones((2, 1)), np.full(2, True)))",
            "a spread that is negative",
        ),
    ],
)
def test_a_metric_that_fails_says_whose_it_is_and_why(install, measure, cause):
    found = install("odd", START + f"METRICS = {metric('mine', measure)}\n").get("mine")
    use = found.measure.count if measure.startswith("Proportion") else found.measure.estimate
    with pytest.raises(MetricFailedError, match=f"metric 'mine' of odd failed: .*{cause}") as error:
        use(Tally(np.stack([COUNTS, COUNTS])))
    assert (error.value.name, error.value.distribution) == ("mine", "odd")


def test_a_shift_of_another_package_is_checked_too(install):
    source = START + f"METRICS = {metric('mine', 'Shift(lambda t, at: (t.counts[..., 0, 0], t.counts[..., 0, 0]))')}\n"
    found = install("odd", source).get("mine")
    with pytest.raises(MetricFailedError, match=r"expected \(\) and \(9,\)"):
        found.measure.count(Tally(COUNTS), np.arange(9))
