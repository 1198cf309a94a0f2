"""A watch cache: one thread that lists, then watches, and holds small records of the objects by namespace."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Generic, Protocol, TypeVar

from tierwise.adapters.kubernetes.client import Client
from tierwise.errors import ApiError, ClusterError

logger = logging.getLogger(__name__)

WATCH_SECONDS = 290
READ_TIMEOUT_SECONDS = 75.0  # the server sends a bookmark every minute; a stream that is silent for longer is hung
BACK_OFF_SECONDS = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0)


class Record(Protocol):
    """What a cache holds: comparable, with the key of its object."""

    @property
    def namespace(self) -> str:
        """Namespace of the object."""
        ...

    @property
    def name(self) -> str:
        """Its name."""
        ...


R = TypeVar("R", bound=Record)


class WatchCache(Generic[R]):
    """Records of one collection, kept current by list and watch.

    Recovers by itself from a lost or hung connection, 410, in-stream errors and 401 (with back-off), listing anew
    where the resourceVersion is of no use any more. `on_change(old, new)` is called from the cache's thread, only
    when the record differs, and must return at once.
    """

    def __init__(
        self,
        client: Client,
        path: str,
        record: Callable[[Mapping[str, Any]], R],
        on_change: Callable[[R | None, R | None], None],
        *,
        read_timeout_seconds: float = READ_TIMEOUT_SECONDS,
    ) -> None:
        self._client = client
        self._path = path
        self._record = record
        self._on_change = on_change
        self._read_timeout = read_timeout_seconds
        self._lock = threading.Lock()
        self._by_namespace: dict[str, dict[str, R]] = {}
        self._synced = threading.Event()
        self._stopped = threading.Event()
        self._contact = time.monotonic()
        self._thread = threading.Thread(target=self._run, name=f"watch {path}", daemon=True)

    def start(self) -> None:
        """Start the thread; returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """Ask the thread to end; it ends with its current request (a daemon thread, so never keeps the process)."""
        self._stopped.set()

    def wait_synced(self, timeout_seconds: float) -> bool:
        """Whether the first list has arrived within the time."""
        return self._synced.wait(timeout_seconds)

    def silent_seconds(self) -> float:
        """Seconds since the server last said anything on this cache's connection; above 150 the records are stale."""
        return time.monotonic() - self._contact

    def all(self, namespace: str) -> list[R]:
        """All records of a namespace."""
        with self._lock:
            return list(self._by_namespace.get(namespace, {}).values())

    def get(self, namespace: str, name: str) -> R | None:
        """One record; None when there is none."""
        with self._lock:
            return self._by_namespace.get(namespace, {}).get(name)

    def _run(self) -> None:
        version: str | None = None
        failures = 0
        while not self._stopped.is_set():
            try:
                if version is None:
                    version = self._list()
                    self._synced.set()
                version = self._watch(version)
                failures = 0
            except ApiError as error:
                # 410: too old. What else the server may say of a resourceVersion needs no telling apart: list anew.
                version = None
                failures = self._back_off(0 if error.status == 410 else failures, error)
            except ClusterError as error:
                failures = self._back_off(failures, error)
            except Exception as error:  # a cache that ends silently would leave the operator blind
                logger.exception("cache of %s failed; lists anew", self._path)
                version = None
                failures = self._back_off(failures, error)

    def _back_off(self, failures: int, error: Exception) -> int:
        if failures == 2:
            logger.warning("cache of %s: %s; goes on trying", self._path, error)
        pause = BACK_OFF_SECONDS[min(failures, len(BACK_OFF_SECONDS) - 1)]
        self._stopped.wait(pause * random.uniform(0.8, 1.2))  # noqa: S311  # jitter, not cryptography
        return failures + 1

    def _list(self) -> str:
        fresh: dict[str, dict[str, R]] = {}
        query: dict[str, object] = {"limit": 500}
        while True:
            page = self._client.get(self._path, **query)
            for item in page.get("items") or []:
                record = self._record(item)
                fresh.setdefault(record.namespace, {})[record.name] = record
            token = page["metadata"].get("continue")
            if not token:
                break
            query["continue"] = token
        with self._lock:
            stale, self._by_namespace = self._by_namespace, fresh
        self._contact = time.monotonic()
        keys = {(namespace, name) for held in (stale, fresh) for namespace, names in held.items() for name in names}
        for namespace, name in keys:
            self._notify(stale.get(namespace, {}).get(name), fresh.get(namespace, {}).get(name))
        return str(page["metadata"]["resourceVersion"])

    def _watch(self, version: str) -> str | None:
        """Take up events from `version` on; the last version seen when the server ends the stream or it hangs.

        None (list anew) when the stream broke without having said anything: then only a list shows what is there.
        """
        heard = False
        seconds = WATCH_SECONDS + random.randint(-30, 30)  # noqa: S311  # caches must not all come back at once
        try:
            for event in self._client.watch(
                self._path, resource_version=version, seconds=seconds, read_timeout_seconds=self._read_timeout
            ):
                self._contact, heard = time.monotonic(), True
                item = event["object"]
                version = str(item["metadata"]["resourceVersion"])
                if event["type"] != "BOOKMARK":
                    self._take(event["type"], item)
                if self._stopped.is_set():
                    break
        except ClusterError as error:
            if isinstance(error, ApiError):
                raise
            logger.debug("cache of %s: %s; watches on from %s", self._path, error, version)
            self._stopped.wait(0.5)
            self._probe()
            return version if heard else None
        return version

    def _probe(self) -> None:
        """After a broken stream: raises ClusterError while the server is away, so that the back-off applies."""
        self._client.get(self._path, limit=1)

    def _take(self, kind: str, item: Mapping[str, Any]) -> None:
        record = self._record(item)
        with self._lock:
            held = self._by_namespace.setdefault(record.namespace, {})
            old = held.get(record.name)
            if kind == "DELETED":
                held.pop(record.name, None)
                if not held:
                    del self._by_namespace[record.namespace]
            else:
                held[record.name] = record
        self._notify(old, None if kind == "DELETED" else record)

    def _notify(self, old: R | None, new: R | None) -> None:
        if old != new:
            self._on_change(old, new)
