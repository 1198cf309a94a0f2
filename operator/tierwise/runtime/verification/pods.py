"""Counts the pods behind each tier's rows, to separate differences between pods from those between versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from tierwise.api.modelrollout import TierStatus
from tierwise.monitoring.counts.model import Block, PodCounts
from tierwise.monitoring.verification.hypotheses import Control
from tierwise.runtime.reading.datasets import Source
from tierwise.runtime.reading.request import RolloutRequest
from tierwise.runtime.verification.blocks import Piece, tier_scope
from tierwise.stats.overdispersion import MIN_PODS, PodSpread

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class TierPods:
    """The smallest known number of pods, by tier. Empty if no metric has a spread between pods."""

    by_tier: Mapping[str, int]

    def apart(self, piece: Piece, control: Control) -> tuple[int, ...]:
        """The sizes of the groups of pods that a block compares.

        A slice may be in one tier only, so the tier with the fewest pods counts. In the past the tiers had as many
        pods as now, but they may have been other pods.
        """
        if not self.by_tier:
            return ()
        delivered = self._fewest(piece.delivered)
        if control == "stratified":
            return (delivered, self._fewest(piece.others))
        others = self._fewest(piece.others) if piece.others else 0
        return (delivered, delivered, others, others) if others else (delivered, delivered)

    def _fewest(self, tiers: Sequence[str]) -> int:
        return min((self.by_tier[tier] for tier in tiers if tier in self.by_tier), default=1)


def sigma_of(tiers: Sequence[TierStatus]) -> dict[tuple[str, str], PodSpread]:
    """The largest σ_pod that a tier's judgement had, by dataset and metric; without those that were not known."""
    found: dict[tuple[str, str], PodSpread] = {}
    for tier in tiers:
        for dataset in tier.frozen.datasets if tier.frozen is not None else ():
            for metric, sigma in dataset.sigma_pod.items():
                spread = PodSpread(sigma, dataset.pod_degrees.get(metric, max(dataset.pods - 1, MIN_PODS - 1)))
                key = (dataset.name, metric)
                found[key] = max(spread, found.get(key, spread), key=lambda one: one.bound)
    return found


def pods_of(
    request: RolloutRequest, sources: Mapping[str, Source], sigma: Mapping[tuple[str, str], PodSpread]
) -> TierPods:
    """Pods that the log names in the day before the rollout, and those that were seen beside a twin.

    Raises:
        StoreError: the log cannot be read.
    """
    names = {dataset for (dataset, _), value in sigma.items() if value.bound > 0 and dataset in sources}
    if not names:
        return TierPods({})
    status = request.rollout.status
    end = status.started_at or request.now
    day = Block(end - _DAY, end)
    by_tier: dict[str, int] = {}
    for tier in status.tiers:
        seen = [change.baseline for change in tier.pods_changes if change.baseline > 0]
        for name in sorted(names):
            dataset = sources[name].dataset
            found: PodCounts | None = sources[name].store.read_pods(
                dataset, tier_scope(request, dataset, (tier.name,)), day
            )
            if found is not None and found.pods:
                seen.append(len(found.pods))
        if seen:
            by_tier[tier.name] = min(seen)
    return TierPods(by_tier or {"": 1})
