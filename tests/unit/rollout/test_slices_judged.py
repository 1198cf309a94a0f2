"""Whether any slice is judged on its own: told at a tier's start, before all else, and as long as the plan holds."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.rollout.world import INCONCLUSIVE, World
from tierwise.api.common import Margin
from tierwise.api.frozen import FrozenDataset, JudgedDimension
from tierwise.rollout.state.judged import slices_judged, unjudged_dimensions

WHOLE = JudgedDimension(dimension="", slices=1, powered=1, traffic=1.0, metrics=["accuracy"])
CARRIER = JudgedDimension(dimension="carrier", slices=9, powered=5, traffic=0.923, metrics=["accuracy"])


def silent(dimension: str = "carrier", **changes: Any) -> JudgedDimension:
    """A way of slicing without a slice that is judged."""
    needs: dict[str, Any] = {
        "nearest": f"{dimension}=AA",
        "metric": "accuracy",
        "needs_seconds": 4100.0,
        "needs_margin": Margin(absolute=0.021),
    }
    return JudgedDimension(dimension=dimension, slices=9, powered=0, traffic=0.0, **needs | changes)


def started(*dimensions: JudgedDimension) -> World:
    world = World().adopted()
    world.judge.answer = INCONCLUSIVE
    world.judge.planned = [FrozenDataset(name="humans", config_hash="0", dimensions=list(dimensions))]
    return world.apply("v2").run_until(lambda w: bool(w.fleet.rollouts) and w.tier(3).look > 0)


NOTHING = (
    "tier-3: no slice has traffic enough to be judged on its own within maxDuration: promotion waits for all traffic "
    "only; raise maxDuration to 70m, or widen the margin of accuracy to 2.1 pp, for carrier=AA"
)


def test_where_no_slice_is_judged_the_condition_the_events_and_the_summary_say_what_would_help():
    world = started(WHOLE, silent())
    for conditions in (world.rollout.conditions, world.status.conditions):
        (found,) = [condition for condition in conditions if condition.type == "SlicesJudged"]
        assert (found.status, found.reason, found.message) == ("False", "NoSliceJudged", NOTHING)
    told = [event for event in world.fleet.events if event.reason == "NoSliceJudged"]
    assert [(event.type, event.message) for event in told] == [("Warning", NOTHING)] * 2
    assert world.status.summary.message.startswith(NOTHING)
    order = world.event_reasons()
    assert order.index("NoSliceJudged") < order.index("Judging")  # before a prediction of the candidate counts


def test_where_slices_are_judged_the_condition_tells_their_share_and_no_event_comes():
    world = started(WHOLE, CARRIER)
    found = world.condition("SlicesJudged")
    assert (found.status, found.reason) == ("True", "SlicesJudged")
    assert found.message == "tier-3: traffic in slices that are judged on their own: carrier 92.3 %"
    assert "NoSliceJudged" not in world.event_reasons()


def test_it_stays_through_the_tier_and_the_next_tier_has_its_own():
    world = started(WHOLE, silent())
    since = world.condition("SlicesJudged").last_transition_time
    world.run(600)
    assert world.condition("SlicesJudged").last_transition_time == since
    assert world.event_reasons().count("NoSliceJudged") == 2
    world.judge.planned = [FrozenDataset(name="humans", config_hash="0", dimensions=[WHOLE, CARRIER])]
    world.fleet.annotate("bot-score", promote=f"{world.status.rollout}/tier-3")
    world.run_until(lambda w: w.tier(2).look > 0)
    assert world.condition("SlicesJudged").message.startswith("tier-2: traffic in slices")


def test_a_plan_that_does_not_say_it_has_no_condition():
    world = started()
    assert not [condition for condition in world.status.conditions if condition.type == "SlicesJudged"]


@pytest.mark.parametrize(
    ("dimensions", "judged", "words"),
    [
        ((WHOLE,), True, "all traffic is judged as one, by no slices"),
        ((WHOLE, CARRIER, silent("hour")), True, "carrier 92.3 %; no slice of hour: raise maxDuration to 70m"),
        (
            (silent("", nearest="", needs_seconds=9000.0, needs_margin=Margin(relative=0.3)),),
            False,
            "too little to be judged within maxDuration: raise maxDuration to 3h, or widen the margin of accuracy",
        ),
        (
            (silent("", nearest=""), silent()),
            False,
            "nothing has traffic enough to be judged within maxDuration, not even all traffic together: raise",
        ),
        ((WHOLE, silent(nearest=None)), False, "waits for all traffic only; send traffic or labels, or slice by less"),
        ((WHOLE, silent(), silent("hour", needs_seconds=600.0)), False, "raise maxDuration to 10m, or"),
        ((WHOLE, silent(needs_seconds=None)), False, "only; widen the margin of accuracy to 2.1 pp, for carrier=AA"),
    ],
)
def test_the_words_name_the_nearest_slice_and_both_numbers(dimensions, judged, words):
    found = slices_judged({"humans": dimensions})
    assert found is not None
    assert found.judged is judged
    assert words in found.message


def test_one_dataset_that_judges_no_slice_is_not_hidden_by_another_that_does():
    found = slices_judged({"humans": (WHOLE, CARRIER), "research": (WHOLE, silent())})
    assert found is not None
    assert not found.judged
    assert "(dataset research)" in found.message
    assert "humans" not in found.message


def test_each_dimension_without_a_judged_slice_is_named():
    told = dict(unjudged_dimensions({"humans": (WHOLE, CARRIER, silent("hour"))}))
    assert list(told) == ["humans"]
    assert told["humans"].startswith("no slice of hour has traffic enough")
