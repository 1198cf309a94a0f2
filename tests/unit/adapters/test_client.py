"""Requests to an API server that is busy, broken or refuses: what is tried again, and what is told."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from kubernetes import client as k8s

from tierwise.adapters.kubernetes.client import Client
from tierwise.errors import ApiError, ClusterError, ForbiddenError

Answer = tuple[int, dict[str, str], object]
OK: Answer = (200, {}, {"kind": "Pod"})
BUSY: Answer = (429, {"Retry-After": "0"}, {"message": "too many requests"})
BROKEN: Answer = (500, {"Retry-After": "0"}, {"message": "etcd has no leader"})


@contextmanager
def serving(*answers: Answer) -> Iterator[tuple[Client, list[str]]]:
    """A client of a server that gives these answers in turn, the last one for ever; and what it was asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, headers, body = answers[min(len(asked), len(answers) - 1)]
            asked.append(f"{self.command} {self.path}")
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(data))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = _answer  # noqa: N815

        def log_message(self, *_: object) -> None:
            return None

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    configuration = k8s.Configuration()
    configuration.host = f"http://127.0.0.1:{server.server_port}"
    try:
        yield Client(k8s.ApiClient(configuration)), asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize("trouble", [(BUSY,), (BUSY, BROKEN, BUSY), (BROKEN, BROKEN, BROKEN)])
def test_a_server_that_is_busy_or_broken_for_a_while_is_asked_again(trouble: tuple[Answer, ...]):
    with serving(*trouble, OK) as (client, asked):
        assert client.get("/api/v1/pods/x") == {"kind": "Pod"}
    assert len(asked) == len(trouble) + 1


def test_a_server_that_stays_broken_is_told_with_its_own_message_after_some_tries():
    with serving(BROKEN) as (client, asked), pytest.raises(ApiError, match="etcd has no leader") as raised:
        client.get("/api/v1/pods/x")
    assert raised.value.status == 500
    assert len(asked) == 4


@pytest.mark.parametrize("status", [400, 404, 409, 422])
def test_what_another_try_cannot_help_is_told_at_once(status: int):
    with serving((status, {}, {"reason": "Conflict", "message": "changed"})) as (client, asked):
        with pytest.raises(ApiError) as raised:
            client.request("PUT", "/x", body={})
        assert (raised.value.status, len(asked)) == (status, 1)


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_has_an_error_of_its_own(status: int):
    with serving((status, {}, {"message": "no"})) as (client, _), pytest.raises(ForbiddenError):
        client.get("/x")


@pytest.mark.parametrize("body", [b"<html>", b"", [1]])
def test_an_error_whose_body_is_not_what_it_should_be_is_still_an_error(body: object):
    with serving((404, {}, body)) as (client, _), pytest.raises(ApiError):
        client.get("/x")


def test_no_answer_is_a_cluster_error_that_names_the_host():
    with serving(OK) as (client, _):
        pass  # the server is gone
    with pytest.raises(ClusterError, match=r"API server http://127\.0\.0\.1:\d+ does not respond"):
        client.get("/x")


def test_the_guard_is_asked_before_every_try_of_a_write_and_never_for_a_read():
    guarded: list[int] = []
    guard: Callable[[], None] = lambda: guarded.append(1)  # noqa: E731
    with serving(BROKEN, OK) as (client, asked):
        client.guard = guard
        client.request("PUT", "/x", body={})
        assert len(guarded) == 2
        client.get("/x")
    assert (len(guarded), len(asked)) == (2, 3)
