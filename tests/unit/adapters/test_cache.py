from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.polling import eventually
from tests.unit.adapters.builders import Json, a_pod
from tierwise.adapters.kubernetes.caches.watch_cache import WatchCache
from tierwise.adapters.kubernetes.workloads.pods import PodRecord, pod_record
from tierwise.errors import ApiError, ClusterError

Stream = Callable[[], Iterator[Json]]


class FakeServer:
    """Lists and streams as they are scripted; after the script every watch waits, silent, until the test ends."""

    def __init__(self, lists: list[Any], streams: list[Stream]) -> None:
        self.lists, self.streams = lists, streams
        self.listed = 0
        self.watched_from: list[str] = []
        self.over = threading.Event()

    def get(self, _path: str, **query: object) -> Json:
        if query.get("limit") == 1:
            return {}
        self.listed += 1
        answer = self.lists.pop(0) if len(self.lists) > 1 else self.lists[0]
        if isinstance(answer, Exception):
            raise answer
        return {"metadata": {"resourceVersion": str(100 * self.listed)}, "items": answer}

    def watch(self, _path: str, *, resource_version: str, seconds: int, read_timeout_seconds: float) -> Iterator[Json]:
        self.watched_from.append(resource_version)
        if self.streams:
            yield from self.streams.pop(0)()
        else:
            self.over.wait(30)


def event(kind: str, pod: Json, version: str) -> Json:
    return {"type": kind, "object": {**pod, "metadata": {**pod["metadata"], "resourceVersion": version}}}


def bookmark(version: str) -> Json:
    return {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": version}}}


def broken(*events: Json, error: Exception) -> Stream:
    def stream() -> Iterator[Json]:
        yield from events
        raise error

    return stream


@pytest.fixture
def started() -> Iterator[Callable[..., tuple[WatchCache[PodRecord], list[tuple[str, str]]]]]:
    """Starts a cache on a scripted server and notes its changes as (old, new) names."""
    running: list[tuple[WatchCache[PodRecord], FakeServer]] = []

    def start(server: FakeServer) -> tuple[WatchCache[PodRecord], list[tuple[str, str]]]:
        changes: list[tuple[str, str]] = []

        def note(old: PodRecord | None, new: PodRecord | None) -> None:
            changes.append((old.name if old else "", new.name if new else ""))

        cache = WatchCache(server, "/pods", pod_record, note)  # type: ignore[arg-type]
        running.append((cache, server))
        cache.start()
        assert cache.wait_synced(10)
        return cache, changes

    yield start
    for cache, server in running:
        cache.stop()
        server.over.set()


def names(cache: WatchCache[PodRecord]) -> list[str]:
    return sorted(record.name for record in cache.all("ns"))


def test_a_list_and_events_make_the_records(started: Any):
    def stream() -> Iterator[Json]:
        yield event("ADDED", a_pod("b"), "101")
        yield event("DELETED", a_pod("a"), "102")

    cache, changes = started(FakeServer([[a_pod("a")]], [stream]))
    eventually(lambda: names(cache) == ["b"], within=5)
    assert changes == [("", "a"), ("", "b"), ("a", "")]


def test_an_event_that_changes_nothing_wakes_nobody(started: Any):
    def stream() -> Iterator[Json]:
        yield event("MODIFIED", a_pod("a"), "101")
        yield event("MODIFIED", a_pod("a", ready=False), "102")

    cache, changes = started(FakeServer([[a_pod("a")]], [stream]))
    eventually(lambda: len(changes) == 2, within=5)
    assert changes == [("", "a"), ("a", "a")]
    assert not cache.get("ns", "a").ready


def test_a_stream_that_broke_is_taken_up_where_it_was(started: Any):
    server = FakeServer([[a_pod("a")]], [broken(bookmark("150"), error=ClusterError("hung"))])
    started(server)
    eventually(lambda: server.watched_from == ["100", "150"], within=5)
    assert server.listed == 1


def test_a_stream_that_broke_without_a_word_is_listed_anew(started: Any):
    server = FakeServer([[a_pod("a")], [a_pod("b")]], [broken(error=ClusterError("hung"))])
    cache, _ = started(server)
    eventually(lambda: names(cache) == ["b"], within=5)


@pytest.mark.parametrize("status", [410, 500, 401])
def test_an_error_in_the_stream_is_listed_anew_and_what_went_meanwhile_is_told(started: Any, status: int):
    error = ApiError(status, "Whatever", "too old")
    server = FakeServer([[a_pod("a")], [a_pod("b")]], [broken(error=error)])
    cache, changes = started(server)
    eventually(lambda: names(cache) == ["b"], within=5)
    eventually(lambda: sorted(changes) == [("", "a"), ("", "b"), ("a", "")], within=5)


def test_lists_that_fail_are_tried_again(started: Any):
    server = FakeServer([ClusterError("away"), ApiError(500, "", ""), [a_pod("a")]], [])
    cache, _ = started(server)
    assert names(cache) == ["a"]


def test_an_object_that_cannot_be_read_does_not_end_the_cache(started: Any):
    def stream() -> Iterator[Json]:
        yield {"type": "ADDED", "object": {"metadata": {"resourceVersion": "101"}}}

    server = FakeServer([[a_pod("a")], [a_pod("b")]], [stream])
    cache, _ = started(server)
    eventually(lambda: names(cache) == ["b"], within=5)
