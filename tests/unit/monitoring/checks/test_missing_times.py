"""Rows without a usable time hold where they are many of one arm's, or clearly more of one arm's."""

import numpy as np
import pytest
from scipy import stats

from tests.unit.monitoring.builders import SPEC
from tierwise.monitoring.checks.missing_times import untimed
from tierwise.monitoring.counts.model import Dataset
from tierwise.stats.split import PRESENCE_TOLERANCE, log_more

FLIGHTS = Dataset("flights", SPEC, ())


@pytest.mark.parametrize(
    ("timed", "without", "holds"),
    [
        ((990, 1000), (0, 20), True),  # 1 % of all, 2 % of the candidate's
        ((9500, 500), (0, 50), True),  # half a percent of all, and a tenth of the candidate's
        ((20_000, 19_820), (0, 180), True),  # 0.9 % of the candidate's, none of the baseline's
        ((19_820, 20_000), (180, 0), True),
        ((19_820, 19_820), (180, 180), False),
        ((20_000, 19_900), (0, 100), False),
    ],
)
def test_a_few_of_all_rows_may_be_many_of_one_arms(timed, without, holds):
    assert (untimed(FLIGHTS, timed, without) is not None) == holds


def test_an_old_baseline_without_times_holds_no_look_and_a_candidate_does():
    assert untimed(FLIGHTS, (1000, 1000), (500, 0), of_candidate_only=True) is None
    held = untimed(FLIGHTS, (1000, 950), (500, 50), of_candidate_only=True)
    assert "550 rows have no time or one in the future, 5.00% of the candidate's" in held.message


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3])
def test_its_evidence_is_worth_no_more_than_its_stake_within_the_tolerance(share):
    rows, kinds = 30, np.arange(31)
    baseline = stats.binom.pmf(kinds, rows, share)
    candidate = stats.binom.pmf(kinds, rows, share + PRESENCE_TOLERANCE)
    e = np.exp([[log_more((rows, rows), (b, c))[1] for c in kinds.tolist()] for b in kinds.tolist()])
    assert float(baseline @ e @ candidate) <= 1 + 1e-9
