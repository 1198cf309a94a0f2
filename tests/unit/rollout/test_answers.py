"""Annotations that have no effect are answered: once per value, with the right form, and they never fire later."""

from __future__ import annotations

import pytest

from tests.unit.rollout.world import INCONCLUSIVE, NAME, World
from tierwise.api.modeldeployment import RefusedAnnotation
from tierwise.rollout.state.actions import Event

ANNOTATE = f"kubectl -n default annotate mdep {NAME} --overwrite"


def judging(**changes) -> World:
    world = World().adopted(**changes)
    world.judge.answer = INCONCLUSIVE
    return world.apply("v2", **changes).run_until(lambda w: bool(w.fleet.rollouts) and w.tier(3).phase == "Judging")


def told(world: World) -> list[Event]:
    return [event for event in world.fleet.events if event.reason == "CommandRefused"]


def the_answer(world: World, **annotation: str) -> RefusedAnnotation:
    """What one more annotation is answered, within the tick that sees it and told once for ever."""
    before = len(told(world))
    world.fleet.annotate(NAME, **annotation)
    world.tick()
    new = told(world)[before:]
    assert len(new) == 1
    [key] = annotation
    entry = next(entry for entry in world.status.refused if entry.annotation == f"tierwise.io/{key}")
    assert (new[0].type, new[0].on, new[0].message) == ("Warning", "deployment", entry.message)
    world.run(120)
    assert len(told(world)) == before + 1
    return entry


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("true", 'annotation tierwise.io/promote="true" has no effect: it names no rollout and tier'),
        (f"{NAME}-1/edgy", f"{NAME}-1 has no tier 'edgy', only tier-3, tier-2, tier-1"),
        (f"{NAME}-99/tier-3", f"{NAME}-99 is not in flight, {NAME}-1 is"),
        ("", "the value is empty"),
        ("  ", "the value is empty"),
    ],
)
def test_a_wrong_promotion_is_told_with_the_right_form(value: str, why: str):
    world = judging()
    message = the_answer(world, promote=value).message
    assert why in message
    assert f"Use: {ANNOTATE} tierwise.io/promote={NAME}-1/tier-3" in message
    assert world.tier(3).phase == "Judging"


@pytest.mark.parametrize(
    ("key", "meant"), [("promot", "promote"), ("Promote", "promote"), ("roll-back", "rollback"), ("retries", "retry")]
)
def test_a_mistyped_key_is_told_with_the_one_that_is_meant(key: str, meant: str):
    world = judging()
    message = the_answer(world, **{key: f"{NAME}-1/tier-3"}).message
    assert f"Tierwise has no such annotation; tierwise.io/{meant} is meant, perhaps" in message
    assert f"Use: {ANNOTATE} tierwise.io/{meant}={NAME}-1/tier-3 tierwise.io/{key}-" in message


def test_a_key_that_is_near_to_nothing_lists_the_commands():
    message = the_answer(World().adopted(), team="fraud").message
    assert "Its commands are tierwise.io/rollback, tierwise.io/promote, tierwise.io/retry" in message


def test_keys_of_others_and_what_tierwise_sets_itself_are_left_alone():
    world = World().adopted()
    world.fleet.deployments[NAME].annotations |= {"acme.io/promote": "x", "tierwise.io/rollback-at": "2026"}
    world.fleet.deployments[NAME].version += 1
    world.run(30)
    assert world.status.refused == []
    assert told(world) == []


def test_more_mistyped_keys_than_a_status_can_hold_come_to_rest():
    world = World().adopted()
    world.fleet.annotate(NAME, **{f"key-{index:02}": "x" * 5000 for index in range(30)})
    world.run(30)
    writes = world.fleet.writes
    world.run(60)
    assert world.fleet.writes == writes
    assert len(told(world)) == len(world.status.refused) == 10


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ({"promote": f"{NAME}-1/tier-3"}, "no rollout is in flight"),
        ({"rollback": "complaints"}, "no version before the stable one is known to return to"),
        ({"retry": "1"}, "the version that spec.version names was not rejected"),
        ({"rollback": ""}, "the value is empty"),
    ],
)
def test_at_rest_a_command_that_has_nothing_to_act_on_is_told(command: dict[str, str], why: str):
    world = World().adopted()
    assert why in the_answer(world, **command).message
    assert world.fleet.rollouts == {}
    assert world.health == ("Ready", "AtRest")


def test_a_promotion_of_a_rollout_that_is_over_says_so():
    world = judging()
    world.fleet.annotate(NAME, promote=f"{NAME}-1/all")
    world.run_until(lambda w: w.status.stable.name == "v2" and w.status.rollout is None)
    assert told(world) == []
    assert f"({NAME}-1 is over: Completed)" in the_answer(world, promote=f"{NAME}-1/tier-3 again").message


