"""kopf: watches of Tierwise's own objects, and nothing else.

Only event handlers are registered. kopf's daemons and change handlers would put kopf's finalizer on the objects and
keep state in annotations. Their PATCHes are lost or conflict if the process dies between two of them. So kopf writes
nothing here, and only the work queue knows when an object is due again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import kopf

from tierwise.adapters.kubernetes.client import Connection
from tierwise.api.names import GROUP, VERSION

logger = logging.getLogger(__name__)

WATCH_SECONDS = 290
WORKER_LIMIT = 400
WORKER_IDLE_SECONDS = 0.5  # with kopf's 5 s a limited pool handles only 40 objects a second after a start
ERROR_BACK_OFFS = (0.5, 1, 2, 4, 8, 16, 30)
REQUEST_TIMEOUT_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Listener:
    """The functions that the watches call from kopf's event loop. Each must return at once."""

    wake: Callable[[str, str], None]  # namespace and name of a ModelDeployment
    forget: Callable[[str, str], None]
    # namespace and name of a MonitoringDataset, and uid and generation as one text; None: gone
    dataset_seen: Callable[[str, str, str | None], None]
    rollout_seen: Callable[[str, str | None], None]  # uid and result of a ModelRollout; None: gone


def registry(listener: Listener, connection: Callable[[], Connection]) -> kopf.OperatorRegistry:
    """The handlers of one operator process."""
    handlers = kopf.OperatorRegistry()

    @kopf.on.startup(registry=handlers)
    def configure(settings: kopf.OperatorSettings, **_: object) -> None:
        settings.posting.enabled = False
        settings.posting.loggers = False
        settings.peering.standalone = True
        settings.persistence.finalizer = f"{GROUP}/unused-by-kopf"
        settings.persistence.progress_storage = kopf.AnnotationsProgressStorage(prefix=f"kopf.{GROUP}")
        settings.persistence.diffbase_storage = kopf.AnnotationsDiffBaseStorage(prefix=f"kopf.{GROUP}")
        settings.watching.server_timeout = WATCH_SECONDS
        settings.watching.connect_timeout = REQUEST_TIMEOUT_SECONDS
        settings.networking.request_timeout = REQUEST_TIMEOUT_SECONDS
        settings.networking.error_backoffs = ERROR_BACK_OFFS
        settings.queueing.worker_limit = WORKER_LIMIT
        settings.queueing.idle_timeout = WORKER_IDLE_SECONDS
        settings.scanning.disabled = True  # CRDs are checked at the start; cluster-wide watches of them need rights

    @kopf.on.login(registry=handlers)
    def login(**_: object) -> kopf.ConnectionInfo:
        known = connection()
        scheme, _space, token = (known.authorization or "").rpartition(" ")
        return kopf.ConnectionInfo(
            server=known.server,
            ca_path=known.ca_path,
            insecure=not known.verify,
            scheme=scheme or None,
            token=token or None,
            certificate_path=known.certificate_path,
            private_key_path=known.private_key_path,
        )

    @kopf.on.event(GROUP, VERSION, "modeldeployments", registry=handlers)
    def deployment_changed(type: str | None, namespace: str | None, name: str | None, **_: object) -> None:
        (listener.forget if type == "DELETED" else listener.wake)(namespace or "", name or "")

    @kopf.on.event(GROUP, VERSION, "modelrollouts", registry=handlers)
    def rollout_changed(type: str | None, namespace: str | None, body: Mapping[str, Any], **_: object) -> None:
        gone = type == "DELETED"
        result = (body.get("status") or {}).get("result") or "Progressing"
        listener.rollout_seen(body["metadata"]["uid"], None if gone else str(result))
        if deployment := (body.get("spec") or {}).get("modelDeployment"):
            listener.wake(namespace or "", str(deployment))

    @kopf.on.event(GROUP, VERSION, "monitoringdatasets", registry=handlers)
    def dataset_changed(
        type: str | None, namespace: str | None, name: str | None, body: Mapping[str, Any], **_: object
    ) -> None:
        state = f"{body['metadata']['uid']}/{body['metadata'].get('generation')}"
        listener.dataset_seen(namespace or "", name or "", None if type == "DELETED" else state)

    return handlers


def run(
    listener: Listener, connection: Callable[[], Connection], namespaces: tuple[str, ...], on_ready: Callable[[], None]
) -> None:
    """Watch until the process gets SIGTERM or SIGINT. Call it in the main thread.

    Raises:
        RuntimeError: a watch failed for longer than the back-offs; the process should end and be started again.
    """
    logging.getLogger("kopf").setLevel(logging.WARNING)

    async def serve() -> None:
        ready = asyncio.Event()
        announced = asyncio.ensure_future(_call_when(ready, on_ready))
        try:
            await kopf.operator(
                registry=registry(listener, connection),
                standalone=True,
                clusterwide=not namespaces,
                namespaces=namespaces,
                ready_flag=ready,
            )
        finally:
            announced.cancel()

    asyncio.run(serve())


async def _call_when(flag: asyncio.Event, call: Callable[[], None]) -> None:
    await flag.wait()
    call()
