"""DaemonSets."""

from __future__ import annotations

from tierwise.adapters.kubernetes.client import Client, Json
from tierwise.adapters.kubernetes.workloads.base import Item
from tierwise.adapters.kubernetes.workloads.delivery import apply_version
from tierwise.rollout.state.actions import Deliver

_COPIED = ("minReadySeconds", "revisionHistoryLimit", "selector", "template")


class DaemonSets:
    """Implements `base.Workload`."""

    kind = "DaemonSet"
    resource = "daemonsets"

    def replicas(self, item: Item) -> int:
        """How many nodes should have a pod; 0 until the controller has counted them."""
        return int((item.get("status") or {}).get("desiredNumberScheduled", 0))

    def is_ready(self, item: Item) -> bool:
        """Whether the generation is observed, and updated = available = scheduled = wanted pods."""
        wanted, status = self.replicas(item), item.get("status") or {}
        names = ("updatedNumberScheduled", "numberAvailable", "currentNumberScheduled")
        counts = [status.get(name, 0) for name in names]
        return status.get("observedGeneration", 0) >= item["metadata"]["generation"] and counts == [wanted] * 3

    def available(self, item: Item) -> int:
        """`status.numberAvailable`."""
        return int((item.get("status") or {}).get("numberAvailable", 0))

    def identity(self, item: Item) -> str | None:
        """What of the node the pods use, of which a second pod there could not use the same."""
        pod = item["spec"]["template"]["spec"]
        if pod.get("hostNetwork"):
            return "hostNetwork"
        ports = (port for container in pod.get("containers") or [] for port in container.get("ports") or [])
        if any(port.get("hostPort") for port in ports):
            return "hostPort"
        return "hostPath" if any("hostPath" in volume for volume in pod.get("volumes") or []) else None

    def twin_spec(self, item: Item) -> Json:
        """A Deployment of the same pods, which need not be on every node."""
        return {key: item["spec"][key] for key in _COPIED if key in item["spec"]}

    def deliver(self, client: Client, namespace: str, action: Deliver) -> None:
        """The DaemonSet's own strategy replaces its pods."""
        apply_version(client, self, namespace, action)


DAEMON_SET = DaemonSets()
