"""The guarantees at reduced length: smaller samples, the same bounds; sampling error counts against the promise."""

import pytest

from tests.calibration import naming, scenarios
from tests.calibration.table import at_least, at_most, lower_bound, upper_bound

REDUCED = [
    (scenarios.false_rollbacks, 400),
    (scenarios.at_tolerance, 200),
    (scenarios.delays, 1000),
    (scenarios.delays_with_tolerance, 500),
    (scenarios.few_labels, 1000),
    (scenarios.non_inferiority, 4000),
    (scenarios.just_powered, 200),
    (scenarios.interval_coverage, 2000),
    (naming.culprit_named, 40),
]


@pytest.mark.parametrize(("scenario", "replicates"), REDUCED, ids=[s.__name__ for s, _ in REDUCED])
def test_promise_is_kept(scenario, replicates):
    rows = scenario(replicates)
    assert rows
    assert [f"{r.scenario}: {r.promise}, seen {r.seen}" for r in rows if not r.holds] == []


def test_bounds_are_clopper_pearson():
    assert upper_bound(0, 100) == pytest.approx(1 - 0.05 ** (1 / 100))
    assert lower_bound(100, 100) == pytest.approx(0.05 ** (1 / 100))
    assert (lower_bound(0, 10), upper_bound(10, 10)) == (0.0, 1.0)


def test_a_promise_that_is_only_just_kept_in_the_sample_does_not_count():
    assert not at_most("x", 5, 100, 0.05).holds
    assert not at_least("x", 95, 100, 0.95).holds
