"""A metric of another package that fails or lies: it holds with its name and cause, and nothing ever passes."""

import sys
from importlib import invalidate_caches

import pytest

from tests.unit.runtime.prediction_log import PredictionLog
from tests.unit.runtime.test_bad_input import judging, told
from tests.unit.runtime.test_judging import JudgedWorld
from tests.unit.runtime.test_prerelease import validated
from tests.unit.runtime.tier_log import TierLog, is_completed, rolling, same
from tierwise.api.reasons import Reason
from tierwise.metrics import registry

PLUGIN = """
from tierwise.api.common import Margin
from tierwise.metrics.metric import Metric, Needs, Proportion

def count(tally):
    {body}

METRICS = [Metric("mine", "LowerIsBetter", Proportion(count), Margin(absolute=0.01), Needs(), "A share.")]
"""


@pytest.fixture
def plug_in(tmp_path, monkeypatch):
    """Installs a package with one metric called `mine`, as pip would."""

    def install(body):
        (tmp_path / "acme.py").write_text(PLUGIN.format(body=body))
        info = tmp_path / "acme-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[tierwise.metrics]\nacme = acme:METRICS\n")
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.delitem(sys.modules, "acme", raising=False)
        invalidate_caches()
        registry.installed.cache_clear()

    yield install
    monkeypatch.undo()
    registry.installed.cache_clear()


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        ("raise ValueError('boom')", "ValueError: boom"),
        ("raise SystemExit(0)", "SystemExit: 0"),
        ("return tally.counts[..., 0, 0], tally.counts[..., 0, 0] + 1", "0 ≤ bad ≤ n"),
        ("n = tally.counts.sum(axis=(-2, -1)); return n * 50, n", "expected n and bad with 0 ≤ bad ≤ n ≤ rows"),
    ],
)
def test_a_plug_in_that_fails_or_counts_rows_that_are_not_there_holds_with_its_name_and_cause(plug_in, body, cause):
    plug_in(body)
    world = JudgedWorld(PredictionLog(per_second=60))
    world.adopted(**judging("mine"))
    world.apply("v2", **judging("mine")).run(60)
    assert world.health[1] == Reason.METRIC_FAILED
    assert "metric 'mine' of acme failed" in told(world)
    assert cause in told(world)
    assert world.versions == ("v1", "v1", "v1")


def test_an_interrupt_from_the_keyboard_ends_the_program_whoever_runs(plug_in):
    plug_in("raise KeyboardInterrupt")
    world = JudgedWorld(PredictionLog(per_second=60))
    world.adopted(**judging("mine"))
    with pytest.raises(KeyboardInterrupt):
        world.apply("v2", **judging("mine")).run(60)


def test_a_plug_in_that_fails_keeps_the_pre_release_gate_closed(plug_in):
    plug_in("raise SystemExit")
    world = validated((0.1, 0.1), metrics=judging("mine")["analysis"]["datasets"][0]["metrics"]).run(60)
    assert world.health[1] == Reason.METRIC_FAILED
    assert "metric 'mine' of acme failed: SystemExit" in told(world)
    assert world.fleet.rollouts == {}


def test_a_plug_in_that_fails_after_the_rollout_is_told_and_verifies_nothing(plug_in):
    plug_in("return FAIL and 1 / 0 or (tally.counts.sum(axis=(-2, -1)), tally.counts[..., 1, 0])\nFAIL = False")
    metrics = judging("mine")["analysis"]["datasets"]
    world = rolling(TierLog(same), datasets=metrics).run_until(is_completed)
    sys.modules["acme"].FAIL = True
    world.run(4000)
    assert "metric 'mine' of acme failed: ZeroDivisionError" in world.rollout.verification.message
    assert world.rollout.verification.verdict == "Verifying"
