"""Reads counts by tier, now and before, to see whether delivered tiers still log their predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from tierwise.api.modelrollout import Verification
from tierwise.metrics import registry
from tierwise.metrics.weighted import WEIGHED
from tierwise.monitoring.counts.model import Block, Cells, Dataset, Reads
from tierwise.monitoring.verification.coverage import Coverage, Named, begin_coverage, covered, missing, rows_now
from tierwise.monitoring.verification.fold import Watch
from tierwise.monitoring.verification.hypotheses import Hypotheses
from tierwise.runtime.reading.datasets import Source
from tierwise.runtime.reading.missing_times import untimed_of_log
from tierwise.runtime.reading.request import RolloutRequest
from tierwise.runtime.verification.blocks import Piece, block_step, tier_scope, tiers_of

Sides = tuple[Mapping[str, Cells], Mapping[str, Cells]]  # by dataset: now, before
ByTier = Mapping[str, Sides]  # of each delivered tier alone


def coverage_of(request: RolloutRequest, record: Verification, of: Hypotheses) -> Coverage | None:
    """The coverage before the first block. None beside other tiers, where missing rows prove nothing."""
    if record.until is None:
        return None
    numbers = {dataset.name: _numbers(of, d) for d, dataset in enumerate(of.datasets)}
    shift = timedelta(seconds=record.shift_seconds or 0.0)
    return begin_coverage(record.since, record.until, block_step(request, record), shift, numbers)


def _numbers(of: Hypotheses, index: int) -> dict[str, str]:
    """The numbers that every row should have, by the name of the sum that counts them."""
    present = {
        group.spec.name: registry.get(group.metric.name).present for group in of.groups if group.dataset == index
    }
    found = {name: f"the number of {metric}" for metric, name in present.items() if name is not None}
    return {**found, WEIGHED.name: "a weight"} if of.datasets[index].reads.weights else found


def read_by_tier(
    request: RolloutRequest,
    sources: Mapping[str, Source],
    coverage: Coverage,
    datasets: Sequence[Dataset],
    run: Sequence[Piece],
    shift: timedelta,
) -> ByTier:
    """Read the counts, and the sums that show missing numbers. A single tier is the whole, which is read already.

    Raises:
        StoreError: the log cannot be read.
    """
    if len(run[0].delivered) < 2:
        return {}
    blocks = [piece.block for piece in run]
    earlier = [Block(block.start - shift, block.end - shift) for block in blocks]
    sides: dict[str, Sides] = {}
    for tier in run[0].delivered:
        found: list[dict[str, Cells]] = []
        for when in (blocks, earlier):
            cells = {}
            for dataset in datasets:
                wanted = tuple(s for s in dataset.reads.sums if s.name in coverage.kinds[dataset.name])
                thin = replace(dataset, groupings=(), known=(), reads=Reads(sums=wanted))
                cells[dataset.name] = sources[dataset.name].store.read_cells(
                    thin, tier_scope(request, thin, (tier,)), when
                )
            found.append(cells)
        sides[tier] = (found[0], found[1])
    return sides


def with_run(coverage: Coverage, now: Mapping[str, Cells], before: Mapping[str, Cells], by_tier: ByTier) -> Coverage:
    """The coverage with a run of blocks."""
    for name in now:
        coverage = covered(coverage, Named(name), now[name], before[name])
        for tier, (later, earlier) in by_tier.items():
            coverage = covered(coverage, Named(name, tier), later[name], earlier[name])
    return coverage


def missing_of(
    request: RolloutRequest,
    record: Verification,
    sources: Mapping[str, Source],
    coverage: Coverage | None,
    watch: Watch,
    complete: datetime,
) -> tuple[str, ...]:
    """What is missing in the log, in words, worst first; empty if nothing is missing.

    Raises:
        StoreError: the log cannot be read.
    """
    if coverage is None or record.until is None:
        return ()
    tiers = tiers_of(request)
    found = [of.text for of in missing(coverage, tiers if len(tiers) > 1 else (), phi=watch.of.phi)]
    end = min(complete, record.until)
    if watch.until is not None and end - watch.until > coverage.width + block_step(request, record):
        found.append(f"the past is used up: nothing after {watch.until:%H:%M:%SZ} has a time before to compare with")
    if complete >= record.until:
        for name in coverage.kinds:
            source = sources[name]
            scope, rows = tier_scope(request, source.dataset, tiers), (0, rows_now(coverage, name))
            held = untimed_of_log(source.store, source.dataset, scope, rows, request.now, of_candidate_only=True)
            if held is not None:
                found.append(held.message)
    return tuple(found)
