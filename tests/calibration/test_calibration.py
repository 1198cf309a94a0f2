"""The guarantees at reduced length: smaller samples, the same bounds; sampling error counts against the promise."""

import pytest

from tests.calibration.subjects import SUBJECTS
from tests.calibration.table import at_least, at_most, contrast, lower_bound, upper_bound

REDUCED = [s for scenarios in SUBJECTS.values() for s in scenarios if s.reduced]


@pytest.mark.parametrize("scenario", REDUCED, ids=[s.name for s in REDUCED])
def test_promise_is_kept(scenario):
    rows = scenario.run(scenario.reduced)
    assert rows
    assert [f"{r.scenario}: {r.promise}, seen {r.seen}" for r in rows if not r.holds] == []


def test_bounds_are_clopper_pearson():
    assert upper_bound(0, 100) == pytest.approx(1 - 0.05 ** (1 / 100))
    assert lower_bound(100, 100) == pytest.approx(0.05 ** (1 / 100))
    assert (lower_bound(0, 10), upper_bound(10, 10)) == (0.0, 1.0)


def test_a_promise_that_is_only_just_kept_in_the_sample_does_not_count():
    assert not at_most("x", 5, 100, 0.05, about="").holds
    assert not at_least("x", 95, 100, 0.95, about="").holds
    assert not contrast("x", 50, 100, 0.5, about="").holds
