"""A log as simulations use it: one version's rows by tier, and the log as it was where two versions are compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from tierwise.api.names import Reason
from tierwise.monitoring.analysis import blocks_between
from tierwise.monitoring.cells import Cells, Dataset, Scope
from tierwise.runtime.errors import SpecError
from tierwise.runtime.planning import NO_CANDIDATE, PlannedTier, PlanRequest, find_traffic, require_slice
from tierwise.runtime.recorded import RecordedLog
from tierwise.simulation.policy import Policy
from tierwise.simulation.recorded import RecordedRows, read_rows
from tierwise.simulation.replay import read_cells
from tierwise.simulation.slicing import Slicing

MOST_BLOCKS = 20_000


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """What was read. `rows` and `replay` are per tier, by dataset; `replay` None without a candidate."""

    policy: Policy
    source: str
    rows: tuple[Mapping[str, RecordedRows], ...]
    blocks: int
    history_blocks: int
    replay: tuple[Mapping[str, Cells], ...] | None
    notes: tuple[str, ...]


def record(
    log: RecordedLog,
    request: PlanRequest,
    policy_for: Callable[[Mapping[str, Dataset], Sequence[PlannedTier]], Policy],
    *,
    candidate: str | None,
    history: float,
    now: datetime,
) -> Recording:
    """Read the log once; a share `history` of the window is what plans know. A tier longer than the log is cut to it.

    Raises:
        SpecError: an unknown column, dimension, metric, version or slice, or a window that is too short or too long.
        StoreError: the log cannot be read.
    """
    traffic = find_traffic(request, log, now)
    policy = policy_for(traffic.datasets, request.tiers)
    width = policy.block_seconds
    whole = int(traffic.seconds // width)
    known = max(1, round(history * whole))
    if whole > MOST_BLOCKS or whole - known < 2:
        wrong = "more than" if whole > MOST_BLOCKS else "too few of"
        raise SpecError(
            f"the window of {traffic.seconds:.0f} s has {whole} blocks of {width:g} s, {wrong} "
            f"{MOST_BLOCKS if whole > MOST_BLOCKS else 'what a simulation needs'}",
            f"give {'longer' if whole > MOST_BLOCKS else 'shorter'} blocks with --block, or another --since",
            reason=Reason.QUERY_OVER_LIMITS,
        )
    blocks = blocks_between(traffic.window.start, traffic.window.end, width)[:whole]
    scopes = [Scope(request.model, traffic.baseline, NO_CANDIDATE, tier.log_tiers) for tier in request.tiers]
    rows = tuple(
        {name: read_rows(log, dataset, scope, blocks) for name, dataset in traffic.datasets.items()} for scope in scopes
    )
    _check_drops(request, traffic.datasets, rows)
    replay = None
    if candidate is not None:
        _require_version(log, request, traffic.datasets, candidate, now)
        replay = tuple(
            {name: read_cells(log, dataset, replace(scope, candidate=candidate), blocks)
             for name, dataset in traffic.datasets.items()}
            for scope in scopes
        )  # fmt: skip
    available = (whole - known) * width
    notes = tuple(
        f"{f'tier {tier.name!r}' if tier.name else 'the tier'}: maxDuration of {tier.max_duration / 3600:.1f} h is cut "
        f"to the {available / 3600:.1f} h that the log has after its history"
        for tier in policy.tiers
        if tier.max_duration > available
    )
    tiers = tuple(replace(tier, max_duration=min(tier.max_duration, available)) for tier in policy.tiers)
    return Recording(
        policy=replace(policy, tiers=tiers),
        source=f"recorded {request.model + ' ' if request.model else ''}{traffic.baseline}, {whole} blocks",
        rows=rows,
        blocks=whole,
        history_blocks=known,
        replay=replay,
        notes=notes,
    )


def _check_drops(
    request: PlanRequest, datasets: Mapping[str, Dataset], rows: Sequence[Mapping[str, RecordedRows]]
) -> None:
    keys = {
        key
        for of_tier in rows
        for name, found in of_tier.items()
        for key in Slicing(found.dimensions, found.atoms, datasets[name].groupings).keys
    }
    for drop in request.drops:
        require_slice(drop, keys)


def _require_version(
    log: RecordedLog, request: PlanRequest, datasets: Mapping[str, Dataset], candidate: str, now: datetime
) -> None:
    tiers = tuple(name for tier in request.tiers for name in tier.log_tiers)
    for dataset in datasets.values():
        seen = log.survey(dataset, Scope(request.model, candidate, candidate, tiers), (request.since, now))
        if candidate not in seen:
            there = ", ".join(sorted(seen))
            raise SpecError(
                f"candidate {candidate!r} is not in dataset {dataset.name!r} (versions there: {there})",
                "give --candidate one of these",
                reason=Reason.CANDIDATE_MISSING,
            )
