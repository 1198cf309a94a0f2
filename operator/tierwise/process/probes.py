"""The pages for the kubelet and Prometheus: /healthz, /readyz and /metrics."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator

from tierwise.adapters.http.health import HealthServer, Page
from tierwise.adapters.http.telemetry import Telemetry
from tierwise.api.reasons import Reason
from tierwise.errors import ReasonedError
from tierwise.process.state import ProcessState
from tierwise.runtime.control_loop.loop import Loop
from tierwise.runtime.control_loop.settings import OperatorSettings

logger = logging.getLogger(__name__)


@contextlib.contextmanager
def probes(settings: OperatorSettings, loop: Loop, telemetry: Telemetry, state: ProcessState) -> Iterator[None]:
    """Serve /healthz, /readyz and /metrics inside the block, on the ports that are set."""

    def alive() -> tuple[int, str]:
        late = loop.overdue_seconds()
        if late > settings.overdue_seconds:
            return 500, f"a tick is overdue by {late:.0f} s (limit {settings.overdue_seconds:.0f} s)\n"
        return 200, "ok\n"

    def ready() -> tuple[int, str]:
        if state.waiting_for_lease:
            return 200, "standing by: another process holds the Lease\n"
        return (200, "ok\n") if state.watching else (503, "starting\n")

    pages: dict[int, dict[str, Page]] = {}
    if settings.health_port is not None:
        pages.setdefault(settings.health_port, {}).update({"/healthz": alive, "/readyz": ready})
    if settings.metrics_port is not None:
        pages.setdefault(settings.metrics_port, {})["/metrics"] = lambda: (200, telemetry.exposition())
    with contextlib.ExitStack() as servers:
        for port, served in pages.items():
            try:
                server = HealthServer(settings.bind_address, port, served)
            except OSError as error:
                raise ReasonedError(
                    f"cannot listen on {settings.bind_address}:{port}: {error.strerror}",
                    "another process has the port; give another one",
                    reason=Reason.INVALID_SPEC,
                ) from error
            server.start()
            servers.callback(server.stop)
            logger.info("%s on http://%s:%d", ", ".join(sorted(served)), settings.bind_address, server.port)
        yield
