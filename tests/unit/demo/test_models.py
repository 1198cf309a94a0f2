"""The demo's models on the real flights: v2 is broken for one carrier and hardly in total, v3 is really better."""

from __future__ import annotations

from tests.unit.demo.offline import flights
from tierwise.demo.models import BROKEN_CARRIER


def test_all_flights_of_the_data_set_are_there_and_those_served_left_their_gate_in_april_or_later():
    served = flights()
    assert served.total == 336_776
    assert len(served) > 250_000
    assert sorted(set(served.month.tolist())) == list(range(4, 13))


def test_v1_is_a_decent_model():
    late_share = float((flights().late == 1).mean())
    assert flights().accuracy("v1") > 1.0 - late_share + 0.05  # better than always saying "in time"


def test_v2_is_wrong_about_one_carrier_and_hardly_different_in_total():
    served = flights()
    broken = served.carrier == BROKEN_CARRIER
    assert served.accuracy("v2", broken) < 0.3
    assert served.accuracy("v1", broken) > 0.85
    assert abs(served.accuracy("v2") - served.accuracy("v1")) < 0.015
    assert abs(served.accuracy("v2", ~broken) - served.accuracy("v1", ~broken)) < 0.001


def test_v3_is_better_on_months_that_no_version_was_trained_on():
    served = flights()
    unseen = served.month >= 7
    assert served.accuracy("v3", unseen) > served.accuracy("v1", unseen) + 0.005


def test_labels_come_after_their_prediction_and_within_the_maturity_of_the_dataset():
    delays = flights().label_delay_seconds
    assert delays.min() > 0
    assert delays.max() < 0.9
