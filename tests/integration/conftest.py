"""Fixtures of the integration tests."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.support.fleet_world import five_pods, kind, world
from tests.support.messy_log import log, store
from tests.support.store import served_store

__all__ = ["five_pods", "kind", "log", "store", "store_dsn", "world"]


@pytest.fixture(scope="session")
def store_dsn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A ClickHouse for several processes: TIERWISE_CLICKHOUSE_DSN when set, else a store server of the session."""
    if given := os.environ.get("TIERWISE_CLICKHOUSE_DSN"):
        yield given
        return
    with served_store(tmp_path_factory.mktemp("store") / "data") as store:
        yield store.dsn
