"""What a metric of another package gives is held against the rows there are; what cannot be is its failure."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.plug_in import COUNTS, START, metric
from tierwise.errors import MetricFailedError
from tierwise.metrics.tally import Tally

N = "t.counts.sum((-2, -1))"


def estimate(value="np.zeros(2)", spread="np.ones((2, 1))", units="np.ones((2, 1))", enough="np.full(2, True)"):
    return f"Estimated(lambda t: Estimate({value}, {spread}, {units}, {enough}))"


@pytest.mark.parametrize(
    ("measure", "cause"),
    [
        ("Proportion(lambda t: 1 / 0)", "ZeroDivisionError: division by zero"),
        ("Proportion(lambda t: exit())", "SystemExit"),
        ("Proportion(lambda t: t.counts.fill(0))", "ValueError: .*read-only"),
        ("Proportion(lambda t: None)", r"count gave a NoneType; expected \(n, bad\)"),
        ("Proportion(lambda t: (1, 2, 3))", r"count gave 3 values; expected \(n, bad\)"),
        ("Proportion(lambda t: ('many', 'few'))", "count gave n as <U4; expected an array of numbers"),
        ("Proportion(lambda t: (t.counts.sum(), 0))", r"arrays of shapes \(\), \(\); expected \(2,\), \(2,\)"),
        ("Proportion(lambda t: (t.counts[..., 0, 0], t.counts.sum((-1, -2))))", "bad = 2250 of n = 50; expected .*≤ n"),
        (f"Proportion(lambda t: ({N} + 1, {N}))", "n = 2251 of 2250 rows; expected .* n ≤ rows"),
        (f"Proportion(lambda t: ({N}, -{N}))", "bad = -2250; expected .*0 ≤ bad"),
        (f"Proportion(lambda t: (-{N}, -{N}))", "bad = -2250; expected .*0 ≤ bad"),
        (f"Proportion(lambda t: ({N} - 0.5, {N} - 1))", "not whole, n = 2249.5; expected"),
        (f"Proportion(lambda t: ({N}, {N} - 0.5))", "2249.5 bad rows; expected whole numbers"),
        (
            "Proportion(lambda t: (t.counts[..., 0, 0] * np.nan, t.counts[..., 0, 0]))",
            "count gave nan; expected finite",
        ),
        (f"Proportion(lambda t: ({N}, {N} * -np.inf))", "count gave -inf; expected finite"),
        (f"Proportion(lambda t: ({N} * 1e300, {N} * 1e300))", "n = 2.25e.303 of 2250 rows"),
        ("Estimated(lambda t: 0.5)", "estimate gave a float; expected an Estimate"),
        ("Estimated(lambda t: exit())", "SystemExit"),
        ("Estimated(lambda t: Estimate(*[np.zeros(2)] * 4))", "`enough` as float64; expected an array of bool"),
        (estimate(spread="np.ones(2)"), r"a spread of shape \(2,\); expected \(2, 'k'\)"),
        (estimate(units="np.ones((2, 2))"), r"shapes .*\(2, 2\); expected"),
        (estimate(value="np.zeros(3)"), r"shapes \(3,\), .*; expected \(2,\)"),
        (estimate(value="np.full(2, np.nan)"), "value nan; expected a finite one, or `enough` false"),
        (estimate(value="np.full(2, 1e200)"), r"value 1e\+200; expected a finite one"),
        (estimate(spread="-np.ones((2, 1))"), "spread -1; expected .*never below 0"),
        (estimate(spread="-np.ones((2, 1))", enough="np.full(2, False)"), "spread -1; expected .*never below 0"),
        (estimate(spread="np.full((2, 1), np.nan)"), "spread nan; expected a variance"),
        (estimate(spread="np.full((2, 1), np.inf)"), "spread inf; expected a variance"),
        (estimate(units="-np.ones((2, 1))"), "units -1; expected above 0"),
        (estimate(units="np.zeros((2, 1))"), "units 0; expected above 0"),
        (estimate(units="np.full((2, 1), np.nan)"), "units nan; expected above 0"),
        (estimate(units="np.full((2, 1), np.inf)"), "units inf; expected at most the rows there are, 2250"),
        (estimate(units="np.full((2, 1), 3000)"), "units 3000; expected at most the rows there are, 2250"),
    ],
)
def test_a_metric_that_fails_says_whose_it_is_and_why(install, measure, cause):
    found = install("odd", START + f"METRICS = {metric('mine', measure)}\n").get("mine")
    use = found.measure.count if measure.startswith("Proportion") else found.measure.estimate
    with pytest.raises(MetricFailedError, match=f"metric 'mine' of odd failed: .*{cause}") as error:
        use(Tally(np.stack([COUNTS, COUNTS])))
    assert (error.value.name, error.value.distribution) == ("mine", "odd")


def test_units_are_held_against_the_rows_of_their_own_arm(install):
    measure = estimate(units=f"({N} + [0, 1])[:, None]")
    found = install("odd", START + f"METRICS = {metric('mine', measure)}\n").get("mine")
    with pytest.raises(MetricFailedError, match="units 2251; expected at most the rows there are, 2250"):
        found.measure.estimate(Tally(np.stack([2 * COUNTS, COUNTS])))


@pytest.mark.parametrize(
    ("counted", "cause"),
    [
        ("t.counts[..., 0, 0], t.counts[..., 0, 0]", r"expected \(\), \(9,\)"),
        ("t.counts.sum(), np.full(9, 3000)", "below = 3000 of n = 2250"),
        ("t.counts.sum() + 1, np.zeros(9)", "n = 2251 of 2250 rows"),
        ("t.counts.sum(), np.full(9, 0.5)", "below = 0.5; expected whole numbers"),
        ("t.counts.sum(), np.full(9, -1)", "below = -1; expected"),
    ],
)
def test_a_shift_of_another_package_is_checked_too(install, counted, cause):
    found = install("odd", START + f"METRICS = {metric('mine', f'Shift(lambda t, at: ({counted}))')}\n").get("mine")
    with pytest.raises(MetricFailedError, match=cause):
        found.measure.count(Tally(COUNTS), np.arange(9))


def test_a_variance_that_rounds_below_zero_is_none(install):
    measure = estimate(value="np.full(2, 0.3)", spread="np.full((2, 1), -1e-17)")
    found = install("odd", START + f"METRICS = {metric('mine', measure)}\n").get("mine")
    assert (found.measure.estimate(Tally(np.stack([COUNTS, COUNTS]))).spread == 0).all()


def test_what_a_share_is_shown_as_is_checked_too(install):
    measure = "Proportion(lambda t: (t.counts[..., 0, 0], t.counts[..., 0, 0]), shown=lambda bad: 1 / (1 - bad))"
    found = install("odd", START + f"METRICS = {metric('mine', measure)}\n").get("mine")
    assert found.value(4, 2) == 2.0
    with pytest.raises(MetricFailedError, match="ZeroDivisionError"):
        found.value(4, 4)


def test_an_interrupt_passes_through_a_plug_in(install):
    source = "def stop(tally):\n    raise KeyboardInterrupt\n"
    found = install("odd", START + source + f"METRICS = {metric('mine', 'Proportion(stop)')}\n").get("mine")
    with pytest.raises(KeyboardInterrupt):
        found.measure.count(Tally(COUNTS))


def test_sums_of_weights_may_be_no_whole_numbers_and_are_held_against_the_weights_there_are(install):
    measure = "Proportion(lambda t: (t.counts.sum((-2, -1)) * FACTOR, t.counts[..., 1, 0]))"
    weights = COUNTS * 0.37
    found = install("fine", START + f"FACTOR = 1\nMETRICS = {metric('mine', measure)}\n").get("mine")
    n, bad = found.measure.count(Tally(weights))
    assert (n, bad) == (pytest.approx(weights.sum()), weights[1, 0])
    lying = metric("other", measure)
    found = install("lying", START + f"FACTOR = 1.1\nMETRICS = {lying}\n").get("other")
    with pytest.raises(MetricFailedError, match=r"n = 915.75 of 832.5 rows"):
        found.measure.count(Tally(weights))
