"""What texts in the code name by its full path is there."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import tierwise

ROOT = Path(tierwise.__file__).parent
PACKAGES = "|".join(path.name for path in ROOT.iterdir() if (path / "__init__.py").exists())
REFERENCE = re.compile(rf"`((?:{PACKAGES})\.\w+(?:\.\w+)*)(?:\(\))?`")


def exists(reference: str) -> bool:
    """Whether it is a module, or something in one."""
    parts = reference.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(("tierwise", *parts[:length])))
        except ModuleNotFoundError:
            continue
        for name in parts[length:]:
            if not hasattr(found, name):
                return False
            found = getattr(found, name)
        return True
    return False


def test_every_module_and_name_that_a_text_names_exists():
    wrong = [
        f"{path.relative_to(ROOT)}: {reference}"
        for path in sorted(ROOT.rglob("*.py"))
        for reference in REFERENCE.findall(path.read_text())
        if not exists(reference)
    ]
    assert wrong == []
