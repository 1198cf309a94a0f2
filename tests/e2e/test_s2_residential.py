"""S2: two per cent of the people, on residential addresses, are taken for bots six times as often as before."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.model import TIERS, monitoring_dataset
from tests.support.polling import eventually
from tests.support.world import Scene, World
from tierwise.simulation.traffic.scenarios import EQUAL_TIERS, BernoulliTraffic, residential

pytestmark = [pytest.mark.needs_cluster, pytest.mark.timeout(600)]

ARMS = ("candidate", "baseline")
PLACES = ("regression", "place", "observed", "external")
# Worse by 0.1 percentage points is a regression; promotion is proof against one whole point.
FALSE_ALARMS = {
    "name": "false-positive-rate",
    "margin": {"absolute": 0.01},
    "tolerance": {"absolute": 0.001},
}
ROLLOUT = {"metrics": [FALSE_ALARMS], "slices": ["asn_type", "browser"]}
# Soak and deadline give two per cent of a small tier the time for a verdict; where nothing is worse none is waited for.
DURATIONS = {"min_duration": "2m", "max_duration": "15m"}
SHORT = {"min_duration": "5s", "max_duration": "2m"}
# Long enough for the control's past to be compared with.
HELD = {"min_duration": "45s", "max_duration": "10m"}
# Worse from the first interval on, or never.
USUAL, WORSE = {"worse_from_interval": 10**9}, {"worse_from_interval": 0}


@pytest.fixture(scope="module")
def scenes(world: World) -> dict[str, Scene]:
    """Given v1 serving in three tiers, with traffic, adopted; when v2 is applied, in four namespaces at once."""
    scenes = {place: world.scene(place) for place in PLACES}
    traffic = {
        # tiers 3/2/1 have 5/25/70 % of the traffic, residential addresses 2 %: 20 predictions a second per arm there
        "regression": residential(40_000),
        "place": residential(10_000, variant="place", tier_shares=EQUAL_TIERS),
        "observed": residential(6_000, residential_share=0.1, tier_shares=EQUAL_TIERS),
        "external": _external(**USUAL),
    }
    for place, scene in scenes.items():
        scene.serve("v1")
        scene.kubectl.apply(monitoring_dataset("asn_type", "browser"))
        scene.deploy("v1", **_rules(place))
        world.play(scene, source=traffic[place])
    for place, scene in scenes.items():
        scene.becomes_ready()
        # The external cause is seen against a past of some twenty seconds, longer on a busy machine.
        scene.has_logged(120_000 if place == "external" else 30_000, within=240)
        scene.deploy("v2", **_rules(place))
    return scenes


def _rules(place: str) -> dict[str, Any]:
    durations = {"place": SHORT, "external": HELD}.get(place, DURATIONS)
    return {**ROLLOUT, **durations, "rollback": {"automatic": place != "observed"}}


def _external(**when: int) -> BernoulliTraffic:
    return residential(6_000, variant="external", residential_share=0.1, tier_shares=EQUAL_TIERS, **when)


def test_what_gets_worse_for_both_versions_is_noted_against_a_past_of_less_than_days(
    scenes: dict[str, Scene], world: World
):
    scene = scenes["external"]
    assert scene.traffic is not None
    eventually(lambda: scene.tier("tier-3").get("phase") == "Judging", within=90, every=0.25)
    scene.traffic.source = _external(**WORSE)
    noted = "the untouched pods are themselves worse than the time just before the rollout"
    eventually(lambda: noted in scene.tier("tier-3").get("gate", {}).get("message", ""), within=120)
    gate = scene.tier("tier-3")["gate"]
    assert "false-positive-rate on asn_type=residential" in gate["message"]
    assert gate["reason"] != "ExternalCause"
    assert scene.rollout()["result"] == "Progressing"
    scene.traffic.source = _external(**USUAL)


def test_it_is_rolled_back_in_tier_3_the_slice_is_named_and_the_baseline_serves_again(
    scenes: dict[str, Scene], world: World
):
    scene = scenes["regression"]
    before = {name: item["metadata"]["generation"] for name, item in scene.workloads().items()}

    rollout = scene.ends("RolledBack", within=240)
    scene.falls_silent()

    assert scene.phases() == ["RolledBack", "Untouched", "Untouched"]
    assert rollout["reason"] == "Regressed"
    assert "false-positive-rate on asn_type=residential" in rollout["message"]
    assert [c["slice"] for c in rollout["tiers"][0]["culprits"]] == [{"asn_type": "residential"}]
    assert scene.runs_everywhere("v1")  # no twin is left, and every pod of the baseline is available
    after = {name: item["metadata"]["generation"] for name, item in scene.workloads().items()}
    assert after == {name: generation for name, generation in before.items() if name in after}  # never written
    assert scene.status()["stable"]["name"] == "v1"
    rejected = scene.status()["rejected"]
    assert [(r["name"], r["rollout"]) for r in rejected] == [("v2", "regression-1")]
    assert "asn_type=residential" in rejected[0]["reason"]
    assert "asn_type=residential" in scene.explain()
    eventually(lambda: scene.get()["metadata"]["annotations"].get("tierwise.io/rolled-back-from") == "v2", within=10)


def test_a_rejected_version_is_tried_again_only_on_request(scenes: dict[str, Scene], world: World):
    scene = scenes["regression"]
    scene.ends("RolledBack", within=240)

    scene.deploy("v2", **_rules("regression"), historyLimit=5)  # the object changes, its version does not
    message = scene.stalls("VersionRejected")
    assert "regression-1" in message
    generation = scene.get()["metadata"]["generation"]
    eventually(lambda: scene.status()["observedGeneration"] == generation, within=30, every=0.5)
    assert list(scene.rollouts()) == ["regression-1"]

    scene.annotate("retry", "once-more")
    eventually(lambda: scene.rollout(2).get("result") == "Progressing", within=60, every=0.5)
    assert scene.status()["rejected"] == []


def test_a_tier_of_worse_places_is_no_reason_to_roll_back(scenes: dict[str, Scene], world: World):
    scene = scenes["place"]
    rollout = scene.ends("Completed", within=360)
    scene.falls_silent()
    assert scene.phases() == ["Delivered"] * 3
    # tier-3's sites err twice as often as tier-1's, with either version
    first, _, last = (_rate_of_all(tier) for tier in rollout["tiers"])
    assert first > 1.2 * last  # of 2, from some 17,000 labels and 120 errors of both arms
    assert scene.runs_everywhere("v2")


def _rate_of_all(tier: dict[str, Any]) -> float:
    whole = next(verdict for verdict in tier["worst"] if not verdict.get("slice"))
    return sum(float(whole[f"{arm}Bad"]) for arm in ARMS) / sum(float(whole[f"{arm}N"]) for arm in ARMS)


def test_observed_only_a_person_promotes_each_tier_and_rolls_back_at_the_end(scenes: dict[str, Scene], world: World):
    scene = scenes["observed"]
    for tier in TIERS:
        held = scene.holds(tier, "RegressionObserved", within=180)
        assert "asn_type=residential" in held["gate"]["message"]
        assert [c["slice"] for c in held["culprits"]] == [{"asn_type": "residential"}]
        scene.annotate("promote", f"observed-1/{tier}")
        eventually(lambda tier=tier: scene.tier(tier)["phase"] == "Delivered", within=90, every=0.5)
    scene.ends("Completed", within=60)
    assert scene.runs_everywhere("v2")
    scene.becomes_ready()

    scene.annotate("rollback", "a person saw what it does to homes")
    rollout = scene.ends("RolledBack", revision=2, within=120)
    assert "a person saw" in rollout["message"]
    assert scene.runs_everywhere("v1")
    assert scene.status()["stable"]["name"] == "v1"
    assert [r["name"] for r in scene.status()["rejected"]] == ["v2"]


def test_after_the_external_cause_is_over_the_rollout_goes_on_by_itself(scenes: dict[str, Scene], world: World):
    scene = scenes["external"]
    scene.ends("Completed", within=300)
    assert scene.runs_everywhere("v2")
