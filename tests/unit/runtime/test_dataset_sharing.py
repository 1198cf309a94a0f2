"""Datasets of two namespaces whose rows the log cannot tell apart: both are told, and told when that has ended."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.support.dataset_world import ACCURACY, World
from tierwise.api.reasons import Reason
from tierwise.errors import SpecError, StoreError
from tierwise.runtime.datasets.status import DatasetUser


def test_a_model_of_that_name_in_another_namespace_is_told_to_both():
    world = World()
    for namespace in ("a", "b"):
        world.add(namespace, users=(ACCURACY,))
        world.tick(namespace)
    assert "ModelDeployment a/bot has spec.model 'bot' too" in world.ready("b")[2]
    assert world.woken == [("a", "humans")]
    world.tick("a")
    assert "ModelDeployment b/bot" in world.ready("a")[2]
    assert world.woken == [("a", "humans")]  # b knows already


def shared_by_two() -> World:
    world = World()
    for namespace in ("a", "b", "a"):
        if (namespace, "humans") not in world.views:
            world.add(namespace, users=(ACCURACY,))
        world.tick(namespace)
    assert "spec.model 'bot' too" in world.ready("a")[2]
    world.woken.clear()
    return world


def moved(world: World) -> None:
    world.add("b", users=(ACCURACY,), table="others")


def moved_where_no_table_is(world: World) -> None:
    moved(world)
    world.log.error = StoreError("no such table", "create it", reason=Reason.UNKNOWN_TABLE)


def gone(world: World) -> None:
    del world.views["b", "humans"]


def unread(world: World) -> None:
    world.log.error = SpecError("column 'x' is not in t", "set spec.columns.x", reason=Reason.UNKNOWN_COLUMN)


def unused(world: World) -> None:
    world.using["b", "humans"] = ()


@pytest.mark.parametrize("change", [moved, moved_where_no_table_is, gone, unread, unused])
def test_the_other_is_told_when_rows_are_not_shared_any_more(change: Any):
    world = shared_by_two()
    change(world)
    world.tick("b")
    assert world.woken == [("a", "humans")]
    world.tick("b")
    assert world.woken == [("a", "humans")]
    world.log.error = None
    world.tick("a")
    assert "spec.model" not in world.ready("a")[2]


def test_a_dataset_that_was_deleted_is_forgotten_and_the_other_told():
    world = shared_by_two()
    world.ticks.forget("b", "humans")
    assert world.woken == [("a", "humans")]
    world.tick("a")
    assert "spec.model" not in world.ready("a")[2]


def test_a_store_that_is_away_for_a_while_changes_nothing_for_the_other():
    world = shared_by_two()
    world.log.error = StoreError("store away", "is it up?", reason=Reason.STORE_UNREACHABLE)
    world.tick("b")
    world.log.error = None
    world.tick("b")
    assert world.woken == []


@pytest.mark.parametrize(
    "other",
    [replace(ACCURACY, model="spam"), replace(ACCURACY, tiers=frozenset({"eu"}))],
    ids=["another model", "other tiers"],
)
def test_rows_that_the_log_can_tell_apart_are_not_shared(other: DatasetUser):
    world = World()
    world.add("a", users=(ACCURACY,))
    world.add("b", users=(other,))
    world.tick("a")
    world.tick("b")
    assert "spec.model" not in world.ready("b")[2]
