"""S3: ten rollouts of a version that is the same as before, judged in 40 slices: they go through."""

from __future__ import annotations

import pytest

from tests.support.model import monitoring_dataset
from tests.support.world import Scene, World
from tierwise.simulation.traffic.scenarios import identical

pytestmark = [pytest.mark.needs_cluster, pytest.mark.timeout(900)]

PLACES = ("fleet",)
ROLLOUTS = 10
SLICES = 40
# Error rates are 1 to 8 % in the 40 slices. Until maxDuration each slice has at least seven times the labels that
# a verdict on this margin takes (docs/statistics.md), so that all of them are powered.
ROLLOUT = {
    "metrics": [{"name": "error-rate", "margin": {"absolute": 0.12}, "tolerance": {"absolute": 0.01}}],
    "slices": ["segment"],
    "max_duration": "3m",
}
ROWS_PER_SECOND = 3000.0
# Each is rolled back with a chance of 5 % at most: of ten more than two with 1 % at most (in fact far less).
MOST_ROLLED_BACK = 2
MODELS = tuple(f"model-{number}" for number in range(ROLLOUTS))


@pytest.fixture(scope="module")
def scenes(world: World) -> list[Scene]:
    """Given ten models with traffic, adopted; when v2, which answers exactly like v1, is applied to all of them."""
    scenes = [world.scene("fleet", model) for model in MODELS]
    scenes[0].kubectl.apply(monitoring_dataset("segment"))
    for scene in scenes:
        scene.serve("v1")
    traffic = {model: identical(ROWS_PER_SECOND, slices=SLICES, seed=seed) for seed, model in enumerate(MODELS)}
    world.play(*scenes, source=traffic, interval_seconds=0.5)
    for scene in scenes:
        _deploy(scene, "v1")
    for scene in scenes:
        scene.becomes_ready()
        scene.has_logged(30_000)
    for scene in scenes:
        _deploy(scene, "v2")
    return scenes


def _deploy(scene: Scene, version: str) -> None:
    analysis = {
        "interval": "4s",
        "warmUp": "2s",
        "datasets": [{"name": "labelled", **{k: ROLLOUT[k] for k in ("metrics", "slices")}}],
    }
    scene.deploy(version, analysis=analysis, max_duration=ROLLOUT["max_duration"])


def test_identical_versions_go_through_all_tiers_in_all_40_slices(scenes: list[Scene], world: World):
    went_through = [scene for scene in scenes if scene.ends(within=400)["result"] == "Completed"]
    assert len(went_through) >= ROLLOUTS - MOST_ROLLED_BACK
    for scene in went_through:
        status = scene.rollout()
        assert scene.phases() == ["Delivered"] * 3
        for tier in status["tiers"]:
            assert tier["gate"]["reason"] == "NonInferior"
            assert tier["coverage"]["powered"] == 1 + SLICES
        assert scene.runs_everywhere("v2")
        assert scene.status()["stable"]["name"] == "v2"
