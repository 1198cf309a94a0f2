"""What pods use of their node, so that a second pod could not stand in their place. Pure: JSON in, text out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def use_of_the_node(pod: Mapping[str, Any]) -> str | None:
    """The first of hostNetwork, hostPort and hostPath that a pod's spec has; None when it has none of them.

    A port of any container counts, also of one that starts before the others and then runs beside them.
    """
    if pod.get("hostNetwork"):
        return "hostNetwork"
    containers = [*(pod.get("initContainers") or []), *(pod.get("containers") or [])]
    if any(port.get("hostPort") for container in containers for port in container.get("ports") or []):
        return "hostPort"
    return "hostPath" if any("hostPath" in volume for volume in pod.get("volumes") or []) else None
