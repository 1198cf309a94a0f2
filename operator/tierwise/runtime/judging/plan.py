"""The plan of a tier, made from the log before its start."""

from __future__ import annotations

from collections.abc import Mapping

from tierwise.api.common import duration_seconds
from tierwise.api.frozen import Frozen
from tierwise.monitoring.counts.model import Cells, Dataset
from tierwise.monitoring.planning.snapshot import freeze
from tierwise.monitoring.planning.tier_plan import TierTerms, alpha_of_tier, plan_tier
from tierwise.rollout.state.exposure import exposure_fraction
from tierwise.runtime.judging.protocol import LookRequest
from tierwise.runtime.reading.controls import past_of_tier
from tierwise.runtime.reading.datasets import BoundSource, Source, bound, scope_of
from tierwise.runtime.reading.dispersion import read_spread
from tierwise.runtime.reading.history import read_history, smallest_that_fits


def plan_of(request: LookRequest, sources: Mapping[str, Source]) -> Frozen:
    """Make the plan from the log before the tier's start. It is recorded before a block is folded with it."""
    strategy, tier = request.rollout.spec.strategy, request.tier
    for source in sources.values():
        source.store.check(source.dataset)
    spec = next(spec for spec in strategy.tiers if spec.name == tier.name)
    max_seconds = float(duration_seconds(spec.max_duration))
    metric_counts = {item.name: len(item.metrics) for item in strategy.analysis.datasets}
    end = tier.started_at or request.now
    bound_to = bound_to_tier(request, sources)
    history = read_history(bound_to, metric_counts, end, max_seconds)
    metrics = {item.name: tuple(metric.name for metric in item.metrics) for item in strategy.analysis.datasets}
    spread = read_spread(bound_to, metrics, end, [spec.name for spec in strategy.tiers])

    def planned(cells: Mapping[str, Cells]) -> Frozen:
        plan = plan_tier(
            strategy.analysis.datasets,
            datasets_of(sources),
            cells,
            TierTerms(
                alpha=alpha_of_tier(strategy.analysis.false_rollback_rate, len(strategy.tiers)),
                expected_share=max_seconds / history.seconds,
                candidate_share=exposure_fraction(spec.exposure),
                max_duration_seconds=max_seconds,
            ),
            spread=spread,
        )
        return freeze(plan, request.now)

    frozen = smallest_that_fits(history.cells, metric_counts, planned)
    began = request.rollout.status.started_at or end
    past = past_of_tier(bound_to, strategy.analysis, began, end, max_seconds, frozen.alpha)
    return frozen.model_copy(update={"history": past})


def datasets_of(sources: Mapping[str, Source]) -> dict[str, Dataset]:
    """The datasets by name."""
    return {name: source.dataset for name, source in sources.items()}


def bound_to_tier(request: LookRequest, sources: Mapping[str, Source]) -> dict[str, BoundSource]:
    """The sources, limited to the rows of the tier."""
    return {
        name: bound(source, scope_of(request.rollout.spec, source.dataset, (request.tier.name,)))
        for name, source in sources.items()
    }
