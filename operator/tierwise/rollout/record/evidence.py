"""Stores a judgement in a tier's status. Its size is bounded for any number of slices."""

from __future__ import annotations

from collections import Counter

from tierwise.api.modelrollout import Coverage, ModelRolloutStatus, SliceVerdict
from tierwise.api.names import Verdict
from tierwise.monitoring.verdicts.judgement import Judgement, Result
from tierwise.monitoring.verdicts.results import BY_PLACE, CONCURRENT
from tierwise.rollout.state.flight import is_by_place, tier_status, with_tier

MOST_SLICES = 10


def with_judgement(status: ModelRolloutStatus, tier: str, judgement: Judgement) -> ModelRolloutStatus:
    """The status with the tier's evidence replaced by this judgement's."""
    by_place = is_by_place(tier_status(status, tier))
    worst, culprits = judgement.results[:MOST_SLICES], judgement.culprits[:MOST_SLICES]
    return with_tier(
        status,
        tier,
        look=judgement.blocks,
        evidence_until=judgement.until,
        labels=sum(judgement.labels),
        coverage=_coverage(judgement),
        worst=[of_place(slice_verdict(result), by_place) for result in worst],
        culprits=[of_place(slice_verdict(result), by_place) for result in culprits],
    )


def of_place(verdict: SliceVerdict, by_place: bool) -> SliceVerdict:
    """The verdict with the control `by-place` if pods are tied to places, which the log does not show."""
    return verdict.model_copy(update={"control": BY_PLACE}) if by_place and verdict.control == CONCURRENT else verdict


def _coverage(judgement: Judgement) -> Coverage:
    counts = Counter(result.verdict for result in judgement.results)
    return Coverage(
        traffic=judgement.coverage_traffic,
        whole=judgement.coverage_whole,
        slices=len(judgement.results),
        powered=sum(1 for result in judgement.results if result.powered),
        regressed=counts[Verdict.REGRESSED],
        non_inferior=counts[Verdict.NON_INFERIOR] + counts[Verdict.IMPROVED],
        inconclusive=counts[Verdict.INCONCLUSIVE],
        insufficient=counts[Verdict.INSUFFICIENT_DATA],
    )


def slice_verdict(result: Result) -> SliceVerdict:
    """One result in the form of a status."""
    return SliceVerdict(
        dataset=result.dataset,
        metric=result.metric,
        slice={key: value[:128] for key, value in result.slice.items()},
        verdict=result.verdict,
        candidate_n=result.candidate.n,
        candidate_bad=result.candidate.bad,
        baseline_n=result.baseline.n,
        baseline_bad=result.baseline.bad,
        candidate_value=_rounded(result.candidate_value),
        baseline_value=_rounded(result.baseline_value),
        difference=_rounded(result.difference),
        interval=None if result.interval is None else [round(bound, 6) for bound in result.interval],
        log10_e=_rounded(result.log10_e),
        labels_needed=result.labels_needed,
        flagged=result.flagged,
        test=result.test,
        control=result.control,
        phi=result.phi,
        sigma_pod=result.sigma_pod,
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
