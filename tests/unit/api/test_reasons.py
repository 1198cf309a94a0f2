"""Every reason that a person can meet is in the documentation's table, with what to do."""

from __future__ import annotations

import re
from pathlib import Path

from tierwise.api.reasons import Reason
from tierwise.tools.generate import ROOT

PAGE = Path(ROOT) / "docs/concepts/rollout.md"


def _rows() -> list[list[str]]:
    section = PAGE.read_text(encoding="utf-8").split("## Every reason, and what to do")[1].split("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| `")]
    assert rows
    return rows


def test_every_reason_has_one_row():
    named = [name for row in _rows() for name in re.findall(r"`(\w+)`", row[0])]
    assert sorted(named) == sorted(Reason)


def test_every_row_says_what_to_do():
    assert [row[0] for row in _rows() if len(row) < 3 or not row[-1].strip()] == []
