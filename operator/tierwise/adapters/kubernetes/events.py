"""Kubernetes Events: the same fact about the same object is one Event with a count."""

from __future__ import annotations

import hashlib
import logging
from datetime import UTC, datetime

from tierwise.adapters.kubernetes.client import Client, Json
from tierwise.adapters.kubernetes.paths import path_of
from tierwise.api.names import API_VERSION
from tierwise.errors import ApiError, ClusterError
from tierwise.rollout.state.actions import Event

logger = logging.getLogger(__name__)


def event_manifest(kind: str, namespace: str, name: str, uid: str, event: Event, at: datetime) -> Json:
    """A core/v1 Event whose name follows from object, reason and message, so that the same fact meets itself again."""
    fact = hashlib.sha256(f"{uid}\0{event.type}\0{event.reason}\0{event.message}".encode()).hexdigest()[:16]
    stamp = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{name[:200]}.{fact}", "namespace": namespace},
        "involvedObject": {"apiVersion": API_VERSION, "kind": kind, "namespace": namespace, "name": name, "uid": uid},
        "type": event.type,
        "reason": event.reason[:128],
        "message": event.message[:1024],
        "source": {"component": "tierwise"},
        "reportingComponent": "tierwise.io/operator",
        "firstTimestamp": stamp,
        "lastTimestamp": stamp,
        "count": 1,
    }


def post_event(client: Client, manifest: Json) -> None:
    """Create it, or count it up when it is there. A lost Event is only logged."""
    namespace, name = manifest["metadata"]["namespace"], manifest["metadata"]["name"]
    try:
        try:
            client.create(path_of("events", namespace), manifest)
        except ApiError as error:
            if error.status != 409:
                raise
            path = path_of("events", namespace, name)
            count = client.get(path).get("count", 1)
            client.patch(path, {"count": count + 1, "lastTimestamp": manifest["lastTimestamp"]})
    except ClusterError as error:
        logger.warning("Event %s of %s/%s is lost: %s", manifest["reason"], namespace, name, error)
