"""Stores a judgement in a tier's status. Its size is bounded for any number of slices."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from tierwise.api.modelrollout import Coverage, ModelRolloutStatus, SliceVerdict
from tierwise.api.names import Verdict
from tierwise.monitoring.verdicts.judgement import Judgement, Result
from tierwise.monitoring.verdicts.results import BY_PLACE, CONCURRENT
from tierwise.monitoring.verdicts.waiting import waited_for
from tierwise.rollout.state.flight import is_by_place, tier_status, with_tier

MOST_SLICES = 10
MOST_WAITING = 3


def with_judgement(status: ModelRolloutStatus, tier: str, judgement: Judgement) -> ModelRolloutStatus:
    """The status with the tier's evidence replaced by this judgement's."""
    by_place = is_by_place(tier_status(status, tier))
    waiting = waited_for(judgement.results)

    def kept(results: Sequence[Result], most: int) -> list[SliceVerdict]:
        found = (slice_verdict(result, is_waited_for=result in waiting) for result in results[:most])
        return [of_place(verdict, by_place) for verdict in found]

    return with_tier(
        status,
        tier,
        look=judgement.blocks,
        evidence_until=judgement.until,
        labels=sum(judgement.labels),
        coverage=_coverage(judgement, len(waiting)),
        worst=kept(judgement.results, MOST_SLICES),
        waiting=kept(waiting, MOST_WAITING),
        culprits=kept(judgement.culprits, MOST_SLICES),
    )


def of_place(verdict: SliceVerdict, by_place: bool) -> SliceVerdict:
    """The verdict with the control `by-place` if pods are tied to places, which the log does not show."""
    return verdict.model_copy(update={"control": BY_PLACE}) if by_place and verdict.control == CONCURRENT else verdict


def _coverage(judgement: Judgement, waiting: int) -> Coverage:
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
        waiting=waiting,
    )


def slice_verdict(result: Result, *, is_waited_for: bool = False) -> SliceVerdict:
    """One result in the form of a status, with the labels that it needs if promotion waits for them."""
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
        labels_needed=result.labels_needed if is_waited_for else None,
        flagged=result.flagged,
        test=result.test,
        control=result.control,
        phi=result.phi,
        sigma_pod=result.sigma_pod,
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
