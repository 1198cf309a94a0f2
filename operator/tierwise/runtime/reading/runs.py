"""Reads blocks in runs that fit into a query and into memory. A query over its limits is repeated for fewer blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from tierwise.api.reasons import Reason
from tierwise.errors import StoreError
from tierwise.monitoring.counts.model import Dataset
from tierwise.monitoring.query.look.memory_limits import blocks_per_query

# Blocks per query: enough to amortise the scan, few enough for memory and for an early stop.
BLOCKS_AT_ONCE = 240

B = TypeVar("B")
R = TypeVar("R")


def blocks_at_once(datasets: Iterable[Dataset], most: int) -> int:
    """How many blocks to read at once. Bins, sums and weights need much memory; counts alone need little."""
    wide = [dataset for dataset in datasets if dataset.reads.bins or dataset.reads.sums or dataset.reads.weights]
    return min([most, *(blocks_per_query(dataset) for dataset in wide)])


def read_run(blocks: Sequence[B], most: int, read: Callable[[Sequence[B]], R]) -> tuple[Sequence[B], R]:
    """The first blocks, as many as could be read, and the result of `read` for them.

    Raises:
        StoreError: the store cannot be read; QueryOverLimits only if a single block is over the limits.
    """
    while True:
        chosen = blocks[:most]
        try:
            return chosen, read(chosen)
        except StoreError as error:
            if error.reason is not Reason.QUERY_OVER_LIMITS or len(chosen) == 1:
                raise
            most = max(1, len(chosen) // 4)


def in_runs(blocks: Sequence[B], most: int, read: Callable[[Sequence[B]], R]) -> Iterator[R]:
    """Read all blocks, run by run. If a limit shortens a run, the following runs are as short."""
    done = 0
    while done < len(blocks):
        chosen, found = read_run(blocks[done:], most, read)
        most = min(most, max(len(chosen), 1)) if done + len(chosen) < len(blocks) else most
        done += len(chosen)
        yield found
