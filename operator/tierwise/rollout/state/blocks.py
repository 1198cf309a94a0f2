"""The blocks of prediction time from which a tier's evidence is folded. Pure: the same records give the same blocks."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tierwise.api.modelrollout import PodsChange
from tierwise.monitoring.counts.model import Block


@dataclass(frozen=True, slots=True)
class SharedBlock:
    """A block in which the ready pods of both arms stayed the same."""

    block: Block
    candidate_share: float  # of the ready pods, in (0, 1)
    pods: tuple[int, int] = (0, 0)  # ready pods of the baseline and the candidate


def blocks_until(
    start: datetime, interval_seconds: float, changes: Sequence[PodsChange], until: datetime
) -> tuple[SharedBlock, ...]:
    """Blocks [start + i·d, start + (i+1)·d) that end at or before `until`, cut at every change of the pods.

    A piece in which an arm has no pod is left out, because nothing can be compared there. A piece in which changes were
    not recorded, because there were too many, is left out, too. A change is recorded when it is seen, and `until` is in
    the past. So later calls only append blocks, and folded blocks never change.
    """
    times = [change.at for change in changes]
    step = timedelta(seconds=interval_seconds)
    blocks: list[SharedBlock] = []
    index, left = 0, start
    while left < until:
        index += 1
        edge = start + index * step
        cuts = [time for time in times[bisect_right(times, left) :] if time < edge]
        for right in [*cuts, edge]:
            if right > until:
                return tuple(blocks)
            position = bisect_right(times, left) - 1
            if position >= 0 and right > left:
                pods = changes[position]
                if pods.candidate and pods.baseline and pods.until is None:
                    share = pods.candidate / (pods.candidate + pods.baseline)
                    blocks.append(SharedBlock(Block(left, right), share, (pods.baseline, pods.candidate)))
            left = right
    return tuple(blocks)
