"""Judges two versions on one validation set: the same evidence as for a tier, from one block. Pure."""

from __future__ import annotations

from tierwise.api.strategy import DatasetAnalysis
from tierwise.monitoring.counts.model import BASELINE, CANDIDATE, Cells, Dataset
from tierwise.monitoring.evidence.fold import begin
from tierwise.monitoring.evidence.recorded import fold_recorded
from tierwise.monitoring.planning.tier_plan import TierTerms, plan_tier
from tierwise.monitoring.verdicts.judge import judge
from tierwise.monitoring.verdicts.judgement import Judgement


def judge_validation(analysis: DatasetAnalysis, dataset: Dataset, cells: Cells, alpha: float) -> Judgement:
    """Judge the candidate by the rows of the validation set.

    Args:
        analysis: What is judged.
        dataset: The validation set.
        cells: Its rows as one block; each arm has some.
        alpha: Probability, over all slices and metrics, of calling a candidate worse although it is within tolerance
            everywhere, if the arms' errors are independent or agree.
    """
    rows = cells.counts[0, 0].sum(axis=(1, 2))
    counted = {dataset.name: cells}
    plan = plan_tier(
        (analysis,),
        {dataset.name: dataset},
        counted,
        TierTerms(
            alpha=alpha,
            expected_share=1.0,
            candidate_share=float(rows[CANDIDATE] / (rows[BASELINE] + rows[CANDIDATE])),
            max_duration_seconds=1.0,
        ),
    )
    return judge(fold_recorded(begin(plan), counted))
