"""Generated traffic: reproducible, spread over ready pods, with the error rates that the scenario promises."""

from __future__ import annotations

import numpy as np
import pytest

from tierwise.runtime.predictions import Predictions, ServingPod
from tierwise.simulation.traffic.scenarios import http3, identical, residential, unlabelled

TIERS = ("tier-3", "tier-2", "tier-1")
PODS = [
    ServingPod(f"{tier}-{version}-{i}", tier, version) for tier in TIERS for version in ("v1", "v2") for i in (0, 1)
]


def versions(rows: Predictions) -> np.ndarray:
    return np.array([pod.version for pod in rows.pods])[rows.pod]


def tiers(rows: Predictions) -> np.ndarray:
    return np.array([pod.tier for pod in rows.pods])[rows.pod]


def error_rate(rows: Predictions, where: np.ndarray, *, positive_is_high: bool = True) -> float:
    answer = (rows.score >= 0.5) if positive_is_high else (rows.score < 0.5)
    return float(np.mean(answer[where] != (rows.label[where] == 1)))


def test_the_same_arguments_give_the_same_rows_and_another_interval_others():
    first, again, other = (http3(500, seed=1).serve(n, PODS, 1.0) for n in (3, 3, 4))
    np.testing.assert_array_equal(first.score, again.score)
    np.testing.assert_array_equal(first.pod, again.pod)
    assert len(other) != len(first) or not np.array_equal(other.score, first.score)


def test_http3_recall_differs_between_versions_over_http3_only():
    rows = http3(200_000, http3_share=0.1).serve(0, PODS, 1.0)
    over_http3 = rows.dimensions["http_version"] == "HTTP/3"
    of = versions(rows)
    assert (rows.label == 1).all()
    assert error_rate(rows, over_http3 & (of == "v1"), positive_is_high=False) == pytest.approx(0.79, abs=0.02)
    assert error_rate(rows, over_http3 & (of == "v2"), positive_is_high=False) == pytest.approx(0.04, abs=0.01)
    assert error_rate(rows, ~over_http3, positive_is_high=False) == pytest.approx(0.015, abs=0.002)


@pytest.mark.parametrize(
    ("variant", "v1_home", "v2_home"), [("regression", 0.005, 0.03), ("external", 0.03, 0.03), ("place", None, None)]
)
def test_residential_false_alarms_follow_the_variant(variant: str, v1_home: float | None, v2_home: float | None):
    rows = residential(300_000, variant=variant, residential_share=0.2).serve(0, PODS, 1.0)
    home, of = rows.dimensions["asn_type"] == "residential", versions(rows)
    if v1_home is None:
        for version in ("v1", "v2"):
            assert error_rate(rows, (of == version) & (tiers(rows) == "tier-3")) == pytest.approx(0.010, abs=0.003)
            assert error_rate(rows, (of == version) & (tiers(rows) != "tier-3")) == pytest.approx(0.005, abs=0.001)
        return
    assert error_rate(rows, home & (of == "v1")) == pytest.approx(v1_home, abs=0.003)
    assert error_rate(rows, home & (of == "v2")) == pytest.approx(v2_home, abs=0.003)


def test_external_cause_begins_when_it_is_told_to():
    source = residential(300_000, variant="external", residential_share=0.2, worse_from_interval=5)
    rates = []
    for interval in (4, 5):
        rows = source.serve(interval, PODS, 1.0)
        rates.append(error_rate(rows, rows.dimensions["asn_type"] == "residential"))
    assert rates == pytest.approx([0.005, 0.03], abs=0.003)


def test_identical_versions_err_alike_in_forty_slices_of_equal_size():
    rows = identical(400_000).serve(0, PODS, 1.0)
    segments, counts = np.unique(rows.dimensions["segment"], return_counts=True)
    assert len(segments) == 40
    assert counts.max() < 1.1 * counts.min()
    arms = [error_rate(rows, versions(rows) == version) for version in ("v1", "v2")]
    assert arms[0] == pytest.approx(arms[1], abs=0.002)


def test_pods_of_a_tier_share_its_requests_evenly_and_a_tier_without_pods_serves_nothing():
    pods = [pod for pod in PODS if pod.tier != "tier-1"]
    rows = identical(90_000).serve(0, pods, 1.0)
    counts = np.bincount(rows.pod, minlength=len(pods))
    assert counts.max() < 1.1 * counts.min()
    assert set(tiers(rows)) == {"tier-3", "tier-2"}
    assert len(identical(1000).serve(0, [], 1.0)) == 0


def test_unlabelled_traffic_has_no_label_at_all():
    assert (unlabelled(1000).serve(0, PODS, 1.0).label == -1).all()
