"""Remembers reads that a store's limits refused. The next look then reads in pieces at once."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tierwise.errors import StoreError
from tierwise.monitoring.counts.model import Block, Dataset
from tierwise.monitoring.query.log.config import config_hash

USES = 60  # after this many reads the whole is tried again, because limits or the store's load may have changed
_MOST = 1000


@dataclass(frozen=True, slots=True)
class _Refused:
    blocks: int
    seconds: float
    error: StoreError
    uses: int


class Refusals:
    """Per kind of read, dataset and groupings: the fewest blocks and the shortest time that were too much. A cache."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._refused: dict[tuple[str, int], _Refused] = {}

    def known(self, kind: str, dataset: Dataset, blocks: Sequence[Block]) -> StoreError | None:
        """Why a read of these blocks is too much; None if it may be tried.

        It is too much if it has as many blocks and as much time as what was refused. After `USES` such answers the
        refusal is forgotten.
        """
        if not self._refused:
            return None
        key = (kind, config_hash(dataset))
        with self._lock:
            found = self._refused.get(key)
            if found is None or len(blocks) < found.blocks or _seconds(blocks) < found.seconds:
                return None
            if found.uses >= USES:
                del self._refused[key]
                return None
            self._refused[key] = replace(found, uses=found.uses + 1)
            return found.error

    def remember(self, kind: str, dataset: Dataset, blocks: Sequence[Block], error: StoreError) -> None:
        """Remember that a read of these blocks was too much."""
        key, size, seconds = (kind, config_hash(dataset)), len(blocks), _seconds(blocks)
        with self._lock:
            if len(self._refused) >= _MOST:
                self._refused.clear()
            known = self._refused.get(key)
            if known is not None:
                size, seconds = min(size, known.blocks), min(seconds, known.seconds)
            self._refused[key] = _Refused(size, seconds, error, 0 if known is None else known.uses)


def _seconds(blocks: Sequence[Block]) -> float:
    return sum((block.end - block.start).total_seconds() for block in blocks)
