"""Delivered tiers by metrics that are no plain counts: seldom a false rollback, and a regression is found."""

import pytest

from tests.calibration.verifying import EQUAL, WORSE, equal, worse


@pytest.mark.parametrize("name", EQUAL)
def test_an_equal_version_seldom_reaches_the_bound(name):
    rows = equal(name, 250, seed=73)
    assert [f"{r.scenario}: {r.promise}, seen {r.seen}" for r in rows if not r.holds] == []


@pytest.mark.parametrize("name", WORSE)
def test_a_worse_version_is_found(name):
    rows = worse(name, 40, seed=72)
    assert [f"{r.scenario}: {r.promise}, seen {r.seen}" for r in rows if not r.holds] == []
