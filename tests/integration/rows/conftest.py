"""The store and the rows that every test of this folder spoils."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.judged_rows import two_equal_versions
from tierwise.adapters.clickhouse.store import ClickHouseStore, open_store


@pytest.fixture(scope="module")
def store(store_dsn: str) -> Iterator[ClickHouseStore]:
    """One store: what is tried here is the same over HTTP and embedded."""
    store = open_store(store_dsn)
    yield store
    store.close()


@pytest.fixture(scope="module")
def good(store: ClickHouseStore) -> str:
    return two_equal_versions(store)
