"""A metric of numbers holds where one arm's rows lack them more often: what it lacks may be its worst, or its best."""

import numpy as np
import pytest

from tests.unit.monitoring.builders import SPEC, an_analysis, halves, message_of, some_blocks
from tests.unit.monitoring.engines import a_dataset_of
from tierwise.api.monitoringdataset import MonitoringDatasetSpec
from tierwise.api.reasons import Reason
from tierwise.monitoring.counts.model import Cells
from tierwise.monitoring.evidence.fold import begin, fold
from tierwise.monitoring.planning.tier_plan import TierTerms, plan_tier
from tierwise.monitoring.verdicts.judge import judge

ROWS, BLOCKS = 200, 40
SERVED = MonitoringDatasetSpec.model_validate(SPEC.to_wire() | {"columns": {"latency": "ms"}})
SLOW = "latency-over@200"


def cells(*, lacking: float, arm: int = 1) -> Cells:
    """Some requests of one arm have no latency, a share `lacking` of its rows."""
    rng = np.random.default_rng(2)
    counts = np.zeros((BLOCKS, 1, 2, 3, 3), dtype=np.int64)
    counts[..., 2, 0] = ROWS
    known = np.full((BLOCKS, 1, 2), ROWS)
    known[:, 0, arm] -= rng.binomial(ROWS, lacking, BLOCKS)
    slow = np.full((BLOCKS, 1, 2), 6.0)
    return Cells(some_blocks(BLOCKS), ("",), counts, sums={f"{SLOW}:n": known.astype(float), f"{SLOW}:bad": slow})


def judged(found: Cells):
    analysis = an_analysis(metrics=(SLOW,), slices=(), margin={"absolute": 0.05})
    plan = plan_tier(
        [analysis],
        {analysis.name: a_dataset_of(analysis, SERVED)},
        {},
        TierTerms(alpha=0.045, expected_share=1.0, candidate_share=0.5, max_duration_seconds=3600),
    )
    return judge(fold(begin(plan), {analysis.name: found}, halves(found)))


def test_a_candidate_without_the_numbers_of_its_slow_requests_is_no_pass():
    j = judged(cells(lacking=0.1))
    assert message_of(j, Reason.DOMAIN_SUSPECT).startswith("dataset 'flights': 10.")
    assert "of the candidate's rows lack the number of latency-over@200 and 0.0% of the baseline's" in message_of(
        j, Reason.DOMAIN_SUSPECT
    )


def test_nor_is_a_baseline_without_the_numbers_of_its_fast_ones():
    j = judged(cells(lacking=0.1, arm=0))
    assert "of the baseline's rows lack the number of latency-over@200 and 0.0% of the candidate's" in message_of(
        j, Reason.DOMAIN_SUSPECT
    )


@pytest.mark.parametrize("lacking", [0.0, 0.004])
def test_a_few_that_lack_it_hold_nothing(lacking):
    j = judged(cells(lacking=lacking))
    assert message_of(j, Reason.DOMAIN_SUSPECT) is None
    assert j.non_inferior
