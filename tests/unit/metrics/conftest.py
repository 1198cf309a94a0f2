"""Packages with metrics of their own, installed as pip would."""

from __future__ import annotations

import importlib
import sys
from importlib.metadata import distributions

import pytest

from tierwise.metrics.plugins import GROUP
from tierwise.metrics.registry import Registry


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Puts a package with one module into a folder on sys.path, as pip would; gives the registry with all of them."""
    monkeypatch.syspath_prepend(tmp_path)

    def put(name: str, source: str, value: str = "METRICS") -> Registry:
        module = name.replace("-", "_")
        monkeypatch.delitem(sys.modules, module, raising=False)  # of an earlier test's package
        importlib.invalidate_caches()
        (tmp_path / f"{module}.py").write_text(source)
        info = tmp_path / f"{module}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[{GROUP}]\n{module} = {module}:{value}\n")
        found = [point for d in distributions(path=[str(tmp_path)]) for point in d.entry_points if point.group == GROUP]
        return Registry(found)

    return put
