"""Fixtures of the end-to-end scenarios: one store and one operator per file, and what they said when a test fails."""

from __future__ import annotations

from collections.abc import Generator, Iterator

import pytest

from tests.support.cluster import Kubectl
from tests.support.world import World, running_world
from tierwise.local.cluster import Cluster


@pytest.fixture(scope="module")
def world(
    request: pytest.FixtureRequest,
    control_plane: Cluster,
    crds_installed: None,
    admin: Kubectl,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[World]:
    """Namespaces named by the module's PLACES, a store and an operator for them."""
    name = request.module.__name__.rpartition(".")[2].removeprefix("test_").replace("_", "-")
    with running_world(control_plane, admin, request.module.PLACES, tmp_path_factory.mktemp(name)) as world:
        yield world


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failed scenario shows the operator's log and what `tierwise explain` says of every model."""
    report = yield
    world = getattr(item, "funcargs", {}).get("world")
    if report.failed and report.when == "call" and isinstance(world, World):
        scene = item.funcargs.get("scene")  # type: ignore[attr-defined]
        scenes = [scene] if scene is not None else world.scenes
        report.sections.append(("operator and explanations", world.dossier(scenes)))
    return report
