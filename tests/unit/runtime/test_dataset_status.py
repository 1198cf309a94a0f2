"""One check of a MonitoringDataset and one tick of it, against a log and a cluster in memory."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.support.dataset_world import ACCURACY, T0, Log, World
from tierwise.api.monitoringdataset import MonitoringDatasetSpec
from tierwise.api.reasons import Reason
from tierwise.errors import SpecError, StoreError
from tierwise.monitoring.query.quality.arrivals import Conflict, Sources
from tierwise.monitoring.query.quality.score_range import Answers
from tierwise.runtime.datasets.checks import whole_dataset


@pytest.fixture
def world() -> World:
    world = World()
    world.add()
    return world


def test_a_log_with_rows_and_labels_makes_it_ready_and_a_second_check_writes_nothing(world: World):
    assert world.tick() == 3600
    status, reason, message = world.ready()
    assert (status, reason) == ("True", "Usable")
    assert message == "1000 predictions in 1h00m until 2026-03-01 12:00:00Z, 50.0% labelled; versions v1, v2"
    world.now_ += timedelta(hours=1)
    world.tick()
    assert world.writes == 1


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (StoreError("store away", "is it up?", reason=Reason.STORE_UNREACHABLE), "Unknown"),
        (SpecError("column 'x' is not in t", "set spec.columns.x", reason=Reason.UNKNOWN_COLUMN), "False"),
    ],
)
def test_what_a_store_or_a_dataset_lacks_is_said_and_checked_again_soon(world: World, error: Any, status: str):
    world.log.error = error
    assert world.tick() == 5
    assert world.ready() == (status, str(error.reason), str(error))
    world.log.error = None
    assert world.tick() == 3600
    assert world.ready()[0] == "True"


def test_those_judged_on_it_look_again_when_it_becomes_usable_or_not(world: World):
    world.tick()
    assert world.told == []  # the object itself was news
    for newest in (None, T0, T0):
        world.log.newest = newest
        world.tick()
    assert world.told == [("ns", "humans")] * 2


def test_a_log_without_rows_is_not_ready(world: World):
    world.log.newest = None
    world.tick()
    assert world.ready()[:2] == ("False", "NoRows")


def test_scores_that_are_mostly_outside_the_domain_are_told_with_both_ranges(world: World):
    world.log.answers = Answers(1000, 600, -3.5, 240.0)
    world.tick()
    assert world.ready()[:2] == ("False", "DomainSuspect")
    assert world.ready()[2] == (
        "dataset 'humans': 600 of 1000 rows have no valid answer: it is one within spec.domain, 0 … 1, and scores are "
        "-3.5 … 240; correct it, or spec.columns.score"
    )
    world.log.answers = Answers(1000, 10, 0.1, 1.5)
    world.tick()
    assert world.ready()[:2] == ("True", "Usable")
    assert "10 of 1000 rows have no valid answer" in world.ready()[2]


def test_rows_of_the_newer_version_without_a_time_are_told(world: World):
    world.log.untimed = (5000, 0)  # of the older version, perhaps of months ago
    world.tick()
    assert world.ready()[:2] == ("True", "Usable")
    assert "5000 rows have no time or one in the future" in world.ready()[2]
    world.log.untimed = (0, 50)
    world.tick()
    assert world.ready()[:2] == ("False", "TimesUnusable")


def test_labels_that_do_not_come_are_no_matter_where_no_metric_needs_them():
    world = World(log=Log(labels=0))
    world.add(users=(ACCURACY,))
    world.tick()
    assert world.ready()[:2] == ("False", "NoLabels")
    world.add(users=(replace(ACCURACY, metrics=("positive-rate",)),))
    world.tick()
    assert world.ready()[:2] == ("True", "Usable")


def test_rows_too_young_for_their_labels_are_no_pass():
    world = World(log=Log(rows={}))
    world.add(maturity="30m")
    world.tick()
    assert world.ready()[:2] == ("False", "NoLabels")
    assert "no prediction is as old as spec.maturity (30m) yet" in world.ready()[2]


def test_rows_are_counted_where_their_labels_had_time_to_come():
    world = World()
    world.add(maturity="30m", volume={"per": "10m", "minRows": 1})
    world.tick()
    window = world.log.windows[0]
    assert window.start == T0 - timedelta(minutes=40)
    assert window.end - T0 + timedelta(minutes=30) == timedelta(microseconds=1)  # the newest row is inside


def test_a_stale_log_and_too_few_rows_are_worded_as_looks_word_them(world: World):
    world.add(freshness={"maxAge": "1m"})
    world.now_ = T0 + timedelta(minutes=5)
    world.tick()
    assert world.ready()[:2] == ("False", "StaleLog")
    world.add(volume={"minRows": 5000})
    world.tick()
    assert world.ready()[1] == "TooFewRows"
    assert "1000 predictions in 1h, at least 5000 are expected (spec.volume)" in world.ready()[2]


def test_sources_that_differ_are_told_and_change_nothing(world: World):
    world.log.sources = Sources((), (Conflict("research", "rule", 40, 10),))
    world.tick()
    conditions = {c.type: c for c in world.views["ns", "humans"].status.conditions}
    assert conditions["Ready"].status == "True"
    agree = conditions["LabelsAgree"]
    told = "label sources 'research' and 'rule' differ on 10 of 40 rows (25.0%)"
    assert (agree.status, agree.message) == ("False", told)
    assert told in conditions["Ready"].message


def test_a_spec_that_this_version_cannot_read_is_said(world: World):
    broken = SpecError("MonitoringDataset humans: spec.x: unknown", "apply the CRDs", reason=Reason.INVALID_SPEC)
    world.views["ns", "humans"] = replace(world.views["ns", "humans"], spec=broken)
    world.tick()
    assert world.ready() == ("False", "InvalidSpec", str(broken))


def test_a_status_that_may_not_be_written_is_not_tried_over_and_over(world: World):
    world.may_write = False
    world.log.newest = None
    assert world.tick() == 3600


def test_a_dataset_that_is_gone_is_not_checked_again(world: World):
    world.views.clear()
    assert world.tick() is None


def test_everything_a_metric_could_read_is_tried():
    spec = MonitoringDatasetSpec.model_validate(
        {
            "table": "t",
            "columns": {"latency": "millis", "status": "http", "weight": "w"},
            "dimensions": [{"name": "browser", "expression": "browser"}],
            "values": [{"name": "clicks", "expression": "clicks"}],
        }
    )
    dataset = whole_dataset("humans", spec)
    asked = " ".join(each.expression for each in dataset.reads.sums)
    assert dataset.groupings == (("browser",),)
    assert dataset.reads.weights
    assert all(role in asked for role in ("{latency}", "{status}", "{value:clicks}"))
