"""Checks that the datasets of a tier are still those whose evidence was folded."""

from __future__ import annotations

from collections.abc import Mapping

from tierwise.api.frozen import Frozen
from tierwise.api.reasons import Reason
from tierwise.errors import SpecError
from tierwise.monitoring.planning.snapshot import pinned_hash
from tierwise.runtime.reading.datasets import Source


def require_unchanged(frozen: Frozen, sources: Mapping[str, Source]) -> None:
    """Raise SpecError if a dataset was edited after its evidence was folded."""
    for kept in frozen.datasets:
        source = sources.get(kept.name)
        if source is None or pinned_hash(source.dataset) != kept.config_hash:
            raise SpecError(
                f"MonitoringDataset {kept.name!r} was edited while the tier was judged",
                "restore it, or set tierwise.io/retry to judge the tier anew",
                reason=Reason.DATASET_INVALID,
            )
