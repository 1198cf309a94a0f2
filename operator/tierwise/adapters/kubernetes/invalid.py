"""A stored ModelDeployment that cannot be parsed: its conditions and an Event say so, not only the operator's log."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

from tierwise.adapters.kubernetes.client import Client, Json
from tierwise.adapters.kubernetes.events import event_manifest, post_event
from tierwise.adapters.kubernetes.paths import path_of
from tierwise.errors import ClusterError
from tierwise.rollout.state.actions import Event
from tierwise.rollout.state.wording import clip

logger = logging.getLogger(__name__)

_TRUTH = {"Ready": "False", "Reconciling": "False", "Stalled": "True"}


def report_invalid(client: Client, namespace: str, name: str, event: Event, now: datetime) -> None:
    """Set Ready, Reconciling and Stalled of the stored object, leave all else of its status, and post the Event.

    The rest of the status stays as it is: what it remembers is needed again once the object can be read. Where even
    the status cannot be written, because it is not valid itself, the Event and the log tell it.
    """
    item = client.find(path_of("modeldeployments", namespace, name))
    if item is None:
        return
    status = item.get("status") or {}
    before = {c.get("type"): c for c in status.get("conditions") or []}
    stalled = before.get("Stalled", {})
    if (stalled.get("status"), stalled.get("reason"), stalled.get("message")) == ("True", event.reason, _text(event)):
        return
    stamp = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    conditions = [c for c in status.get("conditions") or [] if c.get("type") not in _TRUTH]
    conditions += [_condition(kind, before.get(kind, {}), event, item, stamp) for kind in _TRUTH]
    summary = {**(status.get("summary") or {}), "status": "Stalled", "message": _text(event)}
    body = {**item, "status": {**status, "conditions": conditions, "summary": summary}}
    try:
        client.replace(path_of("modeldeployments", namespace, name, "status"), body)
    except ClusterError as error:
        logger.warning("status of ModelDeployment %s/%s cannot be written: %s", namespace, name, error)
    uid = item["metadata"]["uid"]
    post_event(client, event_manifest("ModelDeployment", namespace, name, uid, event, now))
    logger.error("%s/%s: %s", namespace, name, event.message)


def _text(event: Event) -> str:
    return clip(event.message)


def _condition(kind: str, before: Json, event: Event, item: Json, stamp: str) -> Json:
    truth = _TRUTH[kind]
    since = before.get("lastTransitionTime") if before.get("status") == truth else None
    return {
        "type": kind,
        "status": truth,
        "reason": event.reason,
        "message": _text(event),
        "observedGeneration": item["metadata"]["generation"],
        "lastTransitionTime": since or stamp,
    }
