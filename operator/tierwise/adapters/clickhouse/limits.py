"""Reads within a store's limits: if one query is too much, the read is split into pieces with the same counts."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from tierwise.adapters.clickhouse.refusals import Refusals
from tierwise.api.reasons import Reason
from tierwise.errors import StoreError
from tierwise.monitoring.counts.merge import added, halves_of_groupings, halves_of_time, side_by_side
from tierwise.monitoring.counts.model import Block, Cells, Dataset, Distributions
from tierwise.monitoring.query.look.decode import merge_cells

logger = logging.getLogger(__name__)

MOST_HALVINGS = 6
MOST_AFTER_TIMEOUT = 2  # fewer halvings, because every attempt takes as long as the limit allows
_TIMEOUT = 159
_QUOTA = frozenset({201, 202})  # after these, more queries would only make it worse
_ROWS = frozenset({158, 160, 307})  # rows or bytes read, or the time that they would take

T = TypeVar("T")
AskCells = Callable[[Dataset, Sequence[Block]], Cells]
AskDistributions = Callable[[Dataset, Block], Distributions]


def read_cells_in_pieces(
    dataset: Dataset, blocks: Sequence[Block], ask: AskCells, refusals: Refusals | None = None, halvings: int = 0
) -> Cells:
    """Call `ask`. If the store says that it is too much, read fewer blocks, then fewer slices, then shorter times.

    A read that `refusals` know to be too much is split at once.

    Raises:
        StoreError: QueryOverLimits if pieces are too much, too; any other error at once.
    """

    def pieces(over: StoreError) -> Callable[[], Cells] | None:
        def read(part: Dataset, run: Sequence[Block]) -> Cells:
            return read_cells_in_pieces(part, run, ask, refusals, halvings + 1)

        if len(blocks) > 1:
            half = len(blocks) // 2
            return lambda: merge_cells([read(dataset, run) for run in (blocks[:half], blocks[half:])])
        if _fewer_slices_help(over) and (parts := halves_of_groupings(dataset)):
            return lambda: side_by_side([read(part, blocks) for part in parts])
        if halves := halves_of_time(dataset, blocks[0]):
            return lambda: replace(added([read(dataset, [half]) for half in halves]), blocks=tuple(blocks))
        return None

    what = _Read("cells", dataset, blocks, halvings)
    return _read(what, lambda: ask(dataset, blocks), pieces, refusals)


def read_distributions_in_pieces(
    dataset: Dataset, block: Block, ask: AskDistributions, refusals: Refusals | None = None, halvings: int = 0
) -> Distributions:
    """As `read_cells_in_pieces`, for the distributions of one block."""

    def pieces(over: StoreError) -> Callable[[], Distributions] | None:
        def read(part: Dataset, piece: Block) -> Distributions:
            return read_distributions_in_pieces(part, piece, ask, refusals, halvings + 1)

        if _fewer_slices_help(over) and (parts := halves_of_groupings(dataset)):
            return lambda: side_by_side([read(part, block) for part in parts])
        if halves := halves_of_time(dataset, block):
            return lambda: replace(added([read(dataset, half) for half in halves]), block=block)
        return None

    what = _Read("distributions", dataset, [block], halvings)
    return _read(what, lambda: ask(dataset, block), pieces, refusals)


@dataclass(frozen=True, slots=True)
class _Read:
    """The part that is read, and how often it was halved before."""

    kind: str
    dataset: Dataset
    blocks: Sequence[Block]
    halvings: int


def _read(
    what: _Read,
    ask: Callable[[], T],
    pieces: Callable[[StoreError], Callable[[], T] | None],
    refusals: Refusals | None,
) -> T:
    kind, dataset, blocks, halvings = what.kind, what.dataset, what.blocks, what.halvings
    known = None if refusals is None or halvings >= MOST_HALVINGS else refusals.known(kind, dataset, blocks)
    in_pieces = None if known is None else pieces(known)
    if in_pieces is None:
        try:
            return ask()
        except StoreError as error:
            _check(error, dataset, halvings)
            over = error
        in_pieces = pieces(over)
        if in_pieces is None:
            raise over
        if refusals is not None:
            refusals.remember(kind, dataset, blocks, over)
    return in_pieces()


def _fewer_slices_help(error: StoreError) -> bool:
    """Whether fewer slices help. They read as many rows, but have fewer groups; one code stands for both limits."""
    return error.code not in _ROWS or "GROUP BY" in error.message


def _check(error: StoreError, dataset: Dataset, halvings: int) -> None:
    """Raise the error if pieces cannot help."""
    if error.reason is not Reason.QUERY_OVER_LIMITS or error.code is None or error.code in _QUOTA:
        raise error
    if halvings >= (MOST_AFTER_TIMEOUT if error.code == _TIMEOUT else MOST_HALVINGS):
        pieces = f"in {2**halvings} pieces, the read is still over the store's limits"
        raise StoreError(
            f"dataset {dataset.name!r}: {pieces}: {error.message}",
            error.remedy,
            reason=error.reason,
            code=error.code,
        )
    if not halvings:
        logger.info("dataset %s: over the store's limits (code %s), asked in pieces", dataset.name, error.code)
