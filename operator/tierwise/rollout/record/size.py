"""Keeps a rollout's status below 64 KiB for any number of tiers, slices and metrics, by leaving out texts for people.

The input of the evidence (the plan, changes of pods, workloads) is never cut; plans are made small enough.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from tierwise.api.modelrollout import ModelRolloutStatus, TierStatus

MOST_BYTES = 64 * 1024
_OVER = ("Delivered", "RolledBack", "Untouched")


def size_of(status: ModelRolloutStatus) -> int:
    """The size of the status as JSON, in bytes."""
    return len(status.model_dump_json(by_alias=True, exclude_none=True).encode())


def fitted(status: ModelRolloutStatus) -> ModelRolloutStatus:
    """The status without as many slices as necessary: first of finished tiers, at last of the tier in flight."""
    for smaller in _steps(status):
        if size_of(smaller) < MOST_BYTES:
            return smaller
    return smaller


def _steps(status: ModelRolloutStatus) -> Iterator[ModelRolloutStatus]:
    yield status
    planned = [tier.name for tier in status.tiers if tier.frozen is not None]
    status = _tiers(status, _without_dimensions(planned[-1:]))
    yield status
    for is_over, worst, culprits in ((True, 3, 10), (True, 0, 3), (True, 0, 1), (False, 3, 5), (False, 1, 1)):
        status = _tiers(status, _cut(is_over, worst, culprits))
        yield status


def _without_dimensions(kept: Sequence[str]) -> Callable[[TierStatus], TierStatus]:
    """What was judged on its own is told of the tier that was planned last."""

    def cut(tier: TierStatus) -> TierStatus:
        if tier.frozen is None or tier.name in kept:
            return tier
        datasets = [dataset.model_copy(update={"dimensions": []}) for dataset in tier.frozen.datasets]
        return tier.model_copy(update={"frozen": tier.frozen.model_copy(update={"datasets": datasets})})

    return cut


def _cut(is_over: bool, worst: int, culprits: int) -> Callable[[TierStatus], TierStatus]:
    def cut(tier: TierStatus) -> TierStatus:
        if is_over and tier.phase not in _OVER:
            return tier
        return tier.model_copy(update={"worst": tier.worst[:worst], "culprits": tier.culprits[:culprits]})

    return cut


def _tiers(status: ModelRolloutStatus, change: Callable[[TierStatus], TierStatus]) -> ModelRolloutStatus:
    return status.model_copy(update={"tiers": [change(tier) for tier in status.tiers]})
