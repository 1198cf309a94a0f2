"""The kinds of workload that a tier may hold: one entry each, from which all that only names them derives.

The CRD's enum, the rights in the chart, and the tables of kinds and of rights in the docs are made from these entries.
What is done with a kind stands in its file in `adapters/kubernetes/workloads/`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

_OF_THE_NODE = ("hostNetwork", "hostPort", "hostPath")


@dataclass(frozen=True, slots=True)
class KindFacts:
    """What is known of a kind.

    `resource` is the plural name in paths and Roles. `tied_by` are fields by which a pod is tied to its place, so that
    no other pod can stand for it. `in_place` says which pods get the candidate in place, and how; empty where the kind
    cannot update only some of its pods.
    """

    resource: str
    api_version: str = "apps/v1"
    tied_by: tuple[str, ...] = ()
    in_place: str = ""

    @property
    def api_group(self) -> str:
        """As in a Role; empty for the core group."""
        group, _, version = self.api_version.partition("/")
        return group if version else ""

    @property
    def is_strategy_written(self) -> bool:
        """Whether `spec.updateStrategy` is written while only some pods have the candidate."""
        return bool(self.in_place)


_FACTS: dict[str, KindFacts] = {}


class WorkloadKind(StrEnum):
    """Kind of the workloads of a tier, as in a manifest."""

    def __new__(cls, value: str, facts: KindFacts | None = None) -> WorkloadKind:
        """A member of an entry's name and facts; without facts, the look-up of a name."""
        assert facts is not None
        member = str.__new__(cls, value)
        member._value_ = value
        _FACTS[value] = facts
        return member

    @property
    def facts(self) -> KindFacts:
        """What else is known of it."""
        return _FACTS[self.value]

    DEPLOYMENT = "Deployment", KindFacts("deployments")
    STATEFUL_SET = (
        "StatefulSet",
        KindFacts(
            "statefulsets",
            tied_by=("volumeClaimTemplates", *_OF_THE_NODE),
            in_place="the highest ordinals, by `partition`",
        ),
    )
    DAEMON_SET = (
        "DaemonSet",
        KindFacts("daemonsets", tied_by=_OF_THE_NODE, in_place="the pods of some nodes, by `OnDelete`"),
    )
