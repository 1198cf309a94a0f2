"""Holds the Lease while the operator works."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator

from tierwise.adapters.kubernetes.client import Client
from tierwise.adapters.kubernetes.lease import KubernetesLease
from tierwise.process.cluster import connected
from tierwise.process.state import ProcessState
from tierwise.runtime.control_loop.leadership import Elector
from tierwise.runtime.control_loop.settings import OperatorSettings


@contextlib.contextmanager
def leadership(
    settings: OperatorSettings, client: Client, stop: threading.Event, state: ProcessState
) -> Iterator[bool]:
    """Hold the Lease inside the block (False: stopped before). If the Lease is lost, the process ends at once."""
    if not settings.leader_elect:
        yield True
        return
    # It has its own client: a request that hangs must end within the renew deadline, and renewals need no guard.
    own = connected(settings, settings.lease_times.request_timeout)
    identity = f"{socket.gethostname()}_{uuid.uuid4().hex[:8]}"
    lease = KubernetesLease(own, settings.lease_namespace, settings.lease_name)
    elector = Elector(lease, identity, time.monotonic, settings.lease_times)
    state.waiting_for_lease = True
    if not elector.acquire(stop):
        yield False
        return
    state.waiting_for_lease = False
    client.guard = elector.guard
    ended = threading.Event()

    def keep() -> None:
        if not elector.keep(ended):
            logging.shutdown()
            os._exit(1)  # a graceful end would wait for requests that may hang; the guard already stops writes

    keeper = threading.Thread(target=keep, name="lease", daemon=True)
    keeper.start()
    try:
        yield True
    finally:
        ended.set()
        keeper.join(settings.lease_times.renew_deadline)
        elector.release()
