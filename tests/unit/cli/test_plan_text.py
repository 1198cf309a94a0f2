"""What `plan` says on a terminal: numbers that nobody can use are words, and both bounds stand above the slices."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from tests.unit.monitoring.planning.test_forecast import a_forecast
from tierwise.monitoring.counts.model import Block
from tierwise.monitoring.planning.drop import Drop
from tierwise.report.plan.advice import advice_of
from tierwise.report.plan.table import render_plan
from tierwise.runtime.offline.planning import Plan, PlannedTier, PlanRequest, Traffic
from tierwise.simulation.policy import Policy, TierPolicy
from tierwise.simulation.trials.lateness import warnings_of
from tierwise.simulation.trials.summary import Detected, Share

T0 = datetime(2026, 3, 1, tzinfo=UTC)
DROP = Drop({"carrier": "VX"}, "accuracy", 0.9, 0.8)
YEARS = 2 * 365 * 86_400.0


def a_planned(**changes: object) -> Plan:
    """The forecast of a large and a small carrier; `changes` are of its slices that are not powered."""
    found = a_forecast((DROP,))
    slices = tuple(each if each.powered else replace(each, **changes) for each in found.slices)
    tier = PlannedTier(None, 0.045, 4 * 3600.0, exposure=0.5, min_seconds=600.0)
    request = PlanRequest("m", "v1", (), {}, (tier,), None, None, None)
    traffic = Traffic("v1", {}, Block(T0, T0 + timedelta(hours=1)))
    return Plan(request, traffic, (36_240,), (replace(found, slices=slices),))


def printed(plan: Plan, width: int) -> str:
    console = Console(width=width, no_color=True)
    with console.capture() as captured:
        console.print(render_plan(plan))
    return captured.get()


def test_no_margin_of_more_than_everything_and_no_duration_of_years_is_advised():
    (told,) = [line for line in advice_of(a_planned(sure_seconds=YEARS, margin_needed=1.3)) if "does not wait" in line]
    assert "(not with this traffic)" in told
    assert "pp" not in told
    (usable,) = [line for line in advice_of(a_planned(sure_seconds=7_200.0, margin_needed=0.3)) if "not wait" in line]
    assert "maxDuration 2h or margin 30.00 pp" in usable


def test_a_drop_that_takes_years_is_said_so():
    planned = a_planned()
    (tier,) = planned.tiers
    (drop,) = tier.drops
    slow = replace(drop, seconds=YEARS, fits=False, exposure_needed=None, hypotheses_allowed=None)
    told = advice_of(replace(planned, tiers=(replace(tier, drops=(slow,)),)))[0]
    assert told.endswith("on carrier=VX needs longer than a year: not with this traffic")


@pytest.mark.parametrize("width", [60, 80, 100, 120, 200])
def test_slices_keep_their_names_and_both_bounds_stand_above_them(width: int):
    text = printed(a_planned(sure_seconds=YEARS), width)
    assert re.search(r"^carrier=VX +accuracy", text, re.MULTILINE)
    bounds = "accuracy: rolls back beyond 0.5 pp (tolerance), promoted within 1 pp (margin)"
    assert bounds in " ".join(text.split())
    assert ("not with this traffic" in text) == (width >= 80)


def test_a_drop_that_begins_after_the_tier_is_told():
    policy = Policy((), {}, (TierPolicy(None, 0.045, 0.2, 60.0, 7_440.0),), 60.0, 0.05)
    (warning,) = warnings_of(
        policy, replace(DROP, onset_seconds=18_000.0), Detected(Share(0, 3), None, {}, Share(0, 3))
    )
    assert warning.startswith("the drop begins 5h into a tier, and no tier lasts longer than 3h: it never comes")


@pytest.mark.parametrize(("median", "told"), [(90.0, "90s"), (1_000.0, "17m"), (714_000.0, "199h")])
def test_a_soak_is_advised_as_a_manifest_has_it(median: float, told: str):
    policy = Policy((), {}, (TierPolicy(None, 0.045, 0.2, 60.0, 1e6),), 60.0, 0.05)
    seen = Detected(Share(10, 10), median, {}, Share(9, 10))
    (warning,) = warnings_of(policy, DROP, seen)
    assert warning.startswith("1 of 10 rollouts with the drop was promoted before Tierwise saw it")
    assert f"set minDuration to {told} or more" in warning
