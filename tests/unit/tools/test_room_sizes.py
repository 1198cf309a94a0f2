"""Small rooms, few in a corridor: what CONTRIBUTING.md says of files and folders holds."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import tierwise

MOST_LINES = 300
MOST_MODULES = 15
MODULES = [path for path in Path(tierwise.__file__).parent.rglob("*.py") if path.name != "__init__.py"]


def test_no_file_is_too_long():
    long = {path.name: lines for path in MODULES if (lines := len(path.read_text().splitlines())) > MOST_LINES}
    assert long == {}


def test_no_folder_has_too_many_modules():
    counts = Counter(str(path.parent) for path in MODULES)
    assert {name: n for name, n in counts.items() if n > MOST_MODULES} == {}
