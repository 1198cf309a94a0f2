"""Which workloads a HorizontalPodAutoscaler targets."""

from __future__ import annotations

import logging
from collections.abc import Callable

from tierwise.adapters.kubernetes.client import Client
from tierwise.adapters.kubernetes.paths import path_of
from tierwise.errors import ForbiddenError

logger = logging.getLogger(__name__)


def autoscaled_in(client: Client, namespace: str) -> Callable[[str, str], bool]:
    """Whether a workload of that kind and name is scaled, as a function; one LIST.

    Without the right to list them every workload counts as scaled: twins are then removed more slowly.
    Raises ClusterError when the API server does not answer.
    """
    try:
        items = client.list_items(path_of("horizontalpodautoscalers", namespace))
    except ForbiddenError as error:
        logger.debug("namespace %s: autoscalers cannot be listed: %s", namespace, error)
        return lambda _kind, _name: True
    targets = (item["spec"]["scaleTargetRef"] for item in items)
    scaled = frozenset((target["kind"], target["name"]) for target in targets)
    return lambda kind, name: (kind, name) in scaled
