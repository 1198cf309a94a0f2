"""What Tierwise asks of a kind of workload: one implementation per kind, found in `registry.py`.

To add a kind: its entry in `api/workload_kinds.py`, a file like `deployment.py`, its line in `registry.py`, and a test.
`make generated` writes the CRDs, the rights in the chart, and the tables in the docs.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from tierwise.adapters.kubernetes.client import Client, Json
from tierwise.adapters.kubernetes.paths import path_of
from tierwise.adapters.kubernetes.workloads.pods import PodRecord, count_pods, group_pods, unschedulable
from tierwise.adapters.kubernetes.workloads.views import last_writer, running_in, template_fingerprint
from tierwise.api.workload_kinds import WorkloadKind
from tierwise.rollout.state.actions import Deliver
from tierwise.rollout.state.observation import WorkloadView

Item = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Placement:
    """What a kind says of the places of its pods, as in a `WorkloadView`. The defaults: any pod will do."""

    identity: str | None = None
    update_strategy: str | None = None
    updating: int | None = None
    takes_back: bool = False
    stuck: int = 0


class Workload(Protocol):
    """One kind of workload. Items are objects as the API server returns them."""

    @property
    def kind(self) -> WorkloadKind:
        """Its entry in the list of kinds."""
        ...

    @property
    def resource(self) -> str:
        """The plural name in paths and in Roles."""
        ...

    def replicas(self, item: Item) -> int:
        """How many pods are wanted."""
        ...

    def is_ready(self, item: Item) -> bool:
        """Whether its controller is done: the generation is observed, and every pod wanted is updated and available."""
        ...

    def available(self, item: Item) -> int:
        """How many pods are available by its status."""
        ...

    def twin_spec(self, item: Item) -> Json:
        """The spec of a Deployment with the same pods: template, selector and what else both kinds have."""
        ...

    def placement(self, item: Item, container: str, pods: Sequence[PodRecord]) -> Placement:
        """Whether its pods are tied to their places, and what its update strategy does with them."""
        ...

    def deliver(self, client: Client, namespace: str, action: Deliver) -> None:
        """Bring a version into the live workload; `action.pods` only where `placement` tells of an update strategy.

        Raises as `delivery.apply_version` does.
        """
        ...


def list_workloads(client: Client, workload: Workload, namespace: str, labels: Mapping[str, str]) -> list[Json]:
    """All workloads of a kind that carry the labels, fresh."""
    return client.list_items(path_of(workload.resource, namespace), labels=labels)


def view_of(
    workload: Workload,
    item: Item,
    container: str,
    pods: Sequence[PodRecord],
    *,
    parameters: Collection[str] = (),
    autoscaled: bool = False,
) -> WorkloadView:
    """A workload of a tier with its own pods. `parameters` are the variables by which versions are told apart."""
    template = item["spec"]["template"]
    running = running_in(template, container)
    placement = workload.placement(item, container, pods)
    return WorkloadView(
        kind=workload.kind,
        name=item["metadata"]["name"],
        uid=item["metadata"]["uid"],
        replicas=workload.replicas(item),
        running=running,
        containers=tuple(entry["name"] for entry in template["spec"].get("containers") or []),
        template_fingerprint=template_fingerprint(workload.twin_spec(item)["template"], container),
        settled=workload.is_ready(item),
        pods=count_pods(pods, container, running),
        last_writer=last_writer(item, container, parameters),
        autoscaled=autoscaled,
        identity=placement.identity,
        update_strategy=placement.update_strategy,
        updating=placement.updating,
        takes_back=placement.takes_back,
        available=workload.available(item),
        stuck=placement.stuck,
        groups=group_pods(pods, container),
        blocked=unschedulable(pods),
    )
