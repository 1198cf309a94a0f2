"""Reads that are tried in another way when the first fails, or that fail with a remedy."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from tierwise.api.reasons import Reason
from tierwise.errors import StoreError
from tierwise.monitoring.counts.model import Dataset
from tierwise.monitoring.query.look.group_hashing import HashCollisionError
from tierwise.monitoring.query.look.memory_limits import ResultTooLargeError

T = TypeVar("T")


def read_hashed(read: Callable[..., T]) -> T:
    """Read with hashes of texts if this is faster; with the texts in the rare case that two hashes are equal."""
    try:
        return read()
    except HashCollisionError:
        return read(as_texts=True)


def within_memory(dataset: Dataset, read: Callable[[], T]) -> T:
    """Read. Raises StoreError with a remedy if the result is too large."""
    try:
        return read()
    except ResultTooLargeError as error:
        remedy = "lower maxValues of its dimensions, or slice by fewer combinations"
        raise StoreError(f"dataset {dataset.name!r}: {error}", remedy, reason=Reason.QUERY_OVER_LIMITS) from None
