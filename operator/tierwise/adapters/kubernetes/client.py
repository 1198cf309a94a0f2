"""Raw JSON over the kubernetes package's connection: explicit time-outs, retries, and a guard before every write."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import urllib3
from kubernetes import client as k8s
from kubernetes import config as k8s_config

from tierwise.errors import ApiError, ClusterError, ForbiddenError

logger = logging.getLogger(__name__)

Json = dict[str, Any]
_RETRIED = frozenset({429, 500, 502, 503, 504})
_CONTENT = {"PATCH": "application/merge-patch+json", "APPLY": "application/apply-patch+yaml"}


@dataclass(frozen=True, slots=True)
class Connection:
    """Where the API server is and how to authenticate; for a second client (kopf). Never logged: holds a token."""

    server: str
    ca_path: str | None
    certificate_path: str | None
    private_key_path: str | None
    authorization: str | None
    verify: bool

    def __repr__(self) -> str:
        return f"Connection(server={self.server!r})"


def connect(
    kubeconfig: str | None = None, context: str | None = None, *, request_timeout_seconds: float = 10.0
) -> Client:
    """A client from a kubeconfig (flag, else KUBECONFIG, else ~/.kube/config), or from the pod's service account.

    Raises:
        ClusterError: no kubeconfig and not in a pod, or the context does not exist; says which.
    """
    configuration = k8s.Configuration()
    try:
        if (
            kubeconfig is None
            and context is None
            and Path("/var/run/secrets/kubernetes.io/serviceaccount/token").exists()
        ):
            k8s_config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
        else:
            k8s_config.load_kube_config(  # type: ignore[no-untyped-call]
                config_file=kubeconfig, context=context, client_configuration=configuration
            )
    except (k8s_config.ConfigException, OSError, TypeError) as error:
        where = kubeconfig or "KUBECONFIG or ~/.kube/config"
        raise ClusterError(
            f"no cluster to talk to: {where}: {error}; "
            "give --kubeconfig (and --context), or start a cluster: tierwise local up"
        ) from error
    configuration.connection_pool_maxsize = 32
    configuration.retries = urllib3.Retry(0, redirect=False)  # what is tried again is decided here, not below
    return Client(k8s.ApiClient(configuration), request_timeout_seconds=request_timeout_seconds)


class Client:
    """Requests to one API server. Safe for use by several threads.

    Every request ends within `request_timeout_seconds`; 429 (after Retry-After) and 5xx are tried `tries` times,
    connection errors twice. All our writes carry a precondition or are idempotent: trying again does nothing twice.
    `guard` is called before every write and stops it by raising (leadership).
    """

    def __init__(self, api: k8s.ApiClient, *, request_timeout_seconds: float = 10.0, tries: int = 4) -> None:
        self._api = api
        self._pool: urllib3.PoolManager = api.rest_client.pool_manager
        self._host: str = api.configuration.host.rstrip("/")
        self._timeout = request_timeout_seconds
        self._tries = tries
        self.guard: Callable[[], None] | None = None

    def connection(self) -> Connection:
        """For another client library, with the token as it is now."""
        configuration = self._api.configuration
        return Connection(
            server=self._host,
            ca_path=configuration.ssl_ca_cert,
            certificate_path=configuration.cert_file,
            private_key_path=configuration.key_file,
            authorization=self._headers().get("authorization"),
            verify=bool(configuration.verify_ssl),
        )

    def get(self, path: str, **query: object) -> Json:
        """GET; raises ApiError (404 too)."""
        return self.request("GET", path, query=query)

    def find(self, path: str) -> Json | None:
        """GET; None when it does not exist."""
        try:
            return self.request("GET", path)
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def create(self, path: str, body: Json) -> Json:
        """POST with strict field validation."""
        return self.request("POST", path, body=body, query={"fieldValidation": "Strict"})

    def replace(self, path: str, body: Json) -> Json:
        """PUT; the body carries resourceVersion or uid."""
        return self.request("PUT", path, body=body)

    def patch(self, path: str, body: Json) -> Json:
        """JSON merge patch."""
        return self.request("PATCH", path, body=body, content=_CONTENT["PATCH"])

    def apply(self, path: str, body: Json, *, manager: str, force: bool) -> Json:
        """Server-side apply."""
        query = {"fieldManager": manager, "force": str(force).lower(), "fieldValidation": "Strict"}
        return self.request("PATCH", path, body=body, query=query, content=_CONTENT["APPLY"])

    def delete(self, path: str, *, uid: str | None = None, propagation: str = "Background") -> None:
        """DELETE; not found counts as done, another uid is an ApiError 409."""
        body: Json = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": propagation}
        if uid is not None:
            body["preconditions"] = {"uid": uid}
        try:
            self.request("DELETE", path, body=body)
        except ApiError as error:
            if error.status != 404:
                raise

    def list_items(self, path: str, *, labels: Mapping[str, str] | None = None) -> list[Json]:
        """All items that carry the labels, from a consistent read."""
        selector = ",".join(f"{key}={value}" for key, value in sorted((labels or {}).items()))
        query: Json = {"limit": 500, **({"labelSelector": selector} if selector else {})}
        items: list[Json] = []
        while True:
            page = self.request("GET", path, query=query)
            items += page.get("items") or []
            query["continue"] = page.get("metadata", {}).get("continue")
            if not query["continue"]:
                return items

    def request(
        self,
        method: str,
        path: str,
        *,
        body: Json | None = None,
        query: Mapping[str, object] | None = None,
        content: str = "application/json",
    ) -> Json:
        """One request, tried again where that helps.

        Raises:
            ApiError: a status of 400 or more. ClusterError: no answer. Whatever `guard` raises, before a write.
        """
        for attempt in range(1, self._tries + 1):
            if method != "GET" and self.guard is not None:
                self.guard()
            try:
                timeout = urllib3.Timeout(total=self._timeout)
                response = self._send(method, self._url(path, query), body, content, timeout)
            except urllib3.exceptions.HTTPError as error:
                if attempt >= 2:
                    raise ClusterError(f"API server {self._host} does not respond: {type(error).__name__}") from error
                time.sleep(0.2)
                continue
            if response.status < 400:
                return dict(json.loads(response.data)) if response.data else {}
            if response.status not in _RETRIED or attempt == self._tries:
                raise _api_error(response.status, response.data)
            time.sleep(_retry_after(response.headers.get("Retry-After"), default=0.1 * 2**attempt))
        raise AssertionError("unreachable")

    def watch(self, path: str, *, resource_version: str, seconds: int, read_timeout_seconds: float) -> Iterator[Json]:
        """Watch events from a resourceVersion on until the server ends the stream (at the latest after `seconds`).

        A stream that says nothing, not even a bookmark, for `read_timeout_seconds` is hung: ClusterError.

        Raises:
            ApiError: also for an in-stream ERROR (410 when the resourceVersion is too old).
        """
        query = {
            "watch": "true",
            "resourceVersion": resource_version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": seconds,
        }
        timeout = urllib3.Timeout(connect=self._timeout, read=read_timeout_seconds)
        try:
            response = self._send("GET", self._url(path, query), None, "application/json", timeout, preload=False)
            try:
                if response.status >= 400:
                    raise _api_error(response.status, response.read())
                rest = b""
                for chunk in response.stream(65536):
                    *lines, rest = (rest + chunk).split(b"\n")
                    for line in lines:
                        event = json.loads(line)
                        if event["type"] == "ERROR":
                            status = event.get("object", {})
                            raise ApiError(
                                int(status.get("code", 500)), str(status.get("reason")), str(status.get("message"))
                            )
                        yield event
            finally:
                response.close()  # a stream is not given back to the pool half-read
        except urllib3.exceptions.HTTPError as error:
            raise ClusterError(f"watch of {path}: {type(error).__name__}") from error

    def _send(
        self,
        method: str,
        url: str,
        body: Json | None,
        content: str,
        timeout: urllib3.Timeout,
        *,
        preload: bool = True,
    ) -> urllib3.BaseHTTPResponse:
        headers = {"Accept": "application/json", **self._headers()}
        data = None
        if body is not None:
            headers["Content-Type"] = content
            data = json.dumps(body).encode()
        return self._pool.request(method, url, body=data, headers=headers, timeout=timeout, preload_content=preload)

    def _url(self, path: str, query: Mapping[str, object] | None) -> str:
        known = {key: value for key, value in (query or {}).items() if value is not None}
        return f"{self._host}{path}" + (f"?{urlencode(known)}" if known else "")

    def _headers(self) -> dict[str, str]:
        headers: dict[str, str] = {"User-Agent": "tierwise"}
        # Asking for the settings every time renews a service account's token, which lives an hour.
        self._api.update_params_for_auth(headers, [], ["BearerToken"], None, None, None)
        return headers


def _api_error(status: int, data: bytes) -> ApiError:
    try:
        answer = json.loads(data)
    except ValueError:
        answer = {}
    if not isinstance(answer, dict):
        answer = {}
    kind = ForbiddenError if status in (401, 403) else ApiError
    return kind(status, str(answer.get("reason", "")), str(answer.get("message", "no message")), answer.get("details"))


def _retry_after(header: str | None, *, default: float) -> float:
    """Seconds to wait: what the server asks for, at most 10."""
    try:
        return min(10.0, float(header)) if header else default
    except ValueError:
        return default