def test_an_empty_rollback_rolls_nothing_back():
    world = judging()
    message = the_answer(world, rollback="").message
    assert f'Use: {ANNOTATE} tierwise.io/rollback="<reason>"' in message
    assert world.rollout.result == "Progressing"
    world.fleet.annotate(NAME, rollback="looks wrong")
    world.run_until(lambda w: w.rollout.result == "RolledBack")


@pytest.mark.parametrize("verb", ["rollback", "promote"])
def test_a_command_with_a_long_text_is_done_once_and_kept_short(verb: str):
    world = judging()
    given = {"rollback": "it is slow " * 20_000, "promote": f"{NAME}-1/all {'as agreed ' * 20_000}"}
    world.fleet.annotate(NAME, **{verb: given[verb]})
    world.run_until(lambda w: w.rollout.result in ("RolledBack", "Completed"))
    world.run(600)
    assert len(world.fleet.rollouts) == 1
    statuses = (world.status, *(view.status for view in world.fleet.rollouts.values()))
    assert all(given[verb][:300] not in status.model_dump_json() for status in statuses)
    assert all(len(event.message) < 1024 for event in world.fleet.events)


def test_a_long_command_that_was_recorded_whole_is_not_done_again():
    world = World().adopted()
    value = "it is slow " * 200
    world.fleet.annotate(NAME, rollback=value)
    stored = world.fleet.deployments[NAME]
    stored.status = stored.status.model_copy(update={"handled": {"rollback": value}})
    world.run(60)
    assert told(world) == []


def test_a_promotion_while_paused_is_refused_and_does_not_fire_when_the_pause_ends():
    world = judging()
    world.apply("v2", paused=True)
    message = the_answer(world, promote=f"{NAME}-1/tier-3").message
    assert "spec.paused forbids promotions, and this one is not kept for later" in message
    assert f'{ANNOTATE} tierwise.io/promote="{NAME}-1/tier-3 $(date +%s)"' in message
    world.apply("v2").run(300)
    assert world.tier(3).phase == "Judging"
    world.fleet.annotate(NAME, promote=f"{NAME}-1/tier-3 1772366400")
    world.run_until(lambda w: w.tier(3).phase == "Delivered")
    assert len(told(world)) == 1


def test_what_was_refused_for_all_tiers_promotes_none_of_them_later():
    world = judging()
    world.apply("v2", paused=True)
    the_answer(world, promote=f"{NAME}-1/all")
    world.apply("v2")
    world.fleet.annotate(NAME, promote=f"{NAME}-1/tier-3 1")
    world.run_until(lambda w: w.tier(3).phase == "Delivered")
    world.run(300)
    assert world.tier(2).phase == "Judging"


def test_a_promotion_that_waits_for_its_tier_is_dropped_by_a_pause_and_told():
    world = judging()
    world.fleet.annotate(NAME, promote=f"{NAME}-1/tier-2")
    world.run(30)
    assert told(world) == []
    world.apply("v2", paused=True).run(5)
    assert len(told(world)) == 1


def test_a_tier_that_is_promoted_already_says_so():
    world = judging()
    world.fleet.annotate(NAME, promote=f"{NAME}-1/tier-3")
    world.run_until(lambda w: w.tier(2).phase == "Judging")
    assert "tier-3 of bot-score-1 is promoted already" in the_answer(world, promote=f"{NAME}-1/tier-3 again").message
    assert world.tier(2).phase == "Judging"


def test_a_second_rollback_while_one_goes_on_does_not_take_the_next_version_too():
    world = World().adopted()
    world.apply("v2").run_until(lambda w: w.status.stable.name == "v2")
    world.judge.answer = INCONCLUSIVE
    world.apply("v3").run_until(lambda w: len(w.fleet.rollouts) == 2 and w.tier(3).phase == "Judging")
    world.fleet.annotate(NAME, rollback="complaints")
    world.run_until(lambda w: w.rollout.rolling_back_since is not None)
    assert "is already going back to v2" in the_answer(world, rollback="complaints, again").message
    assert world.rollout.result == "RolledBack"
    assert world.status.stable.name == "v2"
    assert len(world.fleet.rollouts) == 2


def test_an_answer_goes_with_its_annotation():
    world = judging()
    the_answer(world, promote="true")
    world.fleet.annotate(NAME, promote=f"{NAME}-1/tier-3")
    world.run_until(lambda w: w.tier(3).phase == "Delivered")
    assert world.status.refused == []
    the_answer(world, promot="x")
    del world.fleet.deployments[NAME].annotations["tierwise.io/promot"]
    world.fleet.deployments[NAME].version += 1
    world.run(10)
    assert world.status.refused == []


def test_a_retry_of_nothing_is_told_and_of_a_rejected_version_is_not():
    world = judging()
    assert "neither writes by others to forgive" in the_answer(world, retry="1").message
    world.fleet.annotate(NAME, rollback="no")
    world.run_until(lambda w: w.rollout.result == "RolledBack")
    world.fleet.annotate(NAME, retry="2")
    world.run_until(lambda w: len(w.fleet.rollouts) == 2)
    assert len(told(world)) == 1
