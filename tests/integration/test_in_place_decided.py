"""In place on a real API server with its controllers, as it is decided: pods made anew, scaling, writes by others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.support.fleet_world import V2, Clock, World, a_model_deployment
from tests.support.polling import eventually
from tests.unit.rollout.world import INCONCLUSIVE, REGRESSED, FakeJudge, NoStore
from tierwise.api.modelrollout import ModelRolloutStatus
from tierwise.api.names import FINALIZER
from tierwise.runtime.control_loop.reconcile import reconcile

pytestmark = pytest.mark.needs_cluster
ON_DELETE = {"type": "OnDelete"}


@dataclass
class Operator:
    """The loop of one ModelDeployment with a judge that says what the test wants."""

    world: World
    judge: FakeJudge = field(default_factory=FakeJudge)

    def apply(self, version: dict[str, Any] | None = None) -> None:
        manifest = a_model_deployment(kind=self.world.kind)
        manifest["spec"]["tiers"][0] |= {"exposure": "20%"}
        manifest["spec"]["tiers"][0]["workloads"]["candidatePods"] = "InPlace"
        manifest["spec"]["version"] = version or manifest["spec"]["version"]
        self.world.kubectl.apply(manifest)

    def until(self, is_so: Callable[[], object], within: float = 60) -> None:
        """Tick until it is so."""

        def tick() -> object:
            reconcile(self.world.namespace, "model", self.world.fleet, NoStore(), Clock(), self.judge)  # type: ignore[arg-type]
            return is_so()

        eventually(tick, within=within)

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = self.world.kubectl.get("modeldeployment", "model").get("status", {})
        return found

    @property
    def rollout(self) -> ModelRolloutStatus:
        return self.world.fleet.list_rollouts(self.world.deployment())[-1].status

    def judges_v2(self) -> None:
        """v1 is stable, and v2 is judged."""
        self.judge.answer = INCONCLUSIVE
        self.apply()
        self.until(lambda: (self.status().get("stable") or {}).get("name") == "v1")
        self.apply(V2.to_wire())
        self.until(lambda: self.status().get("rollout") and self.rollout.tiers and self.rollout.tiers[0].judging_since)


def strategy(world: World) -> dict[str, Any]:
    found: dict[str, Any] = world.kubectl.get(world.kind, "w")["spec"]["updateStrategy"]
    return found


@pytest.mark.usefixtures("five_pods")
@pytest.mark.parametrize("kind", ["DaemonSet"])
def test_pods_of_a_daemon_set_that_are_made_anew_hold_the_tier_and_a_regression_takes_them_all_back(world: World):
    operator, own = Operator(world), strategy(world)
    operator.judges_v2()
    assert world.pod_counts() == {"v1": 4, "v2": 1}
    assert strategy(world) == ON_DELETE
    world.kubectl("delete", "pod", *world.pods_by_image()["v1"][:2])
    operator.until(lambda: world.pod_counts() == {"v1": 2, "v2": 3} and operator.rollout.result == "Stalled")
    assert operator.rollout.reason == "ExposureExceeded"
    operator.judge.answer = REGRESSED
    operator.until(lambda: operator.rollout.result == "RolledBack", within=120)
    assert world.pod_counts() == {"v1": 5}
    assert strategy(world) == own


@pytest.mark.parametrize("kind", ["StatefulSet"])
def test_a_stateful_set_is_scaled_and_written_by_others_and_its_model_deployment_is_deleted(world: World):
    world.kubectl("scale", "statefulset/w", "--replicas=4")
    world.patch({"updateStrategy": {**ON_DELETE, "rollingUpdate": None}})
    eventually(lambda: len(world.pods_by_image().get("v1", [])) == 4, within=30)
    operator = Operator(world)
    operator.judges_v2()
    assert world.pods_by_image() == {"v1": ["w-0", "w-1", "w-2"], "v2": ["w-3"]}
    world.patch({"updateStrategy": {"rollingUpdate": {"partition": 2}}})
    operator.until(lambda: operator.rollout.tiers[0].workloads[0].foreign_writes == 1)
    operator.until(lambda: world.pods_by_image() == {"v1": ["w-0", "w-1", "w-2"], "v2": ["w-3"]})
    assert strategy(world)["rollingUpdate"]["partition"] == 3
    world.kubectl("scale", "statefulset/w", "--replicas=10")
    eight = {"v1": [f"w-{i}" for i in range(8)], "v2": ["w-8", "w-9"]}
    operator.until(lambda: world.pods_by_image() == eight, within=120)
    assert operator.rollout.tiers[0].workloads[0].foreign_writes == 1  # scaling is no write by others
    world.kubectl("delete", "modeldeployment", "model", "--wait=false")
    assert FINALIZER in world.kubectl.get("modeldeployment", "model")["metadata"]["finalizers"]
    operator.until(lambda: not world.kubectl.get("modeldeployments")["items"], within=120)
    assert world.pod_counts() == {"v1": 10}
    assert strategy(world) == ON_DELETE
