from __future__ import annotations

from scipy import stats

from tierwise.simulation.trials.aa import identical_versions


def test_identical_versions_go_through_three_tiers_and_are_hardly_ever_rolled_back():
    found = identical_versions(3)
    assert found.factor >= 7
    assert found.promoted + found.rolled_back == 3
    # So few rollouts tell only a rule that often stops; the calibration has the bound of 2 %.
    assert stats.binomtest(found.rolled_back, 3).proportion_ci(0.9).low <= 0.02
